"""Parses blocks of CSV into records, by the quickest way that each block allows.

There are three ways, from quick to slow. A fourth one, quicker than all, is to pass text through without parsing
(``passthrough.csv_records``).

1. A block without quotes: lines and fields are split at line ends and delimiters.
2. A block with quotes: ``csv.reader``, made strict, with a sentinel in place of empty quoted fields.
3. A record that ``csv.reader`` refuses or that is still open at the end of the block, and each record of a block that
   holds an escape character: the parser of ``csv_grammar``, record by record. It finds the place and the reason of
   every fault, and this module joins records that span blocks.

All ways yield the same fields: an unquoted empty field is null, a quoted one is an empty text. A dialect may have other
texts for null.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.sources.csv_grammar import CsvDialect, QuotedText, grammar_of, stray_return
from airflow_provider_s3dest.sources.source_file import SourceFile, option
from airflow_provider_s3dest.sources.text_lines import Block, Blocks, LineTexts, check_text, max_record_bytes
from airflow_provider_s3dest.spec.path_template import is_unicode

_Row = Sequence[str | None]
"""The fields of a record; none at all is a blank line, which is a null in a file of one column."""

_EMPTY = "\x01"
"""Stands for an empty quoted field in the text for csv.reader, which reads both kinds of empty field as one value.
(From Python 3.13 on, ``QUOTE_NOTNULL`` makes the difference.) In a dialect with other texts for null, it stands before
a quoted field that is such a text."""


@dataclass(frozen=True, slots=True)
class ParsedRecords:
    """Some records: their fields, and the line on which each begins.

    :param empty_is_null: whether an empty field is a null; else None is.
    :param empty_is_marked: whether ``_EMPTY`` then stands for an empty text, or before one of ``nulls``.
    :param nulls: the fields that are null, in a dialect in which other texts than the empty one are.
    :param texts: the records as they stand in the file; None unless bad records are quarantined.
    """

    rows: Sequence[_Row]
    lines: Sequence[int]
    empty_is_null: bool = False
    empty_is_marked: bool = False
    texts: Sequence[str | bytes] | None = None
    nulls: frozenset[str] = frozenset()

    def at(self, positions: Sequence[int]) -> ParsedRecords:
        """Return some of the records."""
        rows, lines = [self.rows[position] for position in positions], [self.lines[position] for position in positions]
        texts = None if self.texts is None else [self.texts[position] for position in positions]
        return replace(self, rows=rows, lines=lines, texts=texts)

    def values(self, fields: Sequence[str | None]) -> Sequence[str | None]:
        """Return fields of these records with None for nulls, and only for nulls."""
        if self.nulls:
            values = [None if field in self.nulls and type(field) is not QuotedText else field for field in fields]
            mark = _EMPTY if self.empty_is_marked else ""
            return [value and str(value).removeprefix(mark) for value in values]
        if not self.empty_is_null or (all(fields) and not self.empty_is_marked):
            return fields
        values = [field or None for field in fields]
        return ["" if value == _EMPTY else value for value in values] if self.empty_is_marked else values

    def names(self, fields: Sequence[str | None]) -> list[str]:
        """Return fields of these records as names of columns, of which none is null."""
        return [str(field or "").removeprefix(_EMPTY if self.empty_is_marked else "") for field in fields]


class CsvParser:
    """Parses the blocks of one file.

    :param blocks: the blocks behind the one that is being parsed; they are drawn while a record is still open.
    """

    def __init__(self, file: SourceFile, dialect: CsvDialect, blocks: Blocks) -> None:
        self._file, self._dialect, self._blocks = file, dialect, blocks
        self._grammar = grammar_of(dialect, file)
        self.is_header_read = False
        # An empty quoted field: two quotes between delimiters or line ends. A doubled quote inside of a field may look
        # the same; with _EMPTY in it csv.reader refuses the record, which is then parsed the slow way.
        edge, quote = re.escape(dialect.delimiter), re.escape(dialect.quote)
        texts = "|".join(map(re.escape, sorted(dialect.nulls)))
        self._quoted_nulls = [f"{dialect.quote}{text}{dialect.quote}" for text in dialect.nulls if dialect.quote]
        self._quoted_null = re.compile(
            f"{quote}{quote}(?<![^\n{edge}]{quote}{quote})(?![^\r\n{edge}])"
            if dialect.empty_alone_is_null
            else f"(?<![^\n{edge}]){quote}({texts}){quote}(?![^\r\n{edge}])"
        )
        in_template = dialect.quote.replace("\\", r"\\")
        self._marked = in_template + _EMPTY + ("" if dialect.empty_alone_is_null else r"\1") + in_template

    def parse(self, block: Block) -> Iterator[ParsedRecords]:
        """Parse the records of a block, the last one to its end, even if it lies in a later block.

        :raises RecordError: at a record with quotes or carriage returns out of place, unless it is quarantined.
        """
        if any(character in block.text for character in self._dialect.not_plain):
            yield from self._parse_quoted(block)
        else:
            yield self._parse_plain(block)

    def check_open_record(self, record: str | bytes, line: int) -> None:
        """Check that a record whose last field is open may become longer.

        :param record: its text so far.
        :param line: the line on which it begins.
        :raises RecordError: if it is so long that its quote must be missing; names the line of the opening quote.
        """
        if len(record) > max_record_bytes(self._file):
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
        delimiter = self._dialect.delimiter
        rows: list[_Row] = [line.split(delimiter) for line in lines]
        if "" in lines:
            rows = [row if line else () for row, line in zip(rows, lines, strict=True)]
        return self._with_nulls(rows, numbers, False, lines if self._quarantines else None)

    def _with_nulls(
        self, rows: Sequence[_Row], lines: Sequence[int], is_marked: bool, texts: Sequence[str | bytes] | None
    ) -> ParsedRecords:
        """Return records in whose rows nulls are texts."""
        is_default = self._dialect.empty_alone_is_null
        return ParsedRecords(
            rows, lines, is_default, is_marked, texts, frozenset() if is_default else self._dialect.nulls
        )

    def _good_lines(self, lines: Sequence[str], numbers: Sequence[int]) -> tuple[list[str], list[int]]:
        """Refuse the lines that hold a carriage return or are not UTF-8, and return the others."""
        good: list[tuple[int, str]] = []
        for number, line in zip(numbers, lines, strict=True):
            try:
                if "\r" in line:
                    raise stray_return(self._file, number, line)
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
                    row, end = self._grammar.record(text, done, line)
                    if must_check and row is not None:
                        self._check_text(text[done:end], line)
                except RecordError as error:
                    end = self._grammar.end_of_malformed(text, done) if self._quarantines else 0
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
            of_slow = self._dialect.nulls - {""}
            yield ParsedRecords(rows, numbers, texts=texts if self._quarantines else None, nulls=of_slow)
            if done >= len(text):
                return
            text = self._with_more(text[done:], line)
            must_check = self._quarantines and not is_unicode(text)

    def _read_at_once(self, text: str, line: int) -> tuple[ParsedRecords, int]:
        """Read records by csv.reader, up to one that is open or refused; also return where that one begins."""
        # csv.reader takes any number of carriage returns before a line feed for one line end.
        if _EMPTY in text or "\r\r" in text or (self._dialect.escape and self._dialect.escape in text):
            return ParsedRecords((), ()), 0
        # Each record has to be checked by itself.
        if self._quarantines and not is_unicode(text):
            return ParsedRecords((), ()), 0
        may_be_marked = any(quoted in text for quoted in self._quoted_nulls)
        marked, marks = self._quoted_null.subn(self._marked, text) if may_be_marked else (text, 0)
        rows: list[list[str]] = []
        reader = csv.reader(
            io.StringIO(marked, newline="\n"),
            delimiter=self._dialect.delimiter,
            quotechar=self._dialect.quote,
            strict=True,
        )
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
        return self._with_nulls(rows, lines[:-1], marks > 0, texts), done

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
            if self._grammar.end_of_malformed(text, 0) >= 0:
                return text

    def _never_closed(self, record: str, line: int) -> RecordError:
        opening = max(0, -self._grammar.end_of_malformed(record, 0) - 1)
        problem, limit = "a quoted field never closes.", max_record_bytes(self._file)
        if not record.startswith(self._dialect.quote or "\n", opening):
            problem = "the record ends with an escaped line end, behind which nothing stands."
        elif len(record) > limit:
            problem = f"a quoted field does not close within {limit:,} bytes."
        remedy = f"Close it, and double the quotes inside fields. {option('quote', '')} takes quotes as text."
        return self._file.error(line + record.count("\n", 0, opening), problem, remedy)


def _after_lines(text: str, lines: int) -> int:
    """Return the position behind so many line ends."""
    return sum(map(len, text.split("\n", lines)[:lines])) + lines
