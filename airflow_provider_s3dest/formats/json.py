"""Writes JSON: one object a line, in UTF-8 (RFC 8259), every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, of_lines, refusal
from airflow_provider_s3dest.formats.values import OWN_RULES, json_bytes, json_lines, plain
from airflow_provider_s3dest.sources.table import Chunk, Rows


class JsonEncoder:
    """Encodes one table as JSON.

    :param table: name of the table, for errors.
    :param columns: the keys of every object, in order.
    """

    header = b""

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        self._table, self._columns = table, columns
        first = orjson.dumps(columns[0]) if columns else b""
        self._between, self._line_end = b"},{%b:" % first, b"}\n{%b:" % first

    def encode(self, chunk: Chunk) -> Encoded:
        if not len(chunk):
            return NOTHING
        if isinstance(chunk, Rows) and chunk.shape == self._columns and (data := self._lines_at_once(chunk.rows)):
            return of_lines(data, len(chunk))
        try:
            return of_lines(self._lines(chunk), len(chunk))
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, json_bytes, error)
            raise refused or error from error

    def _lines_at_once(self, rows: Sequence[Any]) -> bytes | None:
        """Encode records of the right shape in one step; None if that can't be done."""
        if not self._columns:
            return None
        try:
            array = orjson.dumps(rows, plain, OWN_RULES)
        except orjson.JSONEncodeError:  # such as an int of more than 64 bits
            return None
        # Inside a string a quote has a backslash, so this stands between records, or else between nested objects.
        lines = array[1:-1].replace(self._between, self._line_end)
        if lines.count(b"\n") == len(rows) - 1:
            return lines + b"\n"
        return b"\n".join([*(json_lines(rows) or ()), b""])

    def _lines(self, chunk: Chunk) -> bytes:
        if not self._columns:
            return b"{}\n" * len(chunk)
        columns = self._columns
        rows = zip(*(map(plain, chunk.column(name)) for name in columns), strict=True)
        options = OWN_RULES | orjson.OPT_APPEND_NEWLINE
        return b"".join(orjson.dumps(dict(zip(columns, row, strict=True)), plain, options) for row in rows)
