"""Reads staged NDJSON and JSON arrays; every value keeps its own spelling, so 1.10 stays 1.10."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import IO

import msgspec

from airflow_provider_s3dest.errors import Place, RecordError, short
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import Origins, PassthroughChunk, RowChunk
from airflow_provider_s3dest.sources.chunking import CHUNK_RECORDS
from airflow_provider_s3dest.sources.passthrough import json_lines
from airflow_provider_s3dest.sources.text_lines import Block, LineTexts, blocks, check_text

Record = dict[str, msgspec.Raw]

_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?P<closing>"?)|[\[\]{}]', re.DOTALL)
"""A string, whose closing quote may be yet to come, or a bracket."""
_BLANK = b" \t\r\n"
_BLANKS = (b" ", b"\t", b"\r", b"\n")


class JsonLines:
    """A chunk of NDJSON, read when it is asked for."""

    def __init__(self, block: Block, table: str, path: str) -> None:
        self._block, self._table, self._path = block, table, path

    def __len__(self) -> int:
        data = self._block.data
        return data.count(b"\n") + (not data.endswith(b"\n"))

    @property
    def origins(self) -> Origins:
        block = self._block
        numbers = range(block.first_line, block.first_line + len(self))
        return Origins(block.first_line, self._path, originals=LineTexts(block.data, block.first_line, numbers))

    def slice(self, start: int, stop: int) -> JsonLines:
        """Give some of the lines."""
        lines = self._block.data.split(b"\n", stop)[start:stop]
        return JsonLines(Block(b"\n".join(lines) + b"\n", self._block.first_line + start), self._table, self._path)

    def passed(self, columns: tuple[str, ...]) -> PassthroughChunk | None:
        """Give the lines as a target that wants JSON would write them, if that can be told without reading each.

        :raises RecordError: at a line that is not UTF-8.
        """
        if b"\r" in self._text:  # to some readers of what is written it would end a line
            return None
        try:
            passed = json_lines(self._text, columns)
        except RecursionError:  # the line is named by whoever reads the records
            return None
        if passed:
            self._block.lines = len(passed)
        return passed

    @cached_property
    def rows(self) -> RowChunk:
        """The records.

        :raises RecordError: at a line that is no JSON object.
        """
        block, data = self._block, self._text
        if records := _as_written(data[: data.find(b"\n") + 1]) and _as_written(data):
            numbers: Sequence[int] = range(block.first_line, block.first_line + len(records))
        else:
            records, numbers = self._read_each()
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            records = list(map(_compact, records))
        return RowChunk.of(
            records, Origins(file=self._path, lines=numbers, originals=LineTexts(data, block.first_line, numbers))
        )

    @cached_property
    def _text(self) -> bytes:
        check_text(self._block.data, self._block.first_line, self._table, self._path)
        return self._block.data

    def _read_each(self) -> tuple[list[Record], Sequence[int]]:
        """Read line by line: the records, and the line on which each stands."""
        block, table, path = self._block, self._table, self._path
        lines = block.data.split(b"\n")
        numbers: Sequence[int] = range(block.first_line, block.first_line + len(lines))
        try:
            records = list(map(_DECODER.decode, lines[:-1] if not lines[-1] else lines))
        except _UNREADABLE:
            filled = [(number, line) for number, line in zip(numbers, lines, strict=True) if line.strip(_BLANK)]
            records = [_decode(line, table, path, number) for number, line in filled]
            numbers = [number for number, _ in filled]
            lines = [line for _, line in filled]
        if _may_repeat_key(block.data, sum(map(len, records))):
            for record, line, number in zip(records, lines, numbers, strict=False):
                _refuse_repeated_key(record, line, table, path, number)
        return records, numbers


def read_lines(stream: IO[bytes], table: str, path: str) -> Iterator[JsonLines]:
    """Read one JSON object a line; blank lines are passed over."""
    for block in blocks(stream, table, path, checked=False):
        yield JsonLines(block, table, path)


def read_array(stream: IO[bytes], table: str, path: str, bad: BadRecords | None = None) -> Iterator[RowChunk]:
    """Read one JSON array of objects, an object at a time.

    :param bad: takes the elements that are wrong by themselves; None: the first of them is an error.
    :raises RecordError: at an element that is no JSON object, and where the array is cut off.
    """
    records: list[Record] = []
    lines: list[int] = []
    texts: list[bytes] = []
    for element, line in _elements(stream, table, path):
        try:
            record = _element(element, table, path, line)
        except RecordError as error:
            if bad is None:
                raise
            bad.add(error, element)
            continue
        records.append(record)
        lines.append(line)
        texts.append(element)
        if len(records) == CHUNK_RECORDS:
            yield RowChunk(records, Origins(file=path, lines=lines, originals=texts))
            records, lines, texts = [], [], []
    if records:
        yield RowChunk(records, Origins(file=path, lines=lines, originals=texts))


def _element(text: bytes, table: str, path: str, line: int) -> Record:
    check_text(text, line, table, path)
    record = _decode(text, table, path, line)
    _refuse_repeated_key(record, text, table, path, line)
    return _compact(record)


def begins_array(stream: IO[bytes]) -> bool:
    """Say whether the first character of a stream, which is used up, opens an array."""
    head = stream.read(2**16).removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    return head.startswith(b"[")


def _as_written(lines: bytes) -> list[Record] | None:
    """Decode lines that are just what would be written of their records, so that none holds a key twice; else None."""
    try:
        records = _DECODER.decode_lines(lines)
    except _UNREADABLE:
        return None
    return records if _ENCODER.encode_lines(records) == lines else None


def _decode(text: bytes, table: str, path: str, line: int) -> Record:
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise _too_deep(table, path, line) from error
    except _UNREADABLE as error:
        problem = f"is no JSON object: {error}: {short(text.decode(errors='replace').strip())}."
        remedy = "Stage one JSON object a line, or one array of objects."
        if re.search(rb"[:\[,]\s*(NaN|-?Infinity)\b", text):
            remedy = "JSON has no NaN or Infinity: write null."
        raise RecordError(problem, remedy, table=table, place=Place(file=path, line=line)) from error


def _too_deep(table: str, path: str, line: int) -> RecordError:
    problem = "is nested too deeply: Python reads about 1,000 levels, from 3.12 on more."
    return RecordError(problem, "Stage it flatter.", table=table, place=Place(file=path, line=line))


def _may_repeat_key(text: bytes, keys: int) -> bool:
    """Say whether an object in a text may hold a key twice, of which decoding keeps the last: quick, but not exact."""
    if text.count(b":") == keys:  # each key has one, so that none is left for another
        return False
    return text.count(b'":') != keys or any(blank in text and blank + b":" in text for blank in _BLANKS)


def _refuse_repeated_key(record: Record, text: bytes, table: str, path: str, line: int) -> None:
    nested = b"".join(record.values()).count(b'":')
    if not _may_repeat_key(text, len(record) + nested):
        return
    try:
        names = [name for name, _ in json.loads(text, object_pairs_hook=list, parse_int=str)]
    except RecursionError as error:  # of which this reader allows some levels less
        raise _too_deep(table, path, line) from error
    for name in record:
        if names.count(name) > 1:
            problem, remedy = f"the object has the key {name!r} twice.", "Give each value a key of its own."
            raise RecordError(problem, remedy, table=table, place=Place(file=path, line=line), column=name)


def _compact(record: Record) -> Record:
    """Spell nested values on one line, as they must stand in a file of one object a line."""
    for name, raw in record.items():
        text = bytes(raw)
        if b"\n" in text or b"\r" in text:
            record[name] = msgspec.Raw(_one_line(text))
    return record


def _one_line(text: bytes) -> bytes:
    """Take line ends between tokens out; inside a JSON string there are none."""
    return b" ".join(part for part in (piece.strip(_BLANK) for piece in text.splitlines()) if part)


def _elements(stream: IO[bytes], table: str, path: str) -> Iterator[tuple[bytes, int]]:
    """Cut an array into the bytes of its elements, each with the line on which it begins."""

    def fault(problem: str) -> RecordError:
        remedy = "Stage one array of JSON objects, whole."
        return RecordError(problem, remedy, table=table, place=Place(file=path, line=line))

    # An array may be one long line.
    source = blocks(stream, table, path, end=b"}", checked=False)
    data, position, depth, begin, line = b"", 0, 0, 0, 1
    opened = closed = expects_comma = False
    while True:
        found = _TOKEN.search(data, position)
        if found is None or found["closing"] == b"":
            block = next(source, None)
            if block is None:
                break
            keep = begin if depth > 1 else position
            data, begin, position = data[keep:] + block.data, 0, position - keep
            continue
        if depth <= 1:
            gap = data[position : found.start()]
            between = gap.strip(_BLANK)
            line += gap.count(b"\n")
            if closed:
                raise fault(f"text stands after the end of the array: {short(found[0])}.")
            if opened and found[0] not in b"{]":
                raise fault(f"an element of the array is no object: {short(found[0].decode(errors='replace'))}.")
            wanted = b"," if expects_comma and found[0] != b"]" else b""
            if between != wanted:
                raise fault(f"the array is malformed: {short(between.decode(errors='replace'))} between its elements.")
        position = found.end()
        if found[0] in (b"{", b"["):
            if depth == 0 and found[0] == b"[":
                opened = True
            elif depth == 0:
                raise fault("is no array.")
            elif depth == 1:
                begin = found.start()
            depth += 1
        elif found[0] in (b"}", b"]"):
            depth -= 1
            if depth == 1:
                element = data[begin:position]
                yield element, line
                line += element.count(b"\n")
                expects_comma = True
            elif depth <= 0:
                closed = True
                depth = 0
    if not closed:
        raise fault("the array is cut off: it has no end.")
    if data[position:].strip(_BLANK):
        raise fault(f"text stands after the end of the array: {short(data[position:].decode(errors='replace'))}.")
