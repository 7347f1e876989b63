"""Chooses the encoder and the compressor that a destination spec asks for."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

from isal import isal_zlib

from airflow_provider_s3dest.formats.arrow_lane import ArrowLane
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.encoding import Encoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.sources.passing import Wanted
from airflow_provider_s3dest.spec import DestinationSpec

FASTEST_LEVELS = 3
"""Levels up to this are ISA-L's, whose 2 is about as small as zlib's 2 to 3 in a quarter of the time."""
_GZIP_WINDOW = 31  # zlib's number for a gzip header, which then has no name and the time 0: same input, same bytes


class Compressor(Protocol):
    """Compresses one object, piece by piece."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


class Uncompressed:
    """Leaves the bytes as they are."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        return data if isinstance(data, bytes) else bytes(data)

    def flush(self) -> bytes:
        return b""


def encoder_for(spec: DestinationSpec, table: str, columns: tuple[str, ...]) -> Encoder:
    """Give the encoder of one table."""
    if spec.format == "csv":
        csv = spec.csv
        return ArrowLane(CsvEncoder(table, columns, csv.delimiter, csv.skip_header), "csv", columns, csv.delimiter)
    return ArrowLane(JsonEncoder(table, columns), "json", columns)


def passing_for(spec: DestinationSpec) -> Wanted:
    """Say what staged text may be let through as it stands."""
    return Wanted(spec.format, spec.csv.delimiter if spec.format == "csv" else ",")


def compressor_for(spec: DestinationSpec) -> Compressor:
    """Give the compressor of one object."""
    if spec.compression != "gzip":
        return Uncompressed()
    level = spec.compression_level
    library: Any = isal_zlib if level <= FASTEST_LEVELS else zlib
    compressor: Compressor = library.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
    return compressor
