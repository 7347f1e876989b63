"""Writes JSON: one object a line, in UTF-8 (RFC 8259), every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from airflow_provider_s3dest.formats.encoding import Encoded, refusal
from airflow_provider_s3dest.formats.values import is_native, plain
from airflow_provider_s3dest.sources.table import Chunk, Rows


class JsonEncoder:
    """Encodes one table as JSON.

    :param table: name of the table, for errors.
    :param columns: the keys of every object, in order.
    """

    header = b""

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        self._table, self._columns = table, columns
        self._encoder = msgspec.json.Encoder()

    def encode(self, chunk: Chunk) -> Encoded:
        try:
            data = self._encode_as_they_are(chunk) or self._encode_converted(chunk)
        except Exception as error:
            refused = refusal(
                self._table, self._columns, chunk, lambda value: self._encoder.encode(plain(value)), error
            )
            raise refused or error from error
        # A line end inside a string is escaped, so each one that is left ends a record.
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return Encoded(data, ends[:-1])

    def _encode_as_they_are(self, chunk: Chunk) -> bytes | None:
        """Encode records that need no change; None if one does."""
        if not isinstance(chunk, Rows):
            return None
        columns = self._columns
        if not all(type(row) is dict and tuple(row) == columns for row in chunk.rows):
            return None
        if not all(is_native(chunk.column(name)) for name in columns):
            return None
        try:
            return self._encoder.encode_lines(chunk.rows)
        except ValueError:  # an int of more digits than Python spells by itself
            return None

    def _encode_converted(self, chunk: Chunk) -> bytes:
        if not self._columns:
            return b"{}\n" * len(chunk)
        values = [chunk.column(name) for name in self._columns]
        try:
            return self._encode_columns(
                [column if is_native(column) else list(map(plain, column)) for column in values]
            )
        except ValueError:  # an int of more digits than Python spells by itself
            return self._encode_columns([list(map(plain, column)) for column in values])

    def _encode_columns(self, values: Sequence[Sequence[Any]]) -> bytes:
        columns = self._columns
        return self._encoder.encode_lines([dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)])
