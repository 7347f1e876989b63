"""Reads from the footer of a Parquet file how large its columns are and how they are encoded.

pyarrow has these numbers too. But it ends the process when it is asked for the metadata of a column whose size
statistics are damaged (parquet-cpp raises an error there that pyarrow does not catch), or that is encrypted.

The footer is a Thrift structure in the compact protocol (Apache Thrift, "Thrift Compact protocol encoding"); the
numbers of its fields are those of ``parquet.thrift`` (Apache Parquet format).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

_MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_VARINTS = (4, 5, 6)

_ROW_GROUPS = 4
"""Field of the footer."""
_COLUMNS, _NUM_ROWS = 1, 3
"""Fields of a row group."""
_META_DATA = 3
"""Field of a column chunk."""
_ENCODINGS, _PATH, _NUM_VALUES, _UNCOMPRESSED, _COMPRESSED = 2, 3, 5, 6, 7
"""Fields of the metadata of a column chunk."""

_NAMES = "PLAIN", "", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED", *("DELTA",) * 3, "RLE_DICTIONARY"
"""Encodings by their numbers, as far as it matters which one it is."""


@dataclass(frozen=True, slots=True)
class ColumnSize:
    """What the footer says of one column in one row group."""

    path: str
    encodings: frozenset[str]
    values: int
    stored_bytes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class RowGroupSize:
    """What the footer says of one row group."""

    rows: int
    columns: list[ColumnSize]


def row_groups(stream: IO[bytes]) -> Iterator[RowGroupSize]:
    """Yield the row groups of a Parquet file.

    :raises ValueError: if the footer is damaged.
    """
    stream.seek(-len(_MAGIC) - 4, os.SEEK_END)
    size = int.from_bytes(stream.read(4), "little")
    stream.seek(-len(_MAGIC) - 4 - size, os.SEEK_END)
    try:
        for group in _Thrift(stream.read(size)).struct({_ROW_GROUPS: {_COLUMNS: {_META_DATA: {}}}})[_ROW_GROUPS]:
            yield RowGroupSize(group[_NUM_ROWS], [_column(chunk[_META_DATA]) for chunk in group[_COLUMNS]])
    except (LookupError, TypeError, UnicodeDecodeError) as error:
        raise ValueError("the footer of the file is damaged") from error


def _column(fields: Mapping[int, Any]) -> ColumnSize:
    numbers = fields[_ENCODINGS]
    return ColumnSize(
        ".".join(name.decode() for name in fields[_PATH]),
        frozenset(_NAMES[number] if 0 <= number < len(_NAMES) else "" for number in numbers),
        fields[_NUM_VALUES],
        fields[_COMPRESSED],
        fields[_UNCOMPRESSED],
    )


class _Thrift:
    """Reads values from bytes, one after the other; past their end this is an IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, nested: Mapping[int, Any] | None) -> dict[int, Any]:
        """Return the fields of a structure by their numbers.

        :param nested: the fields that are structures, or lists of these, to be read too, each with the same of its own;
            of all others nothing is kept. None: nothing is kept at all.
        """
        fields: dict[int, Any] = {}
        number = 0
        data = self._data
        while head := data[self._at]:
            self._at += 1
            delta, form = head >> 4, head & 15
            number = number + delta if delta else self._zigzag()
            value = self._value(form, None if nested is None else nested.get(number))
            if nested is not None:
                fields[number] = value
        self._at += 1
        return fields

    def _value(self, form: int, nested: Mapping[int, Any] | None) -> Any:
        if form in _VARINTS:
            return self._zigzag()
        if form == _BINARY:
            return self._take(self._varint())
        if form == _STRUCT:
            return self.struct(nested)
        if form in (_LIST, _SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            member = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
            if member in _VARINTS:
                return [self._zigzag() for _ in range(size)]
            return [self._value(member, nested) for _ in range(size)]
        if form == _MAP:
            size = self._varint()
            forms = self._byte() if size else 0
            for _ in range(size):
                self._value(forms >> 4, None)
                self._value(forms & 15, None)
            return None
        if form in (_TRUE, _FALSE):
            return form == _TRUE
        return self._take(8 if form == _DOUBLE else 1)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, size: int) -> bytes:
        begin, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise IndexError("the bytes end early")
        return self._data[begin : self._at]

    def _varint(self) -> int:
        data, at = self._data, self._at
        value, shift = data[at] & 127, 7
        while data[at] > 127:
            at += 1
            value |= (data[at] & 127) << shift
            shift += 7
        self._at = at + 1
        return value

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
