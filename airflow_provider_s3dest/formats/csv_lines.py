"""Encodes whole records as CSV at once, by way of JSON: orjson writes a record faster than Python joins its fields.

The record ``{"id": 1, "name": "a", "of": None}`` becomes ``[1,"a",null]``. Without brackets, quotes and ``null`` that
is its line of CSV, as long as no text in it holds what CSV would quote or JSON would escape. Other records are spelled
field by field, and go in with control characters in place of what is taken out of the JSON around them.
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
from airflow_provider_s3dest.records.values import OWN_RULES, date_converter

_ENCODER = msgspec.json.Encoder()
_LINE = OWN_RULES | orjson.OPT_APPEND_NEWLINE
_TAKEN_OUT = b'[]"'
_CODES, _SEPARATOR = bytes(range(0x0E, 0x16)), b"\x16"
"""Control characters, which JSON never holds as they are."""
_BOM = b"\xef\xbb\xbf"

_SPELLED_SHARE = 4
"""Of so many records one may be spelled field by field; if more are, it is quicker to spell all."""
_PAUSE = 15
"""Times as many records are not tried after some that could not be encoded at once."""


class BulkCsvEncoder:
    """Encodes the records of one table.

    :param columns: the columns, in order: two or more.
    :param delimiter: one ASCII character that stands in no number, bool or null, and is no control character but tab.
    :param spell: spells records field by field, as lines without their ends.
    """

    def __init__(self, columns: tuple[str, ...], delimiter: str, spell: Callable[[RowChunk], Sequence[str]]) -> None:
        self._columns, self._spell = columns, spell
        self._pause = 0
        between = delimiter.encode()
        # What JSON puts between and around values, or would put around what is in them.
        structure = b",[]{\\" + between.replace(b",", b"")
        self._others = bytes(set(range(256)).difference(structure, b"\n"))
        self._plain = b"[" + b"," * (len(columns) - 1) + b"]"
        characters = b'"\n' + structure
        codes = _CODES[: len(characters)]
        self._empty = codes[:1] * 2
        # A code that is there already becomes a separator too many.
        self._protect = bytes.maketrans(codes + characters, _SEPARATOR * len(codes) + codes)
        # Other commas than protected ones stand between fields.
        self._restore = bytes.maketrans(b"," + codes, between + characters)

    def encode(self, chunk: RowChunk) -> Encoded | None:
        """Encode the records of a chunk; None if that can't be done so."""
        if self._pause > 0:
            self._pause -= len(chunk)
            return None
        lines = self._lines(chunk)
        if lines is None:
            self._pause = _PAUSE * len(chunk)
            return None

        def sizes() -> Iterator[int]:
            # Line ends within a field are protected.
            return (len(line) + 1 for line in lines.translate(None, _TAKEN_OUT)[:-1].split(b"\n"))

        return Encoded(lines.translate(self._restore, _TAKEN_OUT), len(chunk), sizes)

    def _lines(self, chunk: RowChunk) -> bytes | None:
        if chunk.shape is None or not {*self._columns}.issubset(chunk.shape):
            return None
        values_of: Callable[[Any], Iterable[Any]] = itemgetter(*self._columns)
        if chunk.shape == self._columns:
            values_of = dict.values

        def records() -> Iterable[tuple[Any, ...]]:
            return map(tuple, map(values_of, chunk.rows))

        # Its values are spelled already, which only msgspec lets stand.
        is_staged_json = type(chunk.rows[0][self._columns[0]]) is msgspec.Raw
        pieces: list[bytes] | None = None
        if is_staged_json:
            lines = _ENCODER.encode_lines(list(records()))
        else:
            try:
                pieces = list(map(orjson.dumps, records(), repeat(date_converter(chunk.rows)), repeat(_LINE)))
            except orjson.JSONEncodeError:  # a value that is no text, number, bool or null, and no date
                return None
            lines = b"".join(pieces)
        structure = lines.translate(None, self._others)
        others: list[int] = []
        if structure != (self._plain + b"\n") * len(chunk):
            others = [position for position, found in enumerate(structure.split(b"\n")[:-1]) if found != self._plain]
            spelled = self._spelled(chunk, others)
            if spelled is None:
                return None
            pieces = pieces or lines.splitlines(keepends=True)
            for position, line in zip(others, spelled, strict=True):
                pieces[position] = line + b"\n"
            lines = b"".join(pieces)
        if not lines.isascii() and _BOM in lines:
            return None
        lines = lines.replace(b'""', self._empty)
        if b"null" in lines:
            # Nulls are nothing in CSV, but orjson spells NaN and infinities null too.
            if not is_staged_json:
                nulls = [record.count(None) for record in records()]
                for position in others:
                    nulls[position] = 0
                if lines.count(b",null") + lines.count(b"[null") != sum(nulls):
                    return None
            lines = lines.replace(b",null", b",").replace(b"[null", b"[")
        return lines

    def _spelled(self, chunk: RowChunk, positions: Sequence[int]) -> list[bytes] | None:
        """Spell some of the records, with codes for the characters that JSON uses too."""
        if _SPELLED_SHARE * len(positions) > len(chunk):
            return None
        lines = self._spell(RowChunk([chunk.rows[position] for position in positions], chunk.origins, chunk.shape))
        protected = _SEPARATOR.decode().join(lines).encode().translate(self._protect).split(_SEPARATOR)
        return protected if len(protected) == len(lines) else None
