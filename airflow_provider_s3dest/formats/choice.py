"""Chooses the encoder and the compressor that a destination spec asks for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Protocol

from isal import isal_zlib

from airflow_provider_s3dest.formats.arrow.encoder import ArrowLane
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.csv_dialect import CsvDialectEncoder
from airflow_provider_s3dest.formats.encoding import Encoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.formats.parquet import ParquetEncoder, ParquetObject, row_group_bytes
from airflow_provider_s3dest.load.schema import arrow_types
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.sources.columns import Table
from airflow_provider_s3dest.sources.passthrough import Wanted
from airflow_provider_s3dest.spec import DestinationSpec


class Compressor(Protocol):
    """Compresses one object, piece by piece."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview: ...

    def flush(self) -> bytes: ...


class Uncompressed:
    """Leaves the bytes as they are."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        return data

    def flush(self) -> bytes:
        return b""


class Gzip:
    """Compresses by gzip. The same content gives the same bytes, whatever the pieces in which it comes.

    :param level: 1 to 9, as in gzip.
    """

    def __init__(self, level: int) -> None:
        library: Any = isal_zlib if level <= _ISAL_LEVELS else zlib
        self._compressor = library.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
        self._pieces: list[bytes | memoryview] = []
        self._size = 0

    def compress(self, data: bytes | memoryview, /) -> bytes:
        compressed = []
        left = memoryview(data)
        # What ISA-L makes of a content depends on the pieces in which it is given.
        while (missing := _GZIP_BLOCK - self._size) <= len(left):
            block = b"".join((*self._pieces, left[:missing])) if self._pieces else left[:missing]
            self._pieces, self._size, left = [], 0, left[missing:]
            compressed.append(self._compressor.compress(block))
        if left:
            self._pieces.append(left)
            self._size += len(left)
        return b"".join(compressed)

    def flush(self) -> bytes:
        rest: bytes = self._compressor.compress(b"".join(self._pieces))
        end: bytes = self._compressor.flush()
        return rest + end


_ISAL_LEVELS = 3
"""Levels up to this are ISA-L's: its 2 makes files as small as zlib's 2 in a quarter of the time."""
_GZIP_WINDOW = 31  # zlib's number for a gzip header, which then has no name and the time 0
_GZIP_BLOCK = 2**20


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
        return ArrowLane(CsvEncoder(name, columns, csv.delimiter, csv.skip_header), "csv", columns, csv.delimiter)
    return ArrowLane(JsonEncoder(name, columns), "json", columns)


def content_of(spec: DestinationSpec, table: Table, sink: ObjectSink) -> ObjectSink:
    """Give the sink that takes the encoded records of one object, and passes the bytes of the object on."""
    return ParquetObject(sink, table.schema, spec) if spec.format == "parquet" else sink


def held_bytes(spec: DestinationSpec) -> int:
    """Tell the bytes of an open object that are held in memory until they are encoded, at most."""
    return row_group_bytes(spec) if spec.format == "parquet" else 0


def passing_for(spec: DestinationSpec) -> Wanted | None:
    """Say what staged text may be let through as it stands; None if nothing may."""
    if spec.partition_fields or spec.format == "parquet":
        return None
    if spec.format == "csv":
        return Wanted("csv", spec.csv.delimiter) if spec.csv.is_plain else None
    return None if spec.athena else Wanted("json")


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
        stored=spec.format == "parquet",
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


def compressor_for(spec: DestinationSpec) -> Compressor:
    """Give the compressor of one object."""
    if spec.file_compression != "gzip":
        return Uncompressed()
    return Gzip(spec.compression_level)
