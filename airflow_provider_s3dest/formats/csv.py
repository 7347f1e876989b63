"""Encodes CSV as RFC 4180 describes it: in UTF-8, with ``\\n`` line ends, and quotes only where a reader needs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from airflow_provider_s3dest.formats.bulk_csv import BulkCsvEncoder
from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, refusal, refuse_no_columns
from airflow_provider_s3dest.records.chunks import Chunk, RowChunk
from airflow_provider_s3dest.records.values import NESTED_TYPES, csv_text, csv_texts, json_lines

_BOM = "\ufeff"
"""A byte order mark: readers drop it from the beginning of a file, unless it stands in quotes."""

_QUOTE, _TWO_QUOTES = '"', '""'

_TEXT_OR_NULL = frozenset({str, type(None)})
_NESTED_OR_NULL = NESTED_TYPES | {type(None)}
_NUMBER_LIKE = frozenset({int, float, bool, type(None)})

_NUMBER_CHARACTERS = frozenset("0123456789+-.eEtrufalsn")
"""Characters of numbers, ``true``, ``false`` and ``null``. As a delimiter, each of them would cut a number in two."""


class CsvEncoder:
    """Encodes one table as CSV.

    Most columns hold values of one type. So a column is formatted in as few steps as its types allow: a loop in C over
    all values is many times as fast as a call of Python for each.

    :param table: name of the table, for errors.
    :param columns: the columns, in order.
    :param delimiter: one character.
    :param skip_header: whether to leave out the line of column names.
    """

    def __init__(self, table: str, columns: tuple[str, ...], delimiter: str, skip_header: bool) -> None:
        self._table, self._columns, self._delimiter = table, columns, delimiter
        self._specials = (delimiter, '"', "\r", "\n", _BOM)
        self._special = re.compile(f"[{re.escape(''.join(self._specials))}]")
        # Readers skip blank lines, so that a null alone on its line would be lost: it is quoted.
        self._null = '""' if len(columns) == 1 else ""
        self._numbers_are_plain = delimiter not in _NUMBER_CHARACTERS
        names = delimiter.join(self._quoted(name) for name in columns)
        can_bulk = len(columns) > 1 and self._numbers_are_plain and (" " <= delimiter <= "~" or delimiter == "\t")
        self._bulk = BulkCsvEncoder(columns, delimiter, self._lines) if can_bulk else None
        self.header = b"" if skip_header or not columns else f"{names}\n".encode()

    def encode(self, chunk: Chunk) -> Encoded:
        if not len(chunk):
            return NOTHING
        if not self._columns:
            refuse_no_columns("CSV", self._table, chunk)
        try:
            if self._bulk and isinstance(chunk, RowChunk) and (encoded := self._bulk.encode(chunk)):
                return encoded
            lines = self._lines(chunk)
            data = ("\n".join(lines) + "\n").encode()
        except Exception as error:
            raise refusal(self._table, self._columns, chunk, checked_text, error) or error from error
        return Encoded(data, len(lines), lambda: (len(line.encode()) + 1 for line in lines))

    def _lines(self, chunk: Chunk) -> list[str]:
        fields = [self._fields(values) for values in chunk.columns(self._columns)]
        return list(map(self._delimiter.join, zip(*fields, strict=True)))

    def _fields(self, values: Sequence[Any]) -> Sequence[str]:
        """Format the values of a column as fields, quoted where needed."""
        types = set(map(type, values))
        if types <= _NUMBER_LIKE and self._numbers_are_plain and (numbers := _numbers(values, types)) is not None:
            return numbers if "" not in numbers or not self._null else [text or self._null for text in numbers]
        if types <= _NESTED_OR_NULL and (fields := self._nested(values)) is not None:
            return fields
        texts: Sequence[str | None] = values if types <= _TEXT_OR_NULL else csv_texts(values, types)
        null, search = self._null, self._special.search
        present = [text for text in texts if text is not None]
        # One look at all texts joined: most columns need no quotes at all. An empty text is quoted, unlike null.
        if all(present) and not self._has_special("".join(present)):
            return present if len(present) == len(texts) else [null if text is None else text for text in texts]
        return [
            (null if text is None else f'"{text.replace(_QUOTE, _TWO_QUOTES)}"' if search(text) or not text else text)
            for text in texts
        ]

    def _nested(self, values: Sequence[Any]) -> Sequence[str] | None:
        """Format lists, mappings and nulls in one step; return None if a value needs another way."""
        lines = json_lines(values)
        if lines is None or _BOM in lines:
            return None
        null, delimiter = self._null, self._delimiter
        # JSON escapes line ends, so that each line is one value; only a quote or a delimiter can make it need quotes.
        return [
            null if line == "null" else f'"{line}"' if _QUOTE in line or delimiter in line else line
            for line in lines.replace(_QUOTE, _TWO_QUOTES).split("\n")
        ]

    def _has_special(self, text: str) -> bool:
        # One search for each character: in a long text this is faster than one regular expression for all.
        return any(special in text for special in self._specials)

    def _quoted(self, text: str) -> str:
        if not text or self._special.search(text):
            return f'"{text.replace(_QUOTE, _TWO_QUOTES)}"'
        return text


def _numbers(values: Sequence[Any], types: set[type]) -> list[str] | None:
    """Format numbers, bools and nulls (as empty texts) in one step; return None if a value needs another way."""
    try:
        text = orjson.dumps(values)[1:-1].decode()
    except orjson.JSONEncodeError:  # an int of more than 64 bits
        return None
    if "n" in text:
        # JSON has no NaN and no infinities: orjson writes them as null too, and then there are too many nulls.
        if float in types and text.count("null") != values.count(None):
            return None
        text = text.replace("null", "")
    return text.split(",")


def checked_text(value: Any) -> None:
    """Check that a value can be a CSV field.

    :raises Exception: if it can't.
    """
    (csv_text(value) or "").encode()
