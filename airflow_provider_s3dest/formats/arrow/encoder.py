"""Encodes what comes as Arrow data column by column, and all else record by record, to the same bytes."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_s3dest.formats.encoding import Encoded, Encoder
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.chunks import Chunk

FEW_RECORDS = 100
"""A chunk of fewer records is encoded sooner record by record."""


class ArrowColumnEncoder(Protocol):
    """Encodes the Arrow chunks of one table."""

    def encode(self, chunk: ArrowChunk) -> Encoded: ...


class ArrowEncoder:
    """Encodes one table, Arrow chunks in a quicker way.

    :param records: encodes any chunk.
    :param format_: ``csv`` or ``json``.
    :param columns: the columns, in order.
    :param delimiter: of csv.
    """

    def __init__(self, records: Encoder, format_: str, columns: tuple[str, ...], delimiter: str = ",") -> None:
        self._records, self._format, self._columns, self._delimiter = records, format_, columns, delimiter
        self._arrow: ArrowColumnEncoder | None = None

    @property
    def header(self) -> bytes:
        return self._records.header

    def encode(self, chunk: Chunk) -> Encoded:
        if not isinstance(chunk, ArrowChunk) or len(chunk) < FEW_RECORDS or not self._columns:
            return self._records.encode(chunk)
        if self._arrow is None:
            self._arrow = arrow_encoder(self._format, self._columns, self._delimiter)
        try:
            return self._arrow.encode(chunk)
        except Exception:  # the value that can't be written is found, and told of, record by record
            return self._records.encode(chunk)


def arrow_encoder(format_: str, columns: tuple[str, ...], delimiter: str = ",") -> ArrowColumnEncoder:
    """Give the encoder of the Arrow chunks of one table; it needs pyarrow."""
    if format_ == "csv":
        from airflow_provider_s3dest.formats.arrow.csv import ArrowCsv

        return ArrowCsv(columns, delimiter)
    from airflow_provider_s3dest.formats.arrow.json import ArrowJson

    return ArrowJson(columns)
