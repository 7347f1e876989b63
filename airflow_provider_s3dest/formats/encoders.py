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
    """Give the encoder of one table."""
    if spec.format == "parquet":
        return ParquetEncoder(table.name, table.columns)
    return text_encoder_for(spec, table.name, table.columns)


def text_encoder_for(spec: DestinationSpec, name: str, columns: tuple[str, ...]) -> Encoder:
    """Give the encoder of one table for a format that is text: csv or json."""
    if spec.format == "csv":
        csv = spec.csv
        if not csv.is_plain:
            return CsvDialectEncoder(name, columns, csv)
        return ArrowEncoder(CsvEncoder(name, columns, csv.delimiter, csv.skip_header), "csv", columns, csv.delimiter)
    return ArrowEncoder(JsonEncoder(name, columns), "json", columns)


def content_of(spec: DestinationSpec, table: Table, sink: ObjectSink) -> ObjectSink:
    """Give the sink that takes the encoded records of one object, and passes the bytes of the object on."""
    return ParquetObject(sink, table.schema, spec) if spec.format == "parquet" else sink


def held_bytes(spec: DestinationSpec) -> int:
    """Tell the bytes of an open object that are held in memory until they are encoded, at most."""
    return row_group_bytes(spec) if spec.format == "parquet" else 0
