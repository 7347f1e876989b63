"""Writes CSV after RFC 4180: UTF-8, ``\\n`` line ends, quotes only where a reader needs them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from airflow_provider_s3dest.errors import Place, RecordError
from airflow_provider_s3dest.formats.encoding import Encoded, refusal
from airflow_provider_s3dest.formats.values import csv_text
from airflow_provider_s3dest.sources.table import Chunk


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
        self._special = re.compile(f'[{re.escape(delimiter)}"\r\n\ufeff]')
        # Readers skip blank lines, so a null that is alone on its line must show.
        self._null = '""' if len(columns) == 1 else ""
        names = delimiter.join(self._quoted(name) for name in columns)
        self.header = b"" if skip_header or not columns else f"{names}\n".encode()

    def encode(self, chunk: Chunk) -> Encoded:
        if not self._columns:
            raise RecordError(
                "the records have no columns, and CSV can't hold records without any.",
                "Give them a column, or use the format json.",
                table=self._table,
                place=chunk.places[0] if len(chunk) else Place(index=0),
            )
        try:
            fields = [self._fields(chunk.column(name)) for name in self._columns]
            lines = list(map(self._delimiter.join, zip(*fields, strict=True)))
            text = "\n".join(lines) + "\n"
            data = text.encode()
        except Exception as error:
            refused = refusal(self._table, self._columns, chunk, _checked_text, error)
            raise refused or error from error
        sizes = map(len, lines) if len(data) == len(text) else (len(line.encode()) for line in lines)
        return Encoded(data, list(accumulate(size + 1 for size in sizes)))

    def _fields(self, values: Sequence[Any]) -> list[str]:
        null = self._null
        texts = values if _TEXT_OR_NULL.issuperset(map(type, values)) else list(map(csv_text, values))
        present = [text for text in texts if text is not None]
        if "" in present or self._special.search("".join(present)):
            return [null if text is None else self._quoted(text) for text in texts]
        return present if len(present) == len(texts) else [null if text is None else text for text in texts]

    def _quoted(self, text: str) -> str:
        if not text or self._special.search(text):
            doubled = text.replace('"', '""')
            return f'"{doubled}"'
        return text


_TEXT_OR_NULL = frozenset({str, type(None)})


def _checked_text(value: Any) -> None:
    (csv_text(value) or "").encode()
