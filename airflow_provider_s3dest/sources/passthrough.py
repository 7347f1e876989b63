"""Lets staged text through as it stands where it already is what the target wants."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.records.chunks import PassthroughChunk

_BOM = b"\xef\xbb\xbf"


def json_lines(data: bytes, columns: tuple[str, ...]) -> PassthroughChunk | None:
    """See whether lines are JSON objects, one a line, that each have just these columns.

    Lines that have them in this order, with no blanks between, pass as they stand. In others the order and the blanks
    are put right, and the values keep their own spelling.

    :param data: whole lines in UTF-8.
    :return: the records; None if they are to be looked at one by one.
    """
    lines = _lines_of(columns)
    if lines is None:
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    try:
        records = lines.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    written = _ENCODER.encode_lines(records)
    if written != data and not _is_same(data, written, len(records)):
        return None
    return PassthroughChunk(written, len(records))


def _is_same(data: bytes, written: bytes, records: int) -> bool:
    """Say whether lines hold what was written of them: an object each, with no key twice."""
    # A line that begins with a brace and ends with one holds whole objects; as many as there are lines, one each.
    begun, ended = data.startswith(b"{") + data.count(b"\n{"), data.count(b"}\n")
    whole = begun == ended == data.count(b"\n") == records
    # Of a key that is there twice one was written.
    return whole and data.count(b'":') == written.count(b'":') and not any(blank in data for blank in _BEFORE_COLON)


_BEFORE_COLON = (b" :", b"\t:", b"\r")
_ENCODER = msgspec.json.Encoder()

_MAX_STRUCT_COLUMNS = 1_000
"""Columns up to which records are decoded as structs, which look for a key out of order from column to column."""


@lru_cache(maxsize=1)
def _lines_of(columns: tuple[str, ...]) -> msgspec.json.Decoder[Any] | None:
    """Give a decoder of objects that have just these columns, whose values are left as they are."""
    # A struct takes no name that JSON escapes.
    as_written = all(msgspec.json.encode(name) == orjson.dumps(name) == f'"{name}"'.encode() for name in columns)
    if not 0 < len(columns) <= _MAX_STRUCT_COLUMNS or not as_written:
        return None
    names = {f"column_{position}": name for position, name in enumerate(columns)}
    record = msgspec.defstruct(
        "Record", [(field, msgspec.Raw) for field in names], rename=names, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(record)


def csv_records(data: bytes, delimiter: bytes, columns: int) -> tuple[PassthroughChunk, bytes] | None:
    """See whether text is CSV records of so many fields, with nothing that the target has otherwise.

    :param data: text in UTF-8 that begins with a record, and ends at a line end or where the file ends.
    :param delimiter: one character.
    :return: the records, and the rest: the beginning of a record that goes on behind the text. None if the records are
        to be looked at one by one.
    """
    if b"\r" in data or _DOUBLED in data or (not data.isascii() and _BOM in data) or len(delimiter) > 1:
        return None
    rest = b""
    pieces = _at_quotes(data)
    if not len(pieces) % 2:  # the last quoted field is still open
        cut = _end_of_whole_records(data)
        data, rest = data[:cut], data[cut:]
        pieces = _at_quotes(data)
    if not data:
        return PassthroughChunk(b"", 0), rest
    bare = _without_quoted(pieces, delimiter)
    if bare is None or (rest and not data.endswith(b"\n")):
        return None
    if not data.endswith(b"\n"):
        data, bare = data + b"\n", bare + b"\n"
    # Of each record its delimiters and its line end are left.
    structure = bare.translate(None, _all_but(delimiter + b"\n"))
    records = structure.count(b"\n")
    if structure != (delimiter * (columns - 1) + b"\n") * records:
        return None
    if columns == 1 and (bare.startswith(b"\n") or b"\n\n" in bare):
        return None
    return PassthroughChunk(data, records, spans_lines=b"\n" in b"".join(pieces[1::2])), rest


def _at_quotes(data: bytes) -> list[bytes]:
    """Cut a text at its quotes, but for those that are doubled: every other piece is in quotes."""
    # Where doubled quotes are many, some are near, and it is quicker to take them out before.
    if b'""' not in data[:_NEAR]:
        pieces = data.split(b'"')
        if b"" not in pieces:
            return pieces
    return data.replace(b'""', _DOUBLED).split(b'"')


def _end_of_whole_records(data: bytes) -> int:
    """Find where the record begins whose last field is open."""
    end, quoted = len(data), True
    while quoted and end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        quoted ^= data.count(b'"', begin, end) % 2 == 1
        end = begin
    return end


def _without_quoted(pieces: list[bytes], delimiter: bytes) -> bytes | None:
    """Put a quote in place of each quoted field; None if one does not stand between delimiters or line ends."""
    outside = pieces[::2]
    bare = b'"'.join(outside)
    if _DOUBLED in bare:
        while _DOUBLED + b'"' in bare:  # in front of a field that begins with a quote
            bare = bare.replace(_DOUBLED + b'"', b'"')
        bare = bare.replace(_DOUBLED, b'"')  # a quoted field of nothing
        outside = bare.split(b'"')
    first, *between, last = outside if len(outside) > 1 else (b"", b"")
    if b"" in between:
        return None
    edges = {*map(itemgetter(0), between), *map(itemgetter(-1), between), *first[-1:], *last[:1]}
    return bare if edges <= {*delimiter, *b"\n"} else None


_NEAR = 2**12
_DOUBLED = b"\x01"
"""Stands for two quotes: a character that is not let through, so that it stands for nothing else."""


@lru_cache(maxsize=8)
def _all_but(characters: bytes) -> bytes:
    return bytes(set(range(256)).difference(characters))
