"""Writes JSON: one object a line, in UTF-8 (RFC 8259), every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from operator import is_
from typing import Any, TypeGuard

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
            data = self._lines(chunk)
        except Exception as error:
            refused = refusal(
                self._table, self._columns, chunk, lambda value: self._encoder.encode(plain(value)), error
            )
            raise refused or error from error
        # A line end inside a string is escaped, so each one that is left ends a record.
        ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
        return Encoded(data, ends[:-1])

    def _encoded(self, value: Any) -> bytes:
        return self._encoder.encode(plain(value))

    def _lines(self, chunk: Chunk) -> bytes:
        if not self._columns:
            return b"{}\n" * len(chunk)
        values = [chunk.column(name) for name in self._columns]
        converted = [column if is_native(column) else list(map(plain, column)) for column in values]
        try:
            if self._has_ready_rows(chunk) and all(map(_are_same, converted, values)):
                return self._encoder.encode_lines(chunk.rows)
            return self._encode_columns(converted)
        except ValueError:  # an int of more digits than Python spells by itself
            return self._encode_columns([list(map(plain, column)) for column in values])

    def _has_ready_rows(self, chunk: Chunk) -> TypeGuard[Rows]:
        """Say whether the records already are dicts of the columns in their order."""
        columns = self._columns
        return isinstance(chunk, Rows) and all(type(row) is dict and tuple(row) == columns for row in chunk.rows)

    def _encode_columns(self, values: Sequence[Sequence[Any]]) -> bytes:
        columns = self._columns
        return self._encoder.encode_lines([dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)])


def _are_same(converted: Sequence[Any], values: Sequence[Any]) -> bool:
    return converted is values or all(map(is_, converted, values))
