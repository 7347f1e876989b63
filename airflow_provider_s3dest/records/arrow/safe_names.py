"""Makes the names of Arrow data safe for Athena: those of columns, and of the fields of structs in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, ArrowValues
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.safe_names import clash_of, safe_columns, safe_key
from airflow_provider_s3dest.records.table import Table


def with_safe_fields(table: Table) -> Table:
    """Rename the columns of a table that has a schema, and the fields of structs. The keys of a map are values.

    :raises SpecError: if two names would be the same, or differ only in case.
    """
    names = safe_columns(table)
    fields = [(names[field.name], _safe_type(field.type, table.name, field.name)) for field in table.schema]
    schema = import_pyarrow().schema(fields)
    return Table(table.name, tuple(schema.names), _renamed(table, schema), schema=schema, bad=table.bad)


def _renamed(table: Table, schema: Any) -> Iterator[ArrowChunk]:
    for chunk in table.chunks:
        assert isinstance(chunk, ArrowChunk)
        # The fields of a type have no part in the memory of its values.
        arrays = [
            array if array.type == kind else array.view(kind)
            for array, kind in zip(chunk.values.batch.columns, schema.types, strict=True)
        ]
        batch = import_pyarrow().RecordBatch.from_arrays(arrays, schema=schema)
        yield ArrowChunk(ArrowValues(batch, {}, chunk.origins, table.name), chunk.origins, len(chunk))


def _safe_type(kind: Any, table: str, column: str) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_struct(kind):
        if clash := clash_of(field.name for field in kind.fields):
            problem = f"the fields {clash} of column {column!r} of table {table!r} are one name to Athena."
            raise SpecError([Fault("athena", problem, "Rename one upstream.")])
        return pyarrow.struct([(safe_key(field.name), _safe_type(field.type, table, column)) for field in kind.fields])
    if types.is_list(kind) or types.is_large_list(kind):
        make = pyarrow.large_list if types.is_large_list(kind) else pyarrow.list_
        return make(_safe_type(kind.value_type, table, column))
    return kind
