"""Writes JSON: one object a line, in UTF-8 (RFC 8259), every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import orjson

from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, of_lines, refusal
from airflow_provider_s3dest.formats.values import OWN_RULES, date_converter, json_bytes, plain
from airflow_provider_s3dest.sources.table import Chunk, Rows


class JsonEncoder:
    """Encodes one table as JSON.

    :param table: name of the table, for errors.
    :param columns: the keys of every object, in order.
    """

    header = b""

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        self._table, self._columns = table, columns

    def encode(self, chunk: Chunk) -> Encoded:
        if not len(chunk):
            return NOTHING
        if isinstance(chunk, Rows) and chunk.shape == self._columns and (data := _lines_of(chunk.rows)):
            return of_lines(data, len(chunk))
        try:
            return of_lines(self._lines(chunk), len(chunk))
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, json_bytes, error)
            raise refused or error from error

    def _lines(self, chunk: Chunk) -> bytes:
        if not self._columns:
            return b"{}\n" * len(chunk)
        columns = self._columns
        rows = zip(*(map(plain, chunk.column(name)) for name in columns), strict=True)
        return b"".join(orjson.dumps(dict(zip(columns, row, strict=True)), plain, _LINE) for row in rows)


_LINE = OWN_RULES | orjson.OPT_APPEND_NEWLINE


def _lines_of(rows: Sequence[Any]) -> bytes | None:
    """Encode records that have all columns in their order; None if one of them can't be encoded as it is."""
    try:
        return b"".join(map(orjson.dumps, rows, repeat(date_converter(rows) or plain), repeat(_LINE)))
    except orjson.JSONEncodeError:  # such as an int of more than 64 bits
        return None
