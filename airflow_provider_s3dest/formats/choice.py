"""Chooses the encoder and the compressor that a destination spec asks for."""

from __future__ import annotations

import zlib
from typing import Protocol

from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.encoding import Encoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.spec import DestinationSpec

GZIP_LEVEL = 6
_GZIP_WINDOW = 31  # zlib's number for a gzip header, which then has no name and the time 0: same input, same bytes


class Compressor(Protocol):
    """Compresses one object, piece by piece."""

    def compress(self, data: bytes | memoryview, /) -> bytes: ...

    def flush(self) -> bytes: ...


class Uncompressed:
    """Leaves the bytes as they are."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def encoder_for(spec: DestinationSpec, table: str, columns: tuple[str, ...]) -> Encoder:
    """Give the encoder of one table."""
    if spec.format == "csv":
        return CsvEncoder(table, columns, spec.csv.delimiter, spec.csv.skip_header)
    return JsonEncoder(table, columns)


def compressor_for(spec: DestinationSpec) -> Compressor:
    """Give the compressor of one object."""
    return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW) if spec.compression == "gzip" else Uncompressed()
