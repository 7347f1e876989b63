"""Prepares a table for encoding: types, safe names, and the columns of the objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.load.schema import arrow_types
from airflow_provider_s3dest.records.chunks import TextDialect
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.spec import DestinationSpec


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A table that is ready to be encoded.

    :param typed: the table with typed columns, which have the names that the source gave them.
    :param named: the same table with the final names of its columns.
    :param written: the same table with the columns that the objects have; those of the path may be left out.
    """

    typed: Table
    named: Table
    written: Table


def prepared(spec: DestinationSpec, table: Table, schema: Mapping[str, str] | None) -> PreparedTable:
    """Prepare a table for encoding.

    :param schema: the Arrow type of each column, by its name; None: the source decides.
    :raises SpecError: if the path names a column that the table lacks.
    """
    typed = with_types_for(spec, table, schema)
    named = with_safe_keys_for(spec, typed)
    return PreparedTable(typed, named, _with_object_columns(spec, named))


def passing_for(spec: DestinationSpec) -> TextDialect | None:
    """Return the dialect in which staged text may pass through unchanged; None if no text may."""
    if spec.partition_fields or spec.format == "parquet":
        return None
    if spec.format == "csv":
        return TextDialect("csv", spec.csv.delimiter) if spec.csv.is_plain else None
    return None if spec.athena else TextDialect("json")


def with_types_for(spec: DestinationSpec, table: Table, schema: Mapping[str, str] | None) -> Table:
    """Return a table whose chunks are Arrow data with one type for each column, if the format or a schema needs that.

    :param schema: the Arrow type of each column, by its name; None: the source decides.
    """
    if schema is None and spec.format != "parquet":
        return table
    from airflow_provider_s3dest.records.arrow.typed_table import with_types

    return with_types(
        table,
        arrow_types(schema or {}),
        for_parquet=spec.format == "parquet",
        nanoseconds=spec.format != "parquet" or spec.parquet.has_nanoseconds,
    )


def with_safe_keys_for(spec: DestinationSpec, table: Table) -> Table:
    """Return a table whose names are safe for Athena, if the spec asks for it; the types of its columns must be set."""
    if not spec.athena:
        return table
    if spec.format != "parquet":
        return with_safe_keys(table)
    from airflow_provider_s3dest.records.arrow.safe_names import with_safe_fields

    return with_safe_fields(table)


def _with_object_columns(spec: DestinationSpec, table: Table) -> Table:
    """Check that the table has the columns that the path names, and leave them out if the spec says so."""
    missing = [field for field in spec.partition_fields if field not in table.columns]
    if missing and table.columns:
        problem = f"has {{{{FIELD}}}} of {missing}, but table {table.name!r} has no such column."
        raise SpecError([Fault("path", problem, f"Its columns are {', '.join(table.columns)}.")])
    if spec.partition_columns == "keep":
        return table
    columns = tuple(column for column in table.columns if column not in spec.partition_fields)
    schema = None if table.schema is None else table.schema.empty_table().select(list(columns)).schema
    return replace(table, columns=columns, schema=schema)
