"""Encodes JSON: one object a line, in UTF-8 (RFC 8259), with every column in every object."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import repeat
from typing import Any

import orjson

from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, encoded_lines, refusal
from airflow_provider_s3dest.records.chunks import Chunk, ColumnChunk, RowChunk, TextColumns
from airflow_provider_s3dest.records.nesting import record_problem
from airflow_provider_s3dest.records.values import OWN_RULES, date_converter, json_bytes, plain, unchecked_plain

_LINE = OWN_RULES | orjson.OPT_APPEND_NEWLINE
_RECORD_END = '"}\n'

_NULL = "\x01"
"""Stands for null among texts: JSON escapes this character, so that no text that is written as it is holds it."""


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
            return encoded_lines(self._fast_lines(chunk) or self._lines(chunk), len(chunk))
        except Exception as error:
            raise refusal(self._table, self._columns, chunk, json_bytes, error) or error from error

    def _fast_lines(self, chunk: Chunk) -> bytes | None:
        """Encode records without looking at each value; return None if a value has to be converted first."""
        if isinstance(chunk, RowChunk) and chunk.shape == self._columns:
            return _dumped(chunk.rows)
        if not self._columns:
            return None
        texts = chunk.values if isinstance(chunk, ColumnChunk) else None
        if isinstance(texts, TextColumns) and (*texts,) == self._columns and (data := self._between_keys(texts.fields)):
            return data
        rows = zip(*chunk.columns(self._columns), strict=True)
        return _dumped([dict(zip(self._columns, row, strict=True)) for row in rows])

    def _between_keys(self, texts: Sequence[str | None]) -> bytes | None:
        """Encode records of texts, such as those of a staged CSV file; return None if JSON has to escape a text.

        The bytes around the texts are the same in each record. So all records are one join of these bytes and the texts
        in turn, several times as fast as to encode an object for each record.

        :param texts: the fields of all records, one record after the other; None is null.
        """
        around, records = self._around_texts, len(texts) // len(self._columns)
        nulls = 0 if all(texts) else texts.count(None)
        pieces: list[Any] = [""] * (2 * len(texts))
        pieces[::2] = around * records
        pieces[1::2] = [_NULL if text is None else text for text in texts] if nulls else texts
        pieces[0] = around[0].removeprefix(_RECORD_END)  # no record ends before the first
        pieces.append(_RECORD_END)
        lines = "".join(pieces).encode()
        # Does JSON escape any character? The length of the texts as a JSON array shows it: an escape makes it longer
        # than the texts with their quotes and commas. This is faster than to search for each character.
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
        """Encode records of any values, each converted first."""
        if not self._columns:
            return b"{}\n" * len(chunk)
        columns = self._columns
        rows = zip(*(map(plain, chunk.column(name)) for name in columns), strict=True)
        return b"".join(orjson.dumps(dict(zip(columns, row, strict=True)), unchecked_plain, _LINE) for row in rows)


def _dumped(rows: Sequence[Any]) -> bytes | None:
    """Encode records that have all columns in their order; return None if a value has to be converted first."""
    if record_problem(rows):
        return None
    try:
        return b"".join(map(orjson.dumps, rows, repeat(date_converter(rows) or unchecked_plain), repeat(_LINE)))
    except orjson.JSONEncodeError:  # such as an int of more than 64 bits
        return None
