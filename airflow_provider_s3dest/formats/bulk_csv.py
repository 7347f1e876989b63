"""Encodes whole records as CSV by way of JSON: orjson writes a record faster than Python joins its fields.

The record ``{"id": 1, "name": "a", "of": None}`` becomes the JSON array ``[1,"a",null]``. Without brackets, quotes and
``null`` the array is the line of CSV, as long as no text in it holds a character that CSV would quote or JSON would
escape. Records with such texts are formatted field by field. In their lines, control characters stand for the
characters that are removed from the JSON around them, and are replaced by these at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.records.chunks import RowChunk
from airflow_provider_s3dest.records.nesting import record_problem
from airflow_provider_s3dest.records.values import OWN_RULES, date_converter

_ENCODER = msgspec.json.Encoder()
_LINE = OWN_RULES | orjson.OPT_APPEND_NEWLINE
_BOM = b"\xef\xbb\xbf"

_REMOVED = b'[]"'
"""Characters of JSON that CSV does not have."""

_CODES, _SEPARATOR = bytes(range(0x0E, 0x16)), b"\x16"
"""Control characters that stand for others: JSON escapes them, so that its bytes never hold them."""

_ODD_SHARE = 4
"""One record in this many may be formatted by its fields; if more are, it is faster to format all in this way."""

_PAUSE = 15
"""Records to leave to the caller after a chunk that can't be encoded, as a multiple of that chunk's records.

Data of one table is alike: the next chunk would most likely fail too, and the attempt would be lost time.
"""


class BulkCsvEncoder:
    """Encodes the records of one table.

    :param columns: the columns, in order: two or more.
    :param delimiter: one ASCII character that stands in no number, bool or null, and no control character but tab.
    :param format_lines: formats records field by field, as lines without their ends.
    """

    def __init__(
        self, columns: tuple[str, ...], delimiter: str, format_lines: Callable[[RowChunk], Sequence[str]]
    ) -> None:
        self._columns, self._format_lines = columns, format_lines
        self._pause = 0
        between = delimiter.encode()
        # The characters that JSON puts between and around values, or with which it escapes characters in texts.
        structure = b",[]{\\" + between.replace(b",", b"")
        self._not_structure = bytes(set(range(256)).difference(structure, b"\n"))
        self._plain = b"[" + b"," * (len(columns) - 1) + b"]"
        protected = b'"\n' + structure
        codes = _CODES[: len(protected)]
        self._empty_text = codes[:1] * 2
        # If a text holds a code, the code becomes a separator. The extra line shows it.
        self._protect = bytes.maketrans(codes + protected, _SEPARATOR * len(codes) + codes)
        # Commas of texts are protected, so that every other comma stands between two fields.
        self._restore = bytes.maketrans(b"," + codes, between + protected)

    def encode(self, chunk: RowChunk) -> Encoded | None:
        """Encode the records of a chunk; return None if they need another way."""
        if self._pause > 0:
            self._pause -= len(chunk)
            return None
        lines = self._lines(chunk)
        if lines is None:
            self._pause = _PAUSE * len(chunk)
            return None

        def sizes() -> Iterator[int]:
            # Line ends within a field are protected, and a code is as long as its character.
            return (len(line) + 1 for line in lines.translate(None, _REMOVED)[:-1].split(b"\n"))

        return Encoded(lines.translate(self._restore, _REMOVED), len(chunk), sizes)

    def _lines(self, chunk: RowChunk) -> bytes | None:
        """Return the records as JSON arrays without nulls, one a line, odd records with codes; None if impossible."""
        if chunk.shape is None or not {*self._columns}.issubset(chunk.shape):
            return None
        values_of: Callable[[Any], Iterable[Any]] = itemgetter(*self._columns)
        if chunk.shape == self._columns:
            values_of = dict.values

        def records() -> Iterable[tuple[Any, ...]]:
            return map(tuple, map(values_of, chunk.rows))

        # Values of staged JSON are JSON text already; msgspec writes it as it stands.
        is_staged_json = type(chunk.rows[0][self._columns[0]]) is msgspec.Raw
        pieces: list[bytes] | None = None
        if is_staged_json:
            lines = _ENCODER.encode_lines(list(records()))
        elif record_problem(chunk.rows):
            return None
        else:
            try:
                pieces = list(map(orjson.dumps, records(), repeat(date_converter(chunk.rows)), repeat(_LINE)))
            except orjson.JSONEncodeError:  # a value that is no text, number, bool or null, and no date
                return None
            lines = b"".join(pieces)
        # What is left of a line without its values: brackets and commas, and more only if a value holds a special
        # character. One comparison of all lines shows whether any record is odd.
        structure = lines.translate(None, self._not_structure)
        odd: list[int] = []
        if structure != (self._plain + b"\n") * len(chunk):
            odd = [index for index, line in enumerate(structure.split(b"\n")[:-1]) if line != self._plain]
            protected = self._protected(chunk, odd)
            if protected is None:
                return None
            pieces = pieces or lines.splitlines(keepends=True)
            for index, line in zip(odd, protected, strict=True):
                pieces[index] = line + b"\n"
            lines = b"".join(pieces)
        if not lines.isascii() and _BOM in lines:
            return None
        lines = lines.replace(b'""', self._empty_text)  # CSV keeps the quotes of an empty text: without, it is null
        if b"null" in lines:
            # orjson writes NaN and infinities as null too, and CSV does not: more nulls than None values show them.
            if not is_staged_json:
                nulls = [record.count(None) for record in records()]
                for index in odd:
                    nulls[index] = 0
                if lines.count(b",null") + lines.count(b"[null") != sum(nulls):
                    return None
            lines = lines.replace(b",null", b",").replace(b"[null", b"[")
        return lines

    def _protected(self, chunk: RowChunk, indices: Sequence[int]) -> list[bytes] | None:
        """Format some of the records by their fields, with codes for the characters that JSON uses too."""
        if _ODD_SHARE * len(indices) > len(chunk):
            return None
        lines = self._format_lines(RowChunk([chunk.rows[index] for index in indices], chunk.origins, chunk.shape))
        protected = _SEPARATOR.decode().join(lines).encode().translate(self._protect).split(_SEPARATOR)
        return protected if len(protected) == len(lines) else None
