"""Reads staged CSV and TSV after RFC 4180; text stays text, an unquoted empty field is null, a quoted one is not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import IO

from airflow_provider_s3dest.errors import Place, RecordError, short
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import ColumnChunk, Origins, PassthroughChunk, TextColumns
from airflow_provider_s3dest.sources.passthrough import csv_records
from airflow_provider_s3dest.sources.text_lines import Block, LineTexts, blocks, check_text
from airflow_provider_s3dest.spec.path_template import is_unicode

MAX_RECORD_BYTES = 2**30
"""A record beyond this is taken for a quote that never closes, before it fills the memory."""

_Row = Sequence[str | None]
"""The fields of a record; none at all is a blank line, which is a null in a file of one column."""

_EMPTY = "\x01"
"""Stands for a quoted field of nothing while csv.reader reads, which tells it from no unquoted one."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The records of a block: their fields, and the line on which each begins.

    :param empty_is_null: whether nulls are empty among the fields, instead of None.
    :param empty_is_marked: whether texts of nothing are then ``_EMPTY``.
    :param texts: the records as they stand in the file; None if nobody wants to know.
    """

    rows: Sequence[_Row]
    lines: Sequence[int]
    empty_is_null: bool = False
    empty_is_marked: bool = False
    texts: Sequence[str | bytes] | None = None

    def at(self, positions: Sequence[int]) -> _Parsed:
        """Give some of the records."""
        rows, lines = [self.rows[position] for position in positions], [self.lines[position] for position in positions]
        texts = None if self.texts is None else [self.texts[position] for position in positions]
        return replace(self, rows=rows, lines=lines, texts=texts)

    def values(self, fields: Sequence[str | None]) -> Sequence[str | None]:
        """Give fields with None for nulls, and only for them."""
        if not self.empty_is_null or (all(fields) and not self.empty_is_marked):
            return fields
        values = [field or None for field in fields]
        return ["" if value == _EMPTY else value for value in values] if self.empty_is_marked else values


class CsvFile:
    """One CSV file: its header, then its records in chunks.

    :param stream: the content of the file.
    :param delimiter: one character.
    :param table: name of the table, for errors.
    :param path: path of the file, for errors.
    :param bad: takes the records that are wrong by themselves; None: the first of them is an error.
    """

    def __init__(self, stream: IO[bytes], delimiter: str, table: str, path: str, bad: BadRecords | None = None) -> None:
        self.delimiter, self._table, self._path, self._bad = delimiter, table, path, bad
        self._blocks = blocks(stream, table, path, checked=bad is None)
        self._header: tuple[str, ...] | None = None
        # A quoted field of nothing, or two quotes that look like one inside of another field.
        edge = re.escape(delimiter)
        self._two_quotes = re.compile(f'""(?<![^\n{edge}]"")(?![^\r\n{edge}])')
        self._ready: Iterator[_Parsed] = iter(())

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns; none if the file holds nothing.

        :raises RecordError: if a name stands twice.
        """
        if self._header is None:
            self._header = self._read_header()
        return self._header

    def chunks(self, passing: tuple[str, ...] | None = None) -> Iterator[ColumnChunk | PassthroughChunk]:
        """Read header and records.

        :param passing: the columns of a target that wants CSV with this file's delimiter; what it would write no
            other way is then let through.
        :raises RecordError: at a record with too many or too few fields, or with quotes out of place.
        """
        header = self.header()
        parts = self._passed(len(header)) if header and passing == header else self._parse()
        without_blank_lines = _with_nulls_for_blank_lines if len(header) == 1 else _without_blank_lines
        positions = {name: position for position, name in enumerate(header)}
        for part in chain(self._ready, parts):
            if isinstance(part, PassthroughChunk):
                yield part
                continue
            parsed = without_blank_lines(part)
            if set(map(len, parsed.rows)) != {len(header)}:
                parsed = self._without_ragged(parsed, len(header))
            if parsed.rows:
                yield self._columns(positions, parsed)

    def _columns(self, positions: dict[str, int], parsed: _Parsed) -> ColumnChunk:
        fields = parsed.values(list(chain.from_iterable(parsed.rows)))
        origins = Origins(file=self._path, lines=parsed.lines, originals=parsed.texts)
        return ColumnChunk(TextColumns(positions, fields), origins, len(parsed.rows))

    def _read_header(self) -> tuple[str, ...]:
        for block in self._blocks:
            end = block.data.find(b"\n") + 1 or len(block.data)
            line = block.data[:end].decode(errors="surrogateescape")
            if line.strip("\r\n") and '"' not in line and "\r" not in line.rstrip("\r\n"):
                self._blocks = chain([block.after(end)], self._blocks)
                return self._names(line.rstrip("\r\n").split(self.delimiter), block.first_line)
            parts = self._parse_block(block)
            for parsed in parts:
                first = next((position for position, row in enumerate(parsed.rows) if row), None)
                if first is not None:
                    rest = parsed.at(range(first + 1, len(parsed.rows)))
                    self._ready = chain([rest], parts)
                    names = [name or "" for name in parsed.values(parsed.rows[first])]
                    return self._names(names, parsed.lines[first])
        return ()

    def _names(self, names: list[str], line: int) -> tuple[str, ...]:
        seen: set[str] = set()
        check_text("".join(names).encode(errors="surrogateescape"), line, self._table, self._path)
        for name in names:
            if name in seen:
                problem = f"the header names the column {name!r} twice."
                raise self._error(line, problem, "Give each column a name of its own.")
            seen.add(name)
        return tuple(names)

    def _parse(self) -> Iterator[_Parsed]:
        for block in self._blocks:
            yield from self._parse_block(block)

    def _passed(self, width: int) -> Iterator[_Parsed | PassthroughChunk]:
        """Let through what may pass, and parse the rest."""
        open_record: Block | None = None
        for read in self._blocks:
            block = self._more(open_record, read) if open_record else read
            open_record = None
            checked = self._bad is None or block.is_text
            found = csv_records(block.data, self.delimiter.encode(), width) if checked else None
            if found is None:
                yield from self._parse_block(block)
                continue
            passed, rest = found
            if len(passed):
                if block is read and not rest and not passed.spans_lines:
                    read.lines = len(passed)
                yield passed
            if rest:
                open_record = block.after(len(block.data) - len(rest))
                if len(rest) > MAX_RECORD_BYTES:
                    raise self._never_closed(open_record.first_line)
        if open_record:
            yield from self._parse_block(open_record)

    def _more(self, open_record: Block, following: Block) -> Block:
        """Add to an open record at least as much again, so that a long field is not looked at over and over."""
        pieces, size = [open_record.data, following.data], len(following.data)
        while size < len(open_record.data) and (block := next(self._blocks, None)):
            pieces.append(block.data)
            size += len(block.data)
        return Block(b"".join(pieces), open_record.first_line)

    def _parse_block(self, block: Block) -> Iterator[_Parsed]:
        if '"' in block.text:
            yield from self._parse_quoted(block)
        else:
            yield self._parse_plain(block)

    def _parse_plain(self, block: Block) -> _Parsed:
        lines = block.text.split("\n")
        if not lines[-1]:
            lines.pop()
        numbers: Sequence[int] = range(block.first_line, block.first_line + len(lines))
        has_returns = "\r" in block.text
        if has_returns:
            lines = [line.removesuffix("\r") for line in lines]
        if has_returns or (self._bad is not None and not block.is_text):
            lines, numbers = self._sound(lines, numbers)
        rows: list[_Row] = [line.split(self.delimiter) for line in lines]
        if "" in lines:
            rows = [row if line else () for row, line in zip(rows, lines, strict=True)]
        return _Parsed(rows, numbers, empty_is_null=True, texts=None if self._bad is None else lines)

    def _sound(self, lines: Sequence[str], numbers: Sequence[int]) -> tuple[list[str], list[int]]:
        """Leave the lines out that hold a carriage return, or what is not UTF-8."""
        sound: list[tuple[int, str]] = []
        for number, line in zip(numbers, lines, strict=True):
            try:
                if "\r" in line:
                    raise self._stray(number, line)
                self._check(line, number)
            except RecordError as error:
                self._refuse(error, line, self._header is not None or any(text for _, text in sound))
            else:
                sound.append((number, line))
        return [line for _, line in sound], [number for number, _ in sound]

    def _check(self, text: str, line: int) -> None:
        check_text(text.encode(errors="surrogateescape"), line, self._table, self._path)

    def _refuse(self, error: RecordError, text: str | bytes, before: bool = True) -> None:
        """Set a record aside, or let its error end the load.

        :param before: whether a record stands before it in the file; else it would be the header.
        """
        if self._bad is None or not before:
            raise error
        self._bad.add(error, text)

    def _parse_quoted(self, block: Block) -> Iterator[_Parsed]:
        """Parse a block that holds quotes, drawing further blocks while its last record is open."""
        text, line = block.text, block.first_line
        sifts, checks = self._bad is not None, self._bad is not None and not block.is_text
        while True:
            parsed, done = self._read_at_once(text, line)
            yield parsed
            line += text.count("\n", 0, done)
            rows: list[_Row] = []
            numbers: list[int] = []
            texts: list[str] = []
            while done < len(text):
                try:
                    row, end = self._record(text, done, line)
                    if checks and row is not None:
                        self._check(text[done:end], line)
                except RecordError as error:
                    end = _end_of_malformed(text, done, self.delimiter) if sifts else 0
                    if end < 0:
                        break
                    before = self._header is not None or any(rows) or any(parsed.rows)
                    self._refuse(error, text[done:end].rstrip("\r\n"), before)
                else:
                    if row is None:
                        break
                    rows.append(row)
                    numbers.append(line)
                    if sifts:
                        texts.append(text[done:end].rstrip("\r\n"))
                line += text.count("\n", done, end)
                done = end
            yield _Parsed(rows, numbers, texts=texts if sifts else None)
            if done >= len(text):
                return
            text = self._with_more(text[done:], line)
            checks = sifts and not is_unicode(text)

    def _read_at_once(self, text: str, line: int) -> tuple[_Parsed, int]:
        """Let csv.reader read records up to one that is open or that it refuses, and tell where that begins."""
        if _EMPTY in text or "\r\r" in text:  # csv.reader takes any number of these for one line end
            return _Parsed((), ()), 0
        if self._bad is not None and not is_unicode(text):  # each record is looked at
            return _Parsed((), ()), 0
        marked, empties = self._two_quotes.subn(f'"{_EMPTY}"', text) if '""' in text else (text, 0)
        rows: list[list[str]] = []
        reader = csv.reader(io.StringIO(marked, newline="\n"), delimiter=self.delimiter, strict=True)
        whole = True
        try:
            rows.extend(reader)
        except csv.Error:
            whole = False
        lines: Sequence[int] = range(line, line + len(rows) + 1)
        if not whole or reader.line_num != len(rows):
            lines = list(accumulate((1 + "".join(row).count("\n") for row in rows), initial=line))
        done = len(text) if whole else _after_lines(text, lines[-1] - line)
        texts = None if self._bad is None else LineTexts(text[:done].encode(), line, lines[:-1])
        return _Parsed(rows, lines[:-1], empty_is_null=True, empty_is_marked=empties > 0, texts=texts), done

    def _with_more(self, text: str, line: int) -> str:
        """Add to an open record at least as much again, so that a long field is not read over and over."""
        pieces, size = [text], 0
        for block in self._blocks:
            pieces.append(block.text)
            size += len(block.text)
            if size >= len(text):
                break
        if not size or size + len(text) > MAX_RECORD_BYTES:
            raise self._never_closed(line)
        return "".join(pieces)

    def _record(self, text: str, start: int, line: int) -> tuple[list[str | None] | None, int]:
        """Parse one record: its fields (none for a blank line) and where it ends; None while it is open."""
        delimiter = self.delimiter
        fields: list[str | None] = []
        position, end = start, _line_end(text, start)
        if text[position:end] in ("", "\r"):
            return fields, end + 1
        while True:
            if text.startswith('"', position):
                closing = _closing_quote(text, position)
                if closing < 0:
                    return None, start
                fields.append(text[position + 1 : closing].replace('""', '"'))
                position = closing + 1
                end = _line_end(text, position) if position > end else end
            else:
                quoted_next = text.find(delimiter + '"', position, end)
                stop = quoted_next if quoted_next >= 0 else end
                run = text[position:stop].removesuffix("\r") if stop == end else text[position:stop]
                if "\r" in run:
                    raise self._stray(line + text.count("\n", start, position), run)
                fields.extend([value or None for value in run.split(delimiter)])
                position = stop
            if position == end or text[position:end] == "\r":
                return fields, end + 1
            if not text.startswith(delimiter, position):
                problem = f"text stands after the closing quote of a field: {short(text[position:end])}."
                line += text.count("\n", start, position)
                raise self._error(line, problem, "Double the quotes inside fields.")
            position += 1

    def _never_closed(self, line: int) -> RecordError:
        return self._error(line, "a quoted field never closes.", "Close it, and double the quotes inside fields.")

    def _stray(self, line: int, content: str) -> RecordError:
        remedy = "End lines with \\n or \\r\\n, and quote fields that hold a carriage return."
        return self._error(line, f"a carriage return stands alone in {short(content)}.", remedy)

    def _without_ragged(self, parsed: _Parsed, width: int) -> _Parsed:
        """Leave the records out that have too many or too few fields."""
        even = []
        for position, (row, line) in enumerate(zip(parsed.rows, parsed.lines, strict=True)):
            if len(row) == width:
                even.append(position)
                continue
            problem = f"the header has {width} fields, the record {len(row)}."
            error = self._error(line, problem, "Complete the record, or quote fields that hold the delimiter.")
            self._refuse(error, "" if parsed.texts is None else parsed.texts[position])
        return parsed.at(even)

    def _error(self, line: int, problem: str, remedy: str) -> RecordError:
        return RecordError(problem, remedy, table=self._table, place=Place(file=self._path, line=line))


def _without_blank_lines(parsed: _Parsed) -> _Parsed:
    if all(parsed.rows):
        return parsed
    return parsed.at([position for position, row in enumerate(parsed.rows) if row])


def _with_nulls_for_blank_lines(parsed: _Parsed) -> _Parsed:
    return parsed if all(parsed.rows) else replace(parsed, rows=[row or (None,) for row in parsed.rows])


def _after_lines(text: str, lines: int) -> int:
    """Find where a text goes on after so many line ends."""
    return sum(map(len, text.split("\n", lines)[:lines])) + lines


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return end if end >= 0 else len(text)


def _end_of_malformed(text: str, start: int, delimiter: str) -> int:
    """Find where a record ends whose quotes are out of place: at a line end in no quotes; -1 while it is open."""
    position = start
    while True:
        if text.startswith('"', position):
            closing = _closing_quote(text, position)
            if closing < 0:
                return -1
            position = closing + 1
        end = _line_end(text, position)
        quoted_next = text.find(delimiter + '"', position, end)
        if quoted_next < 0:
            return end + 1
        position = quoted_next + 1


def _closing_quote(text: str, opening: int) -> int:
    """Find the quote that closes a field, past the doubled ones; -1 if it is not there."""
    position = text.find('"', opening + 1)
    while position >= 0 and text.startswith('"', position + 1):
        position = text.find('"', position + 2)
    return position
