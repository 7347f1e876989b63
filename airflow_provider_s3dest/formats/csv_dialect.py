"""Encodes CSV in other dialects: a text for null, more quotes, other line ends, an escape character.

The default dialect has an encoder of its own, in ``csv``, which is made for speed.
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

_QUOTE = '"'
_TEXT_OR_NULL = frozenset({str, type(None)})


class CsvDialectEncoder:
    """Encodes one table as CSV in the dialect of the options.

    :param table: name of the table, for errors.
    :param columns: the columns, in order.
    :param options: the dialect.
    """

    def __init__(self, table: str, columns: tuple[str, ...], options: CsvOptions) -> None:
        self._table, self._columns, self._options = table, columns, options
        # With the byte order mark: readers drop it from the beginning of a file, unless it stands in quotes.
        self._special = re.compile(f'[{re.escape(options.delimiter + options.escape)}"\r\n\ufeff]')
        # Readers skip blank lines, so that a null alone on its line would be lost: it is quoted.
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
            raise refusal(self._table, self._columns, chunk, checked_text, error) or error from error
        return Encoded(b"".join(lines), len(lines), lambda: map(len, lines))

    def _line(self, fields: Sequence[str]) -> str:
        return self._options.delimiter.join(fields) + self._options.line_terminator

    def _fields(self, values: Sequence[Any]) -> list[str]:
        """Format the values of a column as fields, quoted where the dialect asks for it."""
        types = set(map(type, values))
        texts = values if types <= _TEXT_OR_NULL else csv_texts(values, types)
        has_numbers = self._options.quoting == "nonnumeric" and not types <= _TEXT_OR_NULL
        fields = []
        for value, text in zip(values, texts, strict=True):
            if text is None:
                fields.append(self._null)
            elif self._stands_bare(text, has_numbers and _is_number(value)):
                fields.append(text)
            else:
                fields.append(self._quoted(text))
        return fields

    def _stands_bare(self, text: str, is_number: bool) -> bool:
        """Return whether a text needs no quotes; a text that looks like null always needs them."""
        quoting = self._options.quoting
        if quoting == "all" or (quoting == "nonnumeric" and not is_number):
            return False
        return bool(text) and text != self._options.null_value and not self._special.search(text)

    def _quoted(self, text: str) -> str:
        escape = self._options.escape
        if escape != '"':
            text = text.replace(escape, escape * 2)
        return f'"{text.replace(_QUOTE, escape + _QUOTE)}"'


def _is_number(value: Any) -> bool:
    """Return whether a value is written as a number."""
    if isinstance(value, msgspec.Raw):
        return bytes(value)[:1] in b"-0123456789"
    if isinstance(value, Decimal):
        return True
    if isinstance(value, (int, float)):
        return not isinstance(value, bool)
    return type(plain(value)) in (int, float)  # a scalar of numpy
