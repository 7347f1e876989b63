"""Lets staged text through as it stands where it already is what the target wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import msgspec

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The form that a target wants its text in: lines that end with ``\\n``, in UTF-8.

    :param format: ``csv`` or ``json``.
    :param delimiter: of csv.
    """

    format: str
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Passed:
    """A chunk of records that are encoded already.

    :param data: whole records, each of which ends with a line end.
    """

    data: bytes
    records: int
    _measured: bytes
    """The same with other bytes in place of the line ends inside of records."""

    def __len__(self) -> int:
        return self.records

    def sizes(self) -> Iterator[int]:
        """Give the bytes of each record."""
        return (len(line) + 1 for line in self._measured[:-1].split(b"\n"))


class _AnyObject(msgspec.Struct):
    """A JSON object, whatever its keys."""


_OBJECTS = msgspec.json.Decoder(_AnyObject)


def json_lines(data: bytes, columns: int) -> Passed | None:
    """See whether lines are JSON objects, one a line, that may stand as they are.

    That there are as many keys as columns is seen by the number of colons alone: lines of flat objects that are all
    alike pass, and what is nested, lacks a key or has another is looked at record by record. Where two such lines make
    up for each other they pass too, each with all of its values.

    :param data: whole lines in UTF-8.
    """
    if not data.endswith(b"\n"):
        data += b"\n"
    records = data.count(b"\n")
    # A line that begins with a brace and ends with one holds whole objects; as many as there are lines, one each.
    if not data.startswith(b"{") or data.count(b"\n{") != records - 1 or data.count(b"}\n") != records or b"\r" in data:
        return None
    if data.count(b'":') != records * columns:
        return None
    try:
        objects = _OBJECTS.decode_lines(data)
    except msgspec.MsgspecError:
        return None
    return Passed(data, records, data) if len(objects) == records else None


def csv_records(data: bytes, delimiter: bytes, columns: int) -> tuple[Passed, bytes] | None:
    """See whether text is CSV records of so many fields, with nothing that the target has otherwise.

    :param data: text in UTF-8 that begins with a record, and ends at a line end or where the file ends.
    :return: the records, and the rest: the beginning of a record that goes on behind the text. None if the records are
        to be looked at one by one.
    """
    if b"\r" in data or _BOM in data:
        return None
    rest = b""
    if b'"' in data:
        pieces = data.split(b'"')
        if not len(pieces) % 2:  # the last quoted field is still open
            begin = len(data) - len(pieces[-1]) - 1
            cut = data.rfind(b"\n", 0, begin) + 1
            while data.count(b'"', 0, cut) % 2:
                cut = data.rfind(b"\n", 0, cut - 1) + 1
            data, rest = data[:cut], data[cut:]
            pieces = data.split(b'"')
        outside, inside = pieces[::2], pieces[1::2]
        # A quoted field stands between delimiters or line ends; between two quotes that stand for one is nothing.
        edges = {piece[:1] for piece in outside[1:]} | {piece[-1:] for piece in outside[:-1]}
        if not edges <= {b"", delimiter, b"\n"}:
            return None
        skeleton = b"".join(outside)
        measured = data
        if any(b"\n" in piece for piece in inside):
            pieces[1::2] = [piece.replace(b"\n", b" ") for piece in inside]
            measured = b'"'.join(pieces)
    else:
        skeleton = measured = data
    if not data:
        return Passed(b"", 0, b""), rest
    if not data.endswith(b"\n"):
        if rest:
            return None
        data, measured, skeleton = data + b"\n", measured + b"\n", skeleton + b"\n"
    lines = skeleton[:-1].split(b"\n")
    if set(map(bytes.count, lines, repeat(delimiter))) != {columns - 1} or (columns == 1 and b"" in lines):
        return None
    return Passed(data, len(lines), measured), rest
