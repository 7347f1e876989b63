"""Encodes Arrow chunks column by column, and all others record by record, to the same bytes."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_s3dest.formats.encoding import Encoded, Encoder
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.chunks import Chunk

FEW_RECORDS = 100
"""A chunk of fewer records is encoded faster record by record: the steps by column have a cost of their own."""

ColumnEncoder = Callable[[ArrowChunk], Encoded]
"""Encodes the Arrow chunks of one table; raises any error for a value that it can't write."""


class ArrowEncoder:
    """Encodes one table, Arrow chunks in a faster way.

    :param records: encodes any chunk.
    :param format_: ``csv`` or ``json``.
    :param columns: the columns, in order.
    :param delimiter: the delimiter of csv.
    """

    def __init__(self, records: Encoder, format_: str, columns: tuple[str, ...], delimiter: str = ",") -> None:
        self._records, self._format, self._columns, self._delimiter = records, format_, columns, delimiter
        self._by_column: ColumnEncoder | None = None

    @property
    def header(self) -> bytes:
        return self._records.header

    def encode(self, chunk: Chunk) -> Encoded:
        if not isinstance(chunk, ArrowChunk) or len(chunk) < FEW_RECORDS or not self._columns:
            return self._records.encode(chunk)
        if self._by_column is None:  # not in the constructor: only Arrow chunks need PyArrow
            self._by_column = arrow_encoder(self._format, self._columns, self._delimiter)
        try:
            return self._by_column(chunk)
        except Exception:  # the record encoder either can write the value, or names it in its error
            return self._records.encode(chunk)


def arrow_encoder(format_: str, columns: tuple[str, ...], delimiter: str = ",") -> ColumnEncoder:
    """Return the encoder of the Arrow chunks of one table; it needs PyArrow."""
    if format_ == "csv":
        from airflow_provider_s3dest.formats.arrow.csv import ArrowCsv

        return ArrowCsv(columns, delimiter).encode
    from airflow_provider_s3dest.formats.arrow.json import ArrowJson

    return ArrowJson(columns).encode
