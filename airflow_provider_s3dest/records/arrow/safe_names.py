"""Renames the columns of Arrow data, and the fields of structs in them, to names that Athena accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.safe_names import clash_of, safe_columns, safe_key
from airflow_provider_s3dest.records.table import Table


def with_safe_fields(table: Table) -> Table:
    """Rename the columns of a table that has a schema, and the fields of structs. The keys of a map stay, as values.

    :raises SpecError: if two names would be the same, or differ only in case.
    """
    names = safe_columns(table)
    fields = [(names[field.name], _safe_type(field.type, table.name, field.name)) for field in table.schema]
    schema = import_pyarrow().schema(fields)
    return Table(table.name, tuple(schema.names), _renamed(table, schema), schema=schema, bad=table.bad)


def _renamed(table: Table, schema: Any) -> Iterator[ArrowChunk]:
    for chunk in table.chunks:
        assert isinstance(chunk, ArrowChunk)
        # The names of fields belong to the type alone: a view with another type copies no values.
        arrays = [
            array if array.type == safe_type else array.view(safe_type)
            for array, safe_type in zip(chunk.batch.columns, schema.types, strict=True)
        ]
        batch = import_pyarrow().RecordBatch.from_arrays(arrays, schema=schema)
        yield ArrowChunk(batch, chunk.origins, len(chunk), table.name)


def _safe_type(arrow_type: Any, table: str, column: str) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_struct(arrow_type):
        fields = arrow_type.fields
        if clash := clash_of(field.name for field in fields):
            problem = f"the fields {clash} of column {column!r} of table {table!r} are one name to Athena."
            raise SpecError([Fault("athena", problem, "Rename one upstream.")])
        return pyarrow.struct([(safe_key(field.name), _safe_type(field.type, table, column)) for field in fields])
    if types.is_list(arrow_type) or types.is_large_list(arrow_type):
        make = pyarrow.large_list if types.is_large_list(arrow_type) else pyarrow.list_
        return make(_safe_type(arrow_type.value_type, table, column))
    return arrow_type
