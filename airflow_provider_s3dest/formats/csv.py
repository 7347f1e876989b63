"""Writes CSV after RFC 4180: UTF-8, ``\\n`` line ends, quotes only where a reader needs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from airflow_provider_s3dest.formats.csv_lines import BulkCsvEncoder
from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, refusal, refuse_no_columns
from airflow_provider_s3dest.records.chunks import Chunk, RowChunk
from airflow_provider_s3dest.records.values import NESTED_TYPES, csv_text, csv_texts, json_lines


class CsvEncoder:
    """Encodes one table as CSV.

    :param table: name of the table, for errors.
    :param columns: the columns, in order.
    :param delimiter: one character.
    :param skip_header: whether to leave the line of column names out.
    """

    def __init__(self, table: str, columns: tuple[str, ...], delimiter: str, skip_header: bool) -> None:
        self._table, self._columns, self._delimiter = table, columns, delimiter
        # A byte order mark would be taken off by readers if a file began with it.
        self._specials = (delimiter, '"', "\r", "\n", _BOM)
        self._special = re.compile(f"[{re.escape(''.join(self._specials))}]")
        # Readers skip blank lines, so a null that is alone on its line must show.
        self._null = '""' if len(columns) == 1 else ""
        self._numbers_are_plain = delimiter not in _NUMBER_CHARACTERS
        names = delimiter.join(self._quoted(name) for name in columns)
        at_once = len(columns) > 1 and self._numbers_are_plain and (" " <= delimiter <= "~" or delimiter == "\t")
        self._at_once = BulkCsvEncoder(columns, delimiter, self._lines) if at_once else None
        self.header = b"" if skip_header or not columns else f"{names}\n".encode()

    def encode(self, chunk: Chunk) -> Encoded:
        if not len(chunk):
            return NOTHING
        if not self._columns:
            refuse_no_columns("CSV", self._table, chunk)
        try:
            if self._at_once and isinstance(chunk, RowChunk) and (encoded := self._at_once.encode(chunk)):
                return encoded
            lines = self._lines(chunk)
            data = ("\n".join(lines) + "\n").encode()
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, checked_text, error)
            raise refused or error from error
        return Encoded(data, len(lines), lambda: (len(line.encode()) + 1 for line in lines))

    def _lines(self, chunk: Chunk) -> list[str]:
        fields = [self._fields(values) for values in chunk.columns(self._columns)]
        return list(map(self._delimiter.join, zip(*fields, strict=True)))

    def _fields(self, values: Sequence[Any]) -> Sequence[str]:
        kinds = set(map(type, values))
        if kinds <= _NUMBER_LIKE and self._numbers_are_plain and (numbers := _numbers(values, kinds)) is not None:
            return numbers if "" not in numbers or not self._null else [text or self._null for text in numbers]
        if kinds <= _NESTED_OR_NULL and (cells := self._nested(values)) is not None:
            return cells
        texts: Sequence[str | None] = values if kinds <= _TEXT_OR_NULL else csv_texts(values, kinds)
        null, search = self._null, self._special.search
        present = [text for text in texts if text is not None]
        if all(present) and not self._has_special("".join(present)):
            return present if len(present) == len(texts) else [null if text is None else text for text in texts]
        return [
            (null if text is None else f'"{text.replace(_QUOTE, _TWO_QUOTES)}"' if search(text) or not text else text)
            for text in texts
        ]

    def _nested(self, values: Sequence[Any]) -> Sequence[str] | None:
        """Spell lists, mappings and nulls in one step; None if that can't be done."""
        lines = json_lines(values)
        if lines is None or _BOM in lines:
            return None
        null, delimiter = self._null, self._delimiter
        return [
            null if cell == "null" else f'"{cell}"' if _QUOTE in cell or delimiter in cell else cell
            for cell in lines.replace(_QUOTE, _TWO_QUOTES).split("\n")
        ]

    def _has_special(self, text: str) -> bool:
        # For a long text quicker than to search for all of them at a time.
        return any(special in text for special in self._specials)

    def _quoted(self, text: str) -> str:
        if not text or self._special.search(text):
            return f'"{text.replace(_QUOTE, _TWO_QUOTES)}"'
        return text


_BOM = "\ufeff"
_QUOTE, _TWO_QUOTES = '"', '""'
_TEXT_OR_NULL = frozenset({str, type(None)})
_NESTED_OR_NULL = NESTED_TYPES | {type(None)}
_NUMBER_LIKE = frozenset({int, float, bool, type(None)})
_NUMBER_CHARACTERS = frozenset("0123456789+-.eEtrufalsn")


def _numbers(values: Sequence[Any], kinds: set[type]) -> list[str] | None:
    """Spell numbers, bools and nulls (as empty texts) in one step; None if that can't be done."""
    try:
        text = orjson.dumps(values)[1:-1].decode()
    except orjson.JSONEncodeError:  # an int of more than 64 bits
        return None
    if "n" in text:
        if float in kinds and text.count("null") != values.count(None):  # NaN and infinities
            return None
        text = text.replace("null", "")
    return text.split(",")


def checked_text(value: Any) -> None:
    """See that a value can be a CSV field.

    :raises Exception: if not.
    """
    (csv_text(value) or "").encode()
