"""What a spec asks of a table before it is encoded: Arrow types, safe names, text that passes through."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_s3dest.load.schema import arrow_types
from airflow_provider_s3dest.records.chunks import TextDialect
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.spec import DestinationSpec


def passing_for(spec: DestinationSpec) -> TextDialect | None:
    """Say what staged text may be let through as it stands; None if nothing may."""
    if spec.partition_fields or spec.format == "parquet":
        return None
    if spec.format == "csv":
        return TextDialect("csv", spec.csv.delimiter) if spec.csv.is_plain else None
    return None if spec.athena else TextDialect("json")


def with_types_for(spec: DestinationSpec, table: Table, schema: Mapping[str, str] | None) -> Table:
    """Make the chunks of a table Arrow data of one type a column where a schema, or the format, wants that.

    :param schema: the names of columns and their Arrow types; None: none is wanted.
    """
    if schema is None and spec.format != "parquet":
        return table
    from airflow_provider_s3dest.records.arrow.typed_table import with_types

    given = arrow_types(schema or {})
    return with_types(
        table,
        given,
        for_parquet=spec.format == "parquet",
        nanoseconds=spec.format != "parquet" or spec.parquet.has_nanoseconds,
    )


def with_safe_keys_for(spec: DestinationSpec, table: Table) -> Table:
    """Make the keys of a table, whose chunks have their types already, safe for Athena where the spec wants that."""
    if not spec.athena:
        return table
    if spec.format != "parquet":
        return with_safe_keys(table)
    from airflow_provider_s3dest.records.arrow.safe_names import with_safe_fields

    return with_safe_fields(table)
