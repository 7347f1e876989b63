"""Parses blocks of CSV after RFC 4180 into records, by the quickest way that each block allows.

There are three ways, from quick to slow. A fourth one, quicker than all, is to pass text through without parsing
(``passthrough.csv_records``).

1. A block without quotes: lines and fields are split at line ends and delimiters.
2. A block with quotes: ``csv.reader``, made strict, with a sentinel in place of empty quoted fields.
3. A record that ``csv.reader`` refuses or that is still open at the end of the block: this module's own parser, record
   by record. It finds the place and the reason of every fault, and joins records that span blocks.

All ways yield the same fields: an unquoted empty field is null, a quoted one is an empty text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.source_file import SourceFile
from airflow_provider_s3dest.sources.text_lines import Block, Blocks, LineTexts, check_text
from airflow_provider_s3dest.spec.path_template import is_unicode

_Row = Sequence[str | None]
"""The fields of a record; none at all is a blank line, which is a null in a file of one column."""

_EMPTY = "\x01"
"""Stands for an empty quoted field in the text for csv.reader, which reads both kinds of empty field as one value.
(From Python 3.13 on, ``QUOTE_NOTNULL`` makes the difference.)"""


@dataclass(frozen=True, slots=True)
class ParsedRecords:
    """Some records: their fields, and the line on which each begins.

    :param empty_is_null: whether an empty field is a null; else None is.
    :param empty_is_marked: whether ``_EMPTY`` then stands for an empty text.
    :param texts: the records as they stand in the file; None unless bad records are quarantined.
    """

    rows: Sequence[_Row]
    lines: Sequence[int]
    empty_is_null: bool = False
    empty_is_marked: bool = False
    texts: Sequence[str | bytes] | None = None

    def at(self, positions: Sequence[int]) -> ParsedRecords:
        """Return some of the records."""
        rows, lines = [self.rows[position] for position in positions], [self.lines[position] for position in positions]
        texts = None if self.texts is None else [self.texts[position] for position in positions]
        return replace(self, rows=rows, lines=lines, texts=texts)

    def values(self, fields: Sequence[str | None]) -> Sequence[str | None]:
        """Return fields of these records with None for nulls, and only for nulls."""
        if not self.empty_is_null or (all(fields) and not self.empty_is_marked):
            return fields
        values = [field or None for field in fields]
        return ["" if value == _EMPTY else value for value in values] if self.empty_is_marked else values


class CsvParser:
    """Parses the blocks of one file.

    :param blocks: the blocks behind the one that is being parsed; they are drawn while a record is still open.
    :param delimiter: one character.
    """

    def __init__(self, file: SourceFile, delimiter: str, blocks: Blocks) -> None:
        self._file, self._delimiter, self._blocks = file, delimiter, blocks
        self.is_header_read = False
        # An empty quoted field: two quotes between delimiters or line ends. A doubled quote inside of a field may look
        # the same; with _EMPTY in it csv.reader refuses the record, which is then parsed the slow way.
        edge = re.escape(delimiter)
        self._two_quotes = re.compile(f'""(?<![^\n{edge}]"")(?![^\r\n{edge}])')

    def parse(self, block: Block) -> Iterator[ParsedRecords]:
        """Parse the records of a block, the last one to its end, even if it lies in a later block.

        :raises RecordError: at a record with quotes or carriage returns out of place, unless it is quarantined.
        """
        if '"' in block.text:
            yield from self._parse_quoted(block)
        else:
            yield self._parse_plain(block)

    def check_open_record(self, record: str | bytes, line: int) -> None:
        """Check that a record whose last field is open may become longer.

        :param record: its text so far.
        :param line: the line on which it begins.
        :raises RecordError: if it is so long that its quote must be missing; names the line of the opening quote.
        """
        if len(record) > text_lines.MAX_RECORD_BYTES:
            raise self._never_closed(record if isinstance(record, str) else record.decode(errors="replace"), line)

    @property
    def _quarantines(self) -> bool:
        return self._file.bad is not None

    def _parse_plain(self, block: Block) -> ParsedRecords:
        lines = block.text.split("\n")
        if not lines[-1]:
            lines.pop()
        numbers: Sequence[int] = range(block.first_line, block.first_line + len(lines))
        has_returns = "\r" in block.text
        if has_returns:
            lines = [line.removesuffix("\r") for line in lines]
        if has_returns or (self._quarantines and not block.is_text):
            lines, numbers = self._good_lines(lines, numbers)
        rows: list[_Row] = [line.split(self._delimiter) for line in lines]
        if "" in lines:
            rows = [row if line else () for row, line in zip(rows, lines, strict=True)]
        return ParsedRecords(rows, numbers, empty_is_null=True, texts=lines if self._quarantines else None)

    def _good_lines(self, lines: Sequence[str], numbers: Sequence[int]) -> tuple[list[str], list[int]]:
        """Refuse the lines that hold a carriage return or are not UTF-8, and return the others."""
        good: list[tuple[int, str]] = []
        for number, line in zip(numbers, lines, strict=True):
            try:
                if "\r" in line:
                    raise self._stray_return(number, line)
                self._check_text(line, number)
            except RecordError as error:
                self._refuse(error, line, is_first=not any(text for _, text in good))
            else:
                good.append((number, line))
        return [line for _, line in good], [number for number, _ in good]

    def _check_text(self, text: str, line: int) -> None:
        check_text(text.encode(errors="surrogateescape"), line, self._file)

    def _refuse(self, error: RecordError, original: str, *, is_first: bool) -> None:
        """Quarantine a record, or end the load with its error.

        :param is_first: whether no record stands before it in what was parsed since the header.
        """
        # Without the header nothing else can be read.
        if is_first and not self.is_header_read:
            raise error
        self._file.refuse(error, original)

    def _parse_quoted(self, block: Block) -> Iterator[ParsedRecords]:
        """Parse a block that holds quotes, and draw further blocks while its last record is open."""
        text, line = block.text, block.first_line
        must_check = self._quarantines and not block.is_text
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
                    if must_check and row is not None:
                        self._check_text(text[done:end], line)
                except RecordError as error:
                    end = _end_of_malformed(text, done, self._delimiter) if self._quarantines else 0
                    if end < 0:
                        break
                    self._refuse(error, text[done:end].rstrip("\r\n"), is_first=not (any(rows) or any(parsed.rows)))
                else:
                    if row is None:
                        break
                    rows.append(row)
                    numbers.append(line)
                    if self._quarantines:
                        texts.append(text[done:end].rstrip("\r\n"))
                line += text.count("\n", done, end)
                done = end
            yield ParsedRecords(rows, numbers, texts=texts if self._quarantines else None)
            if done >= len(text):
                return
            text = self._with_more(text[done:], line)
            must_check = self._quarantines and not is_unicode(text)

    def _read_at_once(self, text: str, line: int) -> tuple[ParsedRecords, int]:
        """Read records by csv.reader, up to one that is open or refused; also return where that one begins."""
        # csv.reader takes any number of carriage returns before a line feed for one line end.
        if _EMPTY in text or "\r\r" in text:
            return ParsedRecords((), ()), 0
        # Each record has to be checked by itself.
        if self._quarantines and not is_unicode(text):
            return ParsedRecords((), ()), 0
        marked, empties = self._two_quotes.subn(f'"{_EMPTY}"', text) if '""' in text else (text, 0)
        rows: list[list[str]] = []
        reader = csv.reader(io.StringIO(marked, newline="\n"), delimiter=self._delimiter, strict=True)
        is_whole = True
        try:
            rows.extend(reader)
        except csv.Error:
            is_whole = False
        # As a rule a record is one line. If not, or if that is unknown, count the line ends inside of fields.
        lines: Sequence[int] = range(line, line + len(rows) + 1)
        if not is_whole or reader.line_num != len(rows):
            lines = list(accumulate((1 + "".join(row).count("\n") for row in rows), initial=line))
        done = len(text) if is_whole else _after_lines(text, lines[-1] - line)
        texts = LineTexts(text[:done].encode(), line, lines[:-1]) if self._quarantines else None
        parsed = ParsedRecords(rows, lines[:-1], empty_is_null=True, empty_is_marked=empties > 0, texts=texts)
        return parsed, done

    def _with_more(self, text: str, line: int) -> str:
        """Add to an open record as much text again, until the record ends.

        So a long record is looked at from its beginning only a few times: the text doubles each time.
        """
        while True:
            self.check_open_record(text, line)
            pieces, size = [text], 0
            for block in self._blocks:
                pieces.append(block.text)
                size += len(block.text)
                if size >= len(text):
                    break
            if not size:
                raise self._never_closed(text, line)
            text = "".join(pieces)
            if _end_of_malformed(text, 0, self._delimiter) >= 0:
                return text

    def _record(self, text: str, start: int, line: int) -> tuple[list[str | None] | None, int]:
        """Parse one record.

        :return: its fields (none for a blank line) and where it ends; None and its start while it is open.
        """
        delimiter = self._delimiter
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
                # All fields up to the next quoted one, or to the end of the line, at once.
                next_quoted = text.find(delimiter + '"', position, end)
                stop = next_quoted if next_quoted >= 0 else end
                run = text[position:stop].removesuffix("\r") if stop == end else text[position:stop]
                if "\r" in run:
                    raise self._stray_return(line + text.count("\n", start, position), run)
                fields.extend([value or None for value in run.split(delimiter)])
                position = stop
            if position == end or text[position:end] == "\r":
                return fields, end + 1
            if not text.startswith(delimiter, position):
                problem = f"text stands after the closing quote of a field: {short(text[position:end])}."
                line += text.count("\n", start, position)
                raise self._file.error(
                    line, problem, f"Double quotes inside fields, and put {delimiter!r} between fields."
                )
            position += 1

    def _never_closed(self, record: str, line: int) -> RecordError:
        opening = -_end_of_malformed(record, 0, self._delimiter) - 1
        problem = "a quoted field never closes."
        if len(record) > text_lines.MAX_RECORD_BYTES:
            problem = f"a quoted field does not close within {text_lines.MAX_RECORD_BYTES:,} bytes."
        remedy = "Close it, and double the quotes inside fields."
        return self._file.error(line + record.count("\n", 0, max(0, opening)), problem, remedy)

    def _stray_return(self, line: int, content: str) -> RecordError:
        remedy = "End lines with \\n or \\r\\n, and quote fields that hold a carriage return."
        return self._file.error(line, f"a carriage return stands alone in {short(content)}.", remedy)


def _after_lines(text: str, lines: int) -> int:
    """Return the position behind so many line ends."""
    return sum(map(len, text.split("\n", lines)[:lines])) + lines


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return end if end >= 0 else len(text)


def _end_of_malformed(text: str, start: int, delimiter: str) -> int:
    """Return where a record with quotes out of place ends: at a line end outside of quotes.

    :return: while it is open, the position of its opening quote, as a negative number: -1 is the first character.
    """
    position = start
    while True:
        if text.startswith('"', position):
            closing = _closing_quote(text, position)
            if closing < 0:
                return -position - 1
            position = closing + 1
        end = _line_end(text, position)
        next_quoted = text.find(delimiter + '"', position, end)
        if next_quoted < 0:
            return end + 1
        position = next_quoted + 1


def _closing_quote(text: str, opening: int) -> int:
    """Return the position of the quote that closes a field, past the doubled ones; -1 if there is none."""
    position = text.find('"', opening + 1)
    while position >= 0 and text.startswith('"', position + 1):
        position = text.find('"', position + 2)
    return position
