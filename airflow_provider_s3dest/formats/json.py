"""Writes JSON: one object a line, in UTF-8 (RFC 8259), every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import orjson

from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, of_lines, refusal
from airflow_provider_s3dest.records.chunks import Chunk, ColumnChunk, RowChunk, TextColumns
from airflow_provider_s3dest.records.values import OWN_RULES, date_converter, json_bytes, plain


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
        try:
            return of_lines(self._at_once(chunk) or self._lines(chunk), len(chunk))
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, json_bytes, error)
            raise refused or error from error

    def _at_once(self, chunk: Chunk) -> bytes | None:
        """Encode records without a look at each value; None if one of them can't be encoded as it is."""
        if isinstance(chunk, RowChunk) and chunk.shape == self._columns:
            return _lines_of(chunk.rows)
        if not self._columns:
            return None
        texts = chunk.values if isinstance(chunk, ColumnChunk) else None
        if isinstance(texts, TextColumns) and (*texts,) == self._columns and (data := self._between_keys(texts.fields)):
            return data
        rows = zip(*chunk.columns(self._columns), strict=True)
        return _lines_of([dict(zip(self._columns, row, strict=True)) for row in rows])

    def _between_keys(self, texts: Sequence[str | None]) -> bytes | None:
        """Put the texts of records between what stands around them in JSON; None if one has to be escaped for it."""
        around, records = self._around_texts, len(texts) // len(self._columns)
        nulls = 0 if all(texts) else texts.count(None)
        pieces: list[Any] = [""] * (2 * len(texts))
        pieces[::2] = around * records
        pieces[1::2] = [_NULL if text is None else text for text in texts] if nulls else texts
        pieces[0] = around[0].removeprefix(_RECORD_END)
        pieces.append(_RECORD_END)
        lines = "".join(pieces).encode()
        # An array of the texts tells by its length whether JSON escapes one of them.
        unescaped = len(lines) - len("".join(around).encode()) * records - len(_NULL) * nulls
        in_array = unescaped + len('"",') * len(texts) + len("[") + (len("null") - len('""')) * nulls
        if len(orjson.dumps(texts)) != in_array:
            return None
        return lines.replace(f'"{_NULL}"'.encode(), b"null") if nulls else lines

    @cached_property
    def _around_texts(self) -> list[str]:
        """What stands in front of each text of a record: the end of the text before it, and its key."""
        keys = [orjson.dumps(name).decode() for name in self._columns]
        return [f'{_RECORD_END}{{{keys[0]}:"', *(f'",{key}:"' for key in keys[1:])]

    def _lines(self, chunk: Chunk) -> bytes:
        if not self._columns:
            return b"{}\n" * len(chunk)
        columns = self._columns
        rows = zip(*(map(plain, chunk.column(name)) for name in columns), strict=True)
        return b"".join(orjson.dumps(dict(zip(columns, row, strict=True)), plain, _LINE) for row in rows)


_LINE = OWN_RULES | orjson.OPT_APPEND_NEWLINE
_RECORD_END = '"}\n'
_NULL = "\x01"
"""Stands for null among texts: a character that JSON escapes, so that it stands for nothing else."""


def _lines_of(rows: Sequence[Any]) -> bytes | None:
    """Encode records that have all columns in their order; None if one of them can't be encoded as it is."""
    try:
        return b"".join(map(orjson.dumps, rows, repeat(date_converter(rows) or plain), repeat(_LINE)))
    except orjson.JSONEncodeError:  # such as an int of more than 64 bits
        return None
