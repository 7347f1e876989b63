"""Chooses the encoder that a destination spec asks for."""

from __future__ import annotations

from airflow_provider_s3dest.formats.arrow.encoder import ArrowEncoder
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.csv_dialect import CsvDialectEncoder
from airflow_provider_s3dest.formats.encoding import Encoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.formats.parquet import ParquetEncoder, ParquetObject, row_group_bytes
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.spec import DestinationSpec


def encoder_for(spec: DestinationSpec, table: Table) -> Encoder | ParquetEncoder:
    """Return the encoder of one table."""
    if spec.format == "parquet":
        return ParquetEncoder(table.name, table.columns)
    return text_encoder_for(spec, table.name, table.columns)


def text_encoder_for(spec: DestinationSpec, name: str, columns: tuple[str, ...]) -> Encoder:
    """Return the encoder of one table for a text format, csv or json."""
    if spec.format == "csv":
        csv = spec.csv
        if not csv.is_plain:
            return CsvDialectEncoder(name, columns, csv)
        return ArrowEncoder(CsvEncoder(name, columns, csv.delimiter, csv.skip_header), "csv", columns, csv.delimiter)
    return ArrowEncoder(JsonEncoder(name, columns), "json", columns)


def sink_for(spec: DestinationSpec, table: Table, sink: ObjectSink) -> ObjectSink:
    """Return the sink for the encoded records of one object.

    Text goes to ``sink`` as it is. Parquet needs a step between: it turns record batches into the bytes of a file.

    :param sink: receives the bytes of the object.
    """
    return ParquetObject(sink, table.schema, spec) if spec.format == "parquet" else sink


def held_bytes(spec: DestinationSpec) -> int:
    """Return how many bytes of an open object are held in memory, at most, until they are encoded."""
    return row_group_bytes(spec) if spec.format == "parquet" else 0
