"""Reads staged JSON whose records are not one a line: objects over several lines, and records inside of documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO

import msgspec

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.records.chunks import RowChunk
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.json_file import chunks_of, is_object
from airflow_provider_s3dest.sources.source_file import SourceFile, option
from airflow_provider_s3dest.sources.staging_format import ROOT
from airflow_provider_s3dest.sources.text_lines import BOM

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?P<closing>"?)|[\[\]{}]', re.DOTALL)
"""A string, whose closing quote may not be read yet, or a bracket."""
_BLANKS = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb'[^ \t\r\n,\[\]{}:"]*')
_NAMES = 8
"""Keys that an error names."""


def read_documents(stream: IO[bytes], file: SourceFile, records_at: str) -> Iterator[RowChunk]:
    """Read the records of JSON documents that stand one after the other in a file.

    :param records_at: the path of the records in each document, such as ``data.items``: an array of objects, one
        object, or null for none. ``.`` is the document itself.
    :raises RecordError: where a document is malformed or cut off, or has nothing at the path; also at an element that
        is no JSON object, unless it is quarantined.
    """
    path = [] if records_at == ROOT else records_at.split(".")
    return chunks_of(_Documents(stream, file).records(path), file)


def spans_lines(head: bytes) -> bool:
    """Return whether a file begins with an object that goes on behind its line, or that another one follows there.

    In a file of one object a line, a first line that is cut off is no such object.

    :param head: the beginning of a file.
    """
    depth, end, data = 0, -1, head.removeprefix(BOM).lstrip(b" \t\r\n")
    for token in _TOKEN.finditer(data):
        depth += (token[0] in (b"{", b"[")) - (token[0] in (b"}", b"]"))
        if depth <= 0:
            end = token.end()
            break
    line, _, rest = data.partition(b"\n")
    if end >= 0:
        is_whole = is_object(data[:end])
        return is_whole and (end > len(line) or data[end : len(line)].lstrip(b" \t").startswith(b"{"))
    # The first object is longer than the head. Each line of an object has something that no object is.
    return (
        data.startswith(b"{") and b"\n" in data and not is_object(line) and not rest.lstrip(b" \t\r\n").startswith(b"{")
    )


class _Documents:
    """Walks through a text of JSON without holding more of it than one record, string or name.

    What is passed over is only looked at for strings and brackets.
    """

    def __init__(self, stream: IO[bytes], file: SourceFile) -> None:
        self._stream, self._file = stream, file
        self._data = text_lines.beginning(stream, file)
        self._position, self._line = 0, 1
        self._path: list[str] = []

    def records(self, path: Sequence[str]) -> Iterator[tuple[bytes, int]]:
        """Yield the text of each record, and the line on which it begins."""
        self._path = list(path)
        while self._next():
            yield from self._below(0)

    def _below(self, level: int) -> Iterator[tuple[bytes, int]]:
        """Yield the records in the value that begins here, which stands at the first names of the path."""
        if level == len(self._path):
            yield from self._elements()
            return
        where = ".".join(self._path[:level])
        if self._next() != b"{":
            raise self._missing(f"{f'`{where}`' if where else 'a document'} is no object")
        line, found, keys = self._line, False, []
        for key in self._members():
            if key != self._path[level]:
                keys.append(key)
                self._value(keep=False)
                continue
            if found:
                raise self._error(
                    f"`{'.'.join(self._path[: level + 1])}` occurs twice in one object.", "Stage it once."
                )
            found = True
            yield from self._below(level + 1)
        if not found:
            names = ", ".join(map(short, keys[:_NAMES])) + (", ..." if len(keys) > _NAMES else "")
            self._line = line
            raise self._missing(f"an object has no `{self._path[level]}`{f', but {names}' if names else ''}")

    def _members(self) -> Iterator[str]:
        """Yield the keys of an object; the caller moves behind each value."""
        self._position += 1
        if self._next() == b"}":
            self._position += 1
            return
        while True:
            if self._next() != b'"':
                raise self._malformed("a key must stand")
            key = self._string()
            try:
                name = str(msgspec.json.decode(key))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise self._error(f"a key can't be read: {error}.", "Stage JSON.") from error
            if self._next() != b":":
                raise self._malformed("a colon must stand")
            self._position += 1
            self._next()
            yield name
            if not self._goes_on(b"}"):
                return

    def _elements(self) -> Iterator[tuple[bytes, int]]:
        """Yield the objects of an array, or one object; null has none."""
        first, line = self._next(), self._line
        if first == b"{":
            yield self._value(keep=True), line
        elif first == b"[":
            self._position += 1
            if self._next() == b"]":
                self._position += 1
                return
            while True:
                line = self._line
                if self._next() != b"{":
                    raise self._malformed("an object must stand", "Stage an array of objects.")
                line = self._line
                yield self._value(keep=True), line
                if not self._goes_on(b"]"):
                    return
        else:
            scalar = b"" if first == b'"' else self._scalar()
            if scalar != b"null" or not self._path:
                text = short((scalar or first).decode(errors="replace"))
                where = f"`{'.'.join(self._path)}`" if self._path else "a document"
                raise self._missing(f"{where} is neither an array of objects nor an object, but {text}")

    def _goes_on(self, closing: bytes) -> bool:
        """Move behind a comma, or behind the end of an array or object; return whether it goes on."""
        found = self._next()
        if found not in (b",", closing):
            raise self._malformed(f"a comma or {closing.decode()} must stand")
        self._position += 1
        return found == b","

    def _next(self) -> bytes:
        """Move to the next character that is no blank, and return it; nothing at the end of the file."""
        while True:
            match = _BLANKS.match(self._data, self._position)
            assert match is not None, "the pattern matches nothing too"
            self._line += match[0].count(b"\n")
            self._position = match.end()
            if self._position < len(self._data):
                return self._data[self._position : self._position + 1]
            if not self._read_more(self._position):
                return b""

    def _read_more(self, keep: int) -> bool:
        """Read on, and keep what stands from a position on; return whether there was more."""
        if len(self._data) - keep > text_lines.max_record_bytes(self._file):
            raise text_lines.too_long(self._line, self._file)
        # At least as much again, so that a long record is looked at from its beginning only a few times.
        read = self._stream.read(max(text_lines.BLOCK_BYTES, len(self._data) - keep))
        self._data = self._data[keep:] + read
        self._position -= keep
        return bool(read)

    def _string(self) -> bytes:
        while True:
            match = _STRING.match(self._data, self._position)
            if match:
                self._position = match.end()
                self._line += match[0].count(b"\n")
                return match[0]
            if not self._read_more(self._position):
                raise self._cut_off()

    def _scalar(self) -> bytes:
        while True:
            match = _SCALAR.match(self._data, self._position)
            assert match is not None, "the pattern matches nothing too"
            if match.end() < len(self._data) or not self._read_more(self._position):
                match = _SCALAR.match(self._data, self._position)
                assert match is not None, "the pattern matches nothing too"
                self._position = match.end()
                return match[0]

    def _value(self, *, keep: bool) -> bytes:
        """Move behind the value that begins here; return its text, or nothing if it is not kept."""
        first = self._next()
        if first == b'"':
            return self._string()
        if first not in (b"{", b"["):
            if not (scalar := self._scalar()):
                raise self._malformed("a value must stand") if first else self._cut_off()
            return scalar
        depth, begin, line = 0, self._position, self._line
        while True:
            token = _TOKEN.search(self._data, self._position)
            if token is None or token["closing"] == b"":
                resume = token.start() if token else len(self._data)
                if not keep:
                    self._line += self._data.count(b"\n", begin, resume)
                    begin = resume
                self._position = resume
                if not self._read_more(begin):
                    self._line = line
                    raise self._cut_off()
                begin = 0
                continue
            self._position = token.end()
            if token[0] in (b"{", b"["):
                depth += 1
            elif token[0] in (b"}", b"]"):
                depth -= 1
                if not depth:
                    text = self._data[begin : self._position]
                    self._line += text.count(b"\n")
                    return text if keep else b""

    def _missing(self, problem: str) -> RecordError:
        path = ".".join(self._path) or ROOT
        return self._error(
            f"{problem}: {option('records_at', path)} finds no records.", "Give the path of the records."
        )

    def _malformed(self, expected: str, remedy: str = "Stage JSON, whole.") -> RecordError:
        text = self._data[self._position : self._position + 40].decode(errors="replace")
        return self._cut_off() if not text else self._error(f"{expected}, not {short(text)}.", remedy)

    def _cut_off(self) -> RecordError:
        return self._error("the file is cut off: a value has no end.", "Stage it again, whole.")

    def _error(self, problem: str, remedy: str) -> RecordError:
        return self._file.error(self._line, problem, remedy)
