"""Reads staged NDJSON and JSON arrays; every value keeps the text that stands in the file, so 1.10 stays 1.10."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import IO

import msgspec

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.records.chunks import Origins, PassthroughChunk, RowChunk
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.chunking import CHUNK_RECORDS
from airflow_provider_s3dest.sources.passthrough import json_lines
from airflow_provider_s3dest.sources.source_file import SourceFile, option
from airflow_provider_s3dest.sources.text_lines import BOM, Block, LineTexts, blocks, check_text

Record = dict[str, msgspec.Raw]

_DECODER = msgspec.json.Decoder(Record)
_ENCODER = msgspec.json.Encoder()
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?P<closing>"?)|[\[\]{}]', re.DOTALL)
"""A string, whose closing quote may not be read yet, or a bracket."""
_BLANK = b" \t\r\n"
_BLANKS = (b" ", b"\t", b"\r", b"\n")


class JsonLines:
    """A chunk of NDJSON that is parsed only if it can't pass through as it stands."""

    def __init__(self, block: Block, file: SourceFile) -> None:
        self._block, self._file = block, file

    def __len__(self) -> int:
        data = self._block.data
        return data.count(b"\n") + (not data.endswith(b"\n"))

    @property
    def origins(self) -> Origins:
        block = self._block
        numbers = range(block.first_line, block.first_line + len(self))
        return Origins(block.first_line, self._file.path, originals=LineTexts(block.data, block.first_line, numbers))

    def slice(self, start: int, stop: int) -> JsonLines:
        """Return the lines from ``start`` up to ``stop``."""
        lines = self._block.data.split(b"\n", stop)[start:stop]
        return JsonLines(Block(b"\n".join(lines) + b"\n", self._block.first_line + start), self._file)

    def passed(self, columns: tuple[str, ...]) -> PassthroughChunk | None:
        """Return the lines as a JSON encoder would write them; None if they have to be parsed one by one for that.

        :raises RecordError: at a line that is not UTF-8.
        """
        if b"\r" in self._text:  # some readers of the written file would take it for the end of a line
            return None
        try:
            passed = json_lines(self._text, columns)
        except RecursionError:  # when the records are parsed, the error names the line
            return None
        if passed:
            self._block.lines = len(passed)  # spares the count of the line ends
        return passed

    @cached_property
    def rows(self) -> RowChunk:
        """The records.

        :raises RecordError: at a line that is no JSON object.
        """
        block, data = self._block, self._text
        # The first line alone shows, at little cost, whether the quick way may work for all of them.
        if records := _as_written(data[: data.find(b"\n") + 1]) and _as_written(data):
            numbers: Sequence[int] = range(block.first_line, block.first_line + len(records))
        else:
            records, numbers = self._parse_each()
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            records = list(map(_on_one_line, records))
        originals = LineTexts(data, block.first_line, numbers)
        return RowChunk.of(records, Origins(file=self._file.path, lines=numbers, originals=originals))

    @cached_property
    def _text(self) -> bytes:
        check_text(self._block.data, self._block.first_line, self._file)
        return self._block.data

    def _parse_each(self) -> tuple[list[Record], Sequence[int]]:
        """Parse line by line, and return the records and the line on which each stands."""
        block, file = self._block, self._file
        lines = block.data.split(b"\n")
        numbers: Sequence[int] = range(block.first_line, block.first_line + len(lines))
        try:
            records = list(map(_DECODER.decode, lines[:-1] if not lines[-1] else lines))
        except _UNREADABLE:  # a blank line, or a line that is malformed
            filled = [(number, line) for number, line in zip(numbers, lines, strict=True) if line.strip(_BLANK)]
            records = [_decode(line, file, number) for number, line in filled]
            numbers = [number for number, _ in filled]
            lines = [line for _, line in filled]
        if _may_repeat_key(block.data, sum(map(len, records))):
            for record, line, number in zip(records, lines, numbers, strict=False):
                _check_keys(record, line, file, number)
        return records, numbers


def read_lines(stream: IO[bytes], file: SourceFile) -> Iterator[JsonLines]:
    """Read one JSON object a line; blank lines are skipped."""
    for block in blocks(stream, file, checked=False):
        yield JsonLines(block, file)


def read_array(stream: IO[bytes], file: SourceFile) -> Iterator[RowChunk]:
    """Read one JSON array of objects, an object at a time.

    :raises RecordError: where the array is malformed or cut off; also at an element that is no JSON object, unless it
        is quarantined.
    """
    return chunks_of(_elements(stream, file), file)


def chunks_of(elements: Iterable[tuple[bytes, int]], file: SourceFile) -> Iterator[RowChunk]:
    """Parse records, each given by its text and the line on which it begins.

    :raises RecordError: at a text that is no JSON object, unless it is quarantined.
    """
    records: list[Record] = []
    lines: list[int] = []
    texts: list[bytes] = []
    for element, line in elements:
        try:
            record = _element(element, file, line)
        except RecordError as error:
            file.refuse(error, element)
            continue
        records.append(record)
        lines.append(line)
        texts.append(element)
        if len(records) == CHUNK_RECORDS:
            yield RowChunk(records, Origins(file=file.path, lines=lines, originals=texts))
            records, lines, texts = [], [], []
    if records:
        yield RowChunk(records, Origins(file=file.path, lines=lines, originals=texts))


def _element(text: bytes, file: SourceFile, line: int) -> Record:
    check_text(text, line, file)
    record = _decode(text, file, line)
    _check_keys(record, text, file, line)
    return _on_one_line(record)


def is_object(text: bytes) -> bool:
    """Return whether a text is one JSON object."""
    try:
        _DECODER.decode(text)
    except _UNREADABLE:
        return False
    return True


def begins_array(head: bytes) -> bool:
    """Return whether the first character of a file opens an array.

    :param head: the beginning of the file.
    """
    return head.removeprefix(BOM).lstrip(_BLANK).startswith(b"[")


def _as_written(lines: bytes) -> list[Record] | None:
    """Decode lines that are exactly what would be written for their records; None if they are not.

    In such lines no key occurs twice: decoding would have kept only one of the two.
    """
    try:
        records = _DECODER.decode_lines(lines)
    except _UNREADABLE:
        return None
    return records if _ENCODER.encode_lines(records) == lines else None


def _decode(text: bytes, file: SourceFile, line: int) -> Record:
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise _too_deep(file, line) from error
    except _UNREADABLE as error:
        reason, remedy = str(error), "Stage one JSON object a line, or one array of objects."
        if "truncated" in reason:  # also said of half of a surrogate pair
            is_whole = _is_json(text)
            reason = "a text holds half of a surrogate pair" if is_whole else "the object does not end on its line"
            remedy = (
                "Decode it properly upstream."
                if is_whole
                else f"Stage each object on one line, or take objects over several lines: {option('records_at', '.')}."
            )
        problem = f"is no JSON object: {reason}: {short(text.decode(errors='replace').strip())}."
        if re.search(rb"[:\[,]\s*(NaN|-?Infinity)\b", text):
            remedy = "JSON has no NaN or Infinity: write null."
        raise file.error(line, problem, remedy) from error


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _too_deep(file: SourceFile, line: int) -> RecordError:
    problem = "is nested too deeply: Python reads about 1,000 levels, from 3.12 on more."
    return file.error(line, problem, "Stage it flatter.")


def _may_repeat_key(text: bytes, keys: int) -> bool:
    """Return whether an object in a text may hold a key twice; True may be wrong, False never is.

    :param keys: number of the keys that were decoded, of which there are fewer if one occurs twice.
    """
    if text.count(b":") == keys:  # each key has a colon, so that no colon is left for another key
        return False
    # Colons may also stand in strings; '":' may there too, but seldom. It misses keys with a blank before their colon.
    return text.count(b'":') != keys or any(blank in text and blank + b":" in text for blank in _BLANKS)


def _check_keys(record: Record, text: bytes, file: SourceFile, line: int) -> None:
    """Check that no key of a record occurs twice in its text, since decoding keeps the last one only.

    :raises RecordError: if one does.
    """
    nested = b"".join(record.values()).count(b'":')
    if not _may_repeat_key(text, len(record) + nested):
        return
    try:
        names = [name for name, _ in json.loads(text, object_pairs_hook=list, parse_int=str)]
    except RecursionError as error:  # json takes fewer levels than msgspec
        raise _too_deep(file, line) from error
    for name in record:
        if names.count(name) > 1:
            problem, remedy = f"the object has the key {name!r} twice.", "Give each value a key of its own."
            raise file.error(line, problem, remedy, column=name)


def _on_one_line(record: Record) -> Record:
    """Write nested values on one line, as an encoder writes one object a line and copies them as they are."""
    for name, raw in record.items():
        text = bytes(raw)
        if b"\n" in text or b"\r" in text:
            # A line end can only stand between tokens: inside of a JSON string it has to be escaped.
            pieces = (piece.strip(_BLANK) for piece in text.splitlines())
            record[name] = msgspec.Raw(b" ".join(piece for piece in pieces if piece))
    return record


def _fault_between(gap: bytes, comma: bytes) -> str:
    """Return what is wrong with the text between two elements of an array; empty if nothing is.

    :param comma: a comma, if one must stand there; else nothing.
    """
    between = gap.strip(_BLANK)
    if between == comma:
        return ""
    if not between:
        return "a comma is missing between two elements of the array."
    if text := between.strip(b"," + _BLANK):
        return f"an element of the array is no object: {short(text.decode(errors='replace'))}."
    return "a comma of the array has no element."


def _elements(stream: IO[bytes], file: SourceFile) -> Iterator[tuple[bytes, int]]:
    """Cut an array into the bytes of its elements, each with the line on which it begins.

    The array is never in memory as a whole: only strings and brackets are looked at here, and each element is parsed by
    itself afterwards.
    """

    def malformed(problem: str) -> RecordError:
        return file.error(line, problem, "Stage one array of JSON objects, whole.")

    # An array may be one long line, so that blocks end at the end of an object.
    source = blocks(stream, file, end=b"}", checked=False)
    data, position, depth, begin, line = b"", 0, 0, 0, 1
    opened = closed = expects_comma = False
    while True:
        token = _TOKEN.search(data, position)
        if token is None or token["closing"] == b"":  # nothing more, or a string that goes on in the next block
            block = next(source, None)
            if block is None:
                break
            keep = begin if depth > 1 else position
            if len(data) - keep > text_lines.max_record_bytes(file):
                raise text_lines.too_long(line, file)
            data, begin, position = data[keep:] + block.data, 0, position - keep
            continue
        if depth <= 1:
            gap = data[position : token.start()]
            line += gap.count(b"\n")
            if closed:
                raise malformed(f"text stands after the end of the array: {short(token[0])}.")
            if opened and token[0] not in b"{]":
                raise malformed(f"an element of the array is no object: {short(token[0].decode(errors='replace'))}.")
            if problem := _fault_between(gap, b"," if expects_comma and token[0] != b"]" else b""):
                raise malformed(problem)
        position = token.end()
        if token[0] in (b"{", b"["):
            if depth == 0 and token[0] == b"[":
                opened = True
            elif depth == 0:
                raise malformed("is no array.")
            elif depth == 1:
                begin = token.start()
            depth += 1
        elif token[0] in (b"}", b"]"):
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
        raise malformed("the array is cut off: it has no end.")
    if data[position:].strip(_BLANK):
        raise malformed(f"text stands after the end of the array: {short(data[position:].decode(errors='replace'))}.")
