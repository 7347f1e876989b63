"""Writes CSV for readers that want another dialect: a text for null, more quotes, other line ends, an escape character.

Apart from the encoder of the default dialect, which is made for speed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_s3dest.formats.csv import checked_text
from airflow_provider_s3dest.formats.encoding import NOTHING, Encoded, refusal, refuse_no_columns
from airflow_provider_s3dest.records.chunks import Chunk
from airflow_provider_s3dest.records.values import csv_texts, plain
from airflow_provider_s3dest.spec.fields import CsvOptions


class CsvDialectEncoder:
    """Encodes one table as CSV in the dialect of the options.

    :param table: name of the table, for errors.
    :param columns: the columns, in order.
    """

    def __init__(self, table: str, columns: tuple[str, ...], options: CsvOptions) -> None:
        self._table, self._columns, self._options = table, columns, options
        # A byte order mark would be taken off by readers if a file began with it.
        self._special = re.compile(f'[{re.escape(options.delimiter + options.escape)}"\r\n\ufeff]')
        # Readers skip blank lines, so a null that is alone on its line must show.
        self._null = options.null_value or ('""' if len(columns) == 1 else "")
        names = [name if self._stands_bare(name, False) else self._quoted(name) for name in columns]
        self.header = b"" if options.skip_header or not columns else self._line(names).encode()

    def encode(self, chunk: Chunk) -> Encoded:
        if not len(chunk):
            return NOTHING
        if not self._columns:
            refuse_no_columns("CSV", self._table, chunk)
        try:
            fields = [self._fields(values) for values in chunk.columns(self._columns)]
            lines = [self._line(fields).encode() for fields in zip(*fields, strict=True)]
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, checked_text, error)
            raise refused or error from error
        return Encoded(b"".join(lines), len(lines), lambda: map(len, lines))

    def _line(self, fields: Sequence[str]) -> str:
        return self._options.delimiter.join(fields) + self._options.line_terminator

    def _fields(self, values: Sequence[Any]) -> list[str]:
        kinds = set(map(type, values))
        texts = values if kinds <= _TEXT_OR_NULL else csv_texts(values, kinds)
        numbers = self._options.quoting == "nonnumeric" and not kinds <= _TEXT_OR_NULL
        fields = []
        for value, text in zip(values, texts, strict=True):
            if text is None:
                fields.append(self._null)
            elif self._stands_bare(text, numbers and _is_number(value)):
                fields.append(text)
            else:
                fields.append(self._quoted(text))
        return fields

    def _stands_bare(self, text: str, number: bool) -> bool:
        """Say whether a text stands without quotes; one that passes for null never does."""
        quoting = self._options.quoting
        if quoting == "all" or (quoting == "nonnumeric" and not number):
            return False
        return bool(text) and text != self._options.null_value and not self._special.search(text)

    def _quoted(self, text: str) -> str:
        escape = self._options.escape
        if escape != '"':
            text = text.replace(escape, escape * 2)
        return f'"{text.replace(_QUOTE, escape + _QUOTE)}"'


_QUOTE = '"'
_TEXT_OR_NULL = frozenset({str, type(None)})


def _is_number(value: Any) -> bool:
    if isinstance(value, msgspec.Raw):
        return bytes(value)[:1] in b"-0123456789"
    if isinstance(value, Decimal):
        return True
    if isinstance(value, (int, float)):
        return not isinstance(value, bool)
    return type(plain(value)) in (int, float)  # numpy's
