"""Passes staged text through as it stands where it is already what the encoder would write.

These functions look at a block as a whole, by searches and counts that run at the speed of memory, and never at a
single record. So they may say "no" to text that would be fine, which is then parsed, but never "yes" to other text.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.sources.text_lines import BOM

_DOUBLED = b"\x01"
"""Stands for a doubled quote. Text that holds this character itself is never passed through, so that it stands for
nothing else."""

_LOOK_AHEAD = 2**12
"""Bytes in which doubled quotes are looked for, before a way to cut the text is chosen."""

_BEFORE_COLON = (b" :", b"\t:", b"\r")
"""What may stand between a key and its colon; a carriage return is looked for anywhere."""

_MAX_STRUCT_COLUMNS = 1_000
"""Columns up to which records are decoded as structs. A struct looks for a key that is out of order column by column,
which takes too long for more."""

_ENCODER = msgspec.json.Encoder()


def json_lines(data: bytes, columns: tuple[str, ...]) -> PassthroughChunk | None:
    """Pass lines through if they are JSON objects, one a line, that each have exactly these columns.

    Lines with the columns in this order, without blanks between tokens, pass as they stand. In other lines the order
    and the blanks are corrected, and the values stay as they are written.

    :param data: whole lines in UTF-8.
    :return: the records; None if they have to be parsed one by one.
    """
    decoder = _decoder_of(columns)
    if decoder is None:
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    try:
        records = decoder.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    written = _ENCODER.encode_lines(records)
    if written != data and not _is_same(data, written, len(records)):
        return None
    return PassthroughChunk(written, len(records))


def _is_same(data: bytes, written: bytes, records: int) -> bool:
    """Return whether lines hold one object each, without a key that occurs twice.

    :param written: what was written of the lines after they were decoded.
    """
    # A line that begins with { and ends with } holds whole objects. If there are as many objects as lines, each line
    # is one.
    begun, ended = data.startswith(b"{") + data.count(b"\n{"), data.count(b"}\n")
    whole = begun == ended == data.count(b"\n") == records
    # If a key occurs twice, only one of its values was written, so that the counts of '":' differ. Blanks before colons
    # would spoil the counts.
    return whole and data.count(b'":') == written.count(b'":') and not any(blank in data for blank in _BEFORE_COLON)


@lru_cache(maxsize=1)
def _decoder_of(columns: tuple[str, ...]) -> msgspec.json.Decoder[Any] | None:
    """Return a decoder of objects that have exactly these columns, which leaves the values as they are written."""
    # msgspec refuses names of fields that JSON has to escape, and both encoders must write the name in the same way.
    as_written = all(msgspec.json.encode(name) == orjson.dumps(name) == f'"{name}"'.encode() for name in columns)
    if not 0 < len(columns) <= _MAX_STRUCT_COLUMNS or not as_written:
        return None
    names = {f"column_{position}": name for position, name in enumerate(columns)}
    record = msgspec.defstruct(
        "Record", [(field, msgspec.Raw) for field in names], rename=names, forbid_unknown_fields=True, gc=False
    )
    return msgspec.json.Decoder(record)


def csv_records(data: bytes, delimiter: bytes, columns: int) -> tuple[PassthroughChunk, bytes] | None:
    """Pass text through if it is CSV records of so many fields each, written as the encoder may write them.

    First every quoted field is replaced by one quote, so that no delimiter or line end is left inside a field. Then all
    but the delimiters and line ends is deleted. If what remains is the same sequence over and over, each record has the
    right number of fields.

    :param data: text in UTF-8 that begins with a record, and ends at a line end or at the end of the file.
    :param delimiter: one character.
    :return: the records, and the rest: the beginning of a record that goes on behind the text. None if the records have
        to be parsed one by one.
    """
    # A carriage return or byte order mark would not be written in this way, and see _DOUBLED. A delimiter of several
    # bytes can't be compared byte by byte.
    if b"\r" in data or _DOUBLED in data or (not data.isascii() and BOM in data) or len(delimiter) > 1:
        return None
    rest = b""
    pieces = _at_quotes(data)
    if not len(pieces) % 2:  # an odd number of quotes: the last quoted field is still open
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
    structure = bare.translate(None, _all_but(delimiter + b"\n"))
    records = structure.count(b"\n")
    if structure != (delimiter * (columns - 1) + b"\n") * records:
        return None
    # In a file of one column a blank line is a null, for which the encoder writes something else.
    if columns == 1 and (bare.startswith(b"\n") or b"\n\n" in bare):
        return None
    return PassthroughChunk(data, records, spans_lines=b"\n" in b"".join(pieces[1::2])), rest


def _at_quotes(data: bytes) -> list[bytes]:
    """Cut a text at its quotes, except the doubled ones: every other piece is the inside of a quoted field."""
    # Two ways to one result. Where quotes are few, replacing doubled ones first nearly doubles the time of csv_records.
    # Splitting first is wasted if a doubled quote turns up among the pieces, so it is tried only if there is none at
    # the beginning: where doubled quotes are many, some are near.
    if b'""' not in data[:_LOOK_AHEAD]:
        pieces = data.split(b'"')
        if b"" not in pieces:
            return pieces
    return data.replace(b'""', _DOUBLED).split(b'"')


def _end_of_whole_records(data: bytes) -> int:
    """Return where the record begins whose last field is open."""
    # Go back line by line from the end, which is inside of quotes, to the first line that begins outside of quotes.
    end, quoted = len(data), True
    while quoted and end:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        quoted ^= data.count(b'"', begin, end) % 2 == 1
        end = begin
    return end


def _without_quoted(pieces: list[bytes], delimiter: bytes) -> bytes | None:
    """Join what is outside of quotes, with one quote for each quoted field.

    :return: None if a quoted field does not stand between delimiters or line ends.
    """
    outside = pieces[::2]
    bare = b'"'.join(outside)
    if _DOUBLED in bare:
        # Outside of a field, a doubled quote in front of a quote is really the other way round: the quote that opens a
        # field, then a doubled one inside of it. A doubled quote alone is an empty quoted field.
        while _DOUBLED + b'"' in bare:
            bare = bare.replace(_DOUBLED + b'"', b'"')
        bare = bare.replace(_DOUBLED, b'"')
        outside = bare.split(b'"')
    first, *between, last = outside if len(outside) > 1 else (b"", b"")
    if b"" in between:
        return None
    edges = {*map(itemgetter(0), between), *map(itemgetter(-1), between), *first[-1:], *last[:1]}
    return bare if edges <= {*delimiter, *b"\n"} else None


@lru_cache(maxsize=8)
def _all_but(characters: bytes) -> bytes:
    return bytes(set(range(256)).difference(characters))
