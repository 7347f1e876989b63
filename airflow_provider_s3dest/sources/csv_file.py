"""Reads staged CSV and TSV, by default after RFC 4180; text stays text, and nulls stand without quotes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import IO

from airflow_provider_s3dest.errors import short
from airflow_provider_s3dest.records.chunks import ColumnChunk, Origins, PassthroughChunk, TextColumns
from airflow_provider_s3dest.sources.csv_columns import CsvColumns
from airflow_provider_s3dest.sources.csv_grammar import CsvDialect
from airflow_provider_s3dest.sources.csv_parser import CsvParser, ParsedRecords
from airflow_provider_s3dest.sources.passthrough import csv_records
from airflow_provider_s3dest.sources.source_file import SourceFile, option
from airflow_provider_s3dest.sources.staging_format import DEFAULT, StagingFormat
from airflow_provider_s3dest.sources.text_lines import Block, Blocks, blocks, check_text

_DELIMITERS = ";\t|,"
"""Delimiters of CSV that are in use. The file's own does not occur in a header of one column."""

_PREAMBLE = 50
"""Lines at the beginning of a file among which a record of another width may be a line before the header."""

_LOST = (
    f"It would be lost. Name the column in the header, or let it be numbered: {option('duplicate_columns', 'number')}."
)


class CsvFile:
    """One CSV file: its header, then its records in chunks.

    :param stream: the content of the file, in UTF-8.
    :param delimiter: one character, which the form may override.
    :param columns: the columns that the caller names; a header of one column that is among them is not doubted.
    :param form: the form of the file; its ``header`` is True, or the names of the columns.
    """

    def __init__(
        self,
        stream: IO[bytes],
        delimiter: str,
        file: SourceFile,
        columns: Collection[str] | None = None,
        *,
        form: StagingFormat = DEFAULT,
    ) -> None:
        self.delimiter, self._file, self._form = form.delimiter or delimiter, file, form
        self._expected = columns or ()
        escape = "" if form.escape == form.quote else form.escape
        self._dialect = CsvDialect(self.delimiter, form.quote, escape, frozenset(form.null_values))
        # If bad records are quarantined, a byte that is not UTF-8 makes its record a bad one.
        self._blocks = Blocks(blocks(stream, file, checked=file.bad is None))
        self._parser = CsvParser(file, self._dialect, self._blocks)
        self._columns: CsvColumns | None = None
        self._behind_header: Iterator[ParsedRecords] = iter(())

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns; none if the file holds nothing.

        :raises RecordError: if a name is empty or occurs twice, and the form does not say what becomes of it, or if the
            file seems to have another delimiter.
        """
        return self._known_columns().names

    def _known_columns(self) -> CsvColumns:
        if self._columns is None:
            self._skip_lines()
            names = self._form.names
            self._columns = self._read_header() if names is None else CsvColumns.named(names)
            self._parser.is_header_read = True
        return self._columns

    def chunks(self, encoded_columns: tuple[str, ...] | None = None) -> Iterator[ColumnChunk | PassthroughChunk]:
        """Read header and records.

        :param encoded_columns: the columns of an encoder that writes CSV with this file's delimiter. Text that is what
            it would write is passed through. None: nothing is passed through.
        :raises RecordError: at a record with too many or too few fields, or with quotes out of place.
        """
        columns = self._known_columns()
        width = columns.width
        passes = self._dialect.is_default and columns.are_all and encoded_columns == columns.names and bool(width)
        parts = self._passed_or_parsed(width) if passes else self._parsed()
        # In a file of one column a blank line is a record: an unquoted empty field.
        blank: Sequence[str | None] = ("" if "" not in self._dialect.nulls else None,) if width == 1 else ()
        for part in chain(self._behind_header, parts):
            if isinstance(part, PassthroughChunk):
                yield part
                continue
            parsed = _with_blank_lines_as(blank, part) if blank else _without_blank_lines(part)
            if set(map(len, parsed.rows)) != {width}:
                parsed = self._without_ragged(parsed, columns)
            fields = parsed.values(list(chain.from_iterable(parsed.rows)))
            if lost := columns.lost_values(fields):
                parsed = self._without(parsed, lost)
                fields = parsed.values(list(chain.from_iterable(parsed.rows)))
            if parsed.rows:
                origins = Origins(file=self._file.path, lines=parsed.lines, originals=parsed.texts)
                yield ColumnChunk(TextColumns(columns.positions, columns.select(fields)), origins, len(parsed.rows))

    def _skip_lines(self) -> None:
        """Skip the lines before the header.

        :raises RecordError: if the file has no more lines than these, but not if it is empty.
        """
        left = self._form.skip_lines
        while left:
            block = next(self._blocks, None)
            if block is None:
                if left == self._form.skip_lines:
                    return
                lines = self._form.skip_lines - left
                problem = f"the file has {lines} lines, and `skip_lines` of `staging_format` is {lines + left}."
                raise self._file.error(lines, problem, "Skip only the lines before the header.")
            lines = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
            if lines > left:
                end = -1
                for _ in range(left):
                    end = block.data.index(b"\n", end + 1)
                self._blocks.put_back(block.after(end + 1))
            left -= min(lines, left)

    def _read_header(self) -> CsvColumns:
        for block in self._blocks:
            end = block.data.find(b"\n") + 1 or len(block.data)
            line = block.data[:end].decode(errors="surrogateescape")
            # A first line without quotes is split here, so that the block as a whole can still pass through.
            is_plain = "\r" not in line.rstrip("\r\n") and not any(one in line for one in self._dialect.not_plain)
            if line.strip("\r\n") and is_plain:
                self._blocks.put_back(block.after(end))
                names = line.rstrip("\r\n").split(self.delimiter)
                self._check_delimiter(names, block.first_line)
                return self._names(names, block.first_line)
            parts = self._parser.parse(block)
            for parsed in parts:
                first = next((position for position, row in enumerate(parsed.rows) if row), None)
                if first is not None:
                    rest = parsed.at(range(first + 1, len(parsed.rows)))
                    self._behind_header = chain([rest], parts)
                    names = parsed.names(parsed.rows[first])
                    if not (self._dialect.quote and line.lstrip().startswith(self._dialect.quote)):
                        self._check_delimiter(names, parsed.lines[first])
                    return self._names(names, parsed.lines[first])
        return CsvColumns.named(())

    def _check_delimiter(self, names: list[str], line: int) -> None:
        """Refuse an unquoted header of one column that holds another delimiter: the file would load as one column."""
        other = next((character for character in _DELIMITERS if character in names[0]), None)
        if len(names) > 1 or other is None or names[0] in self._expected or self._form.delimiter:
            return
        name = names[0].encode(errors="replace").decode()
        raise self._file.error(
            line,
            f"the header is one column, {short(name)}, and holds {other!r}: the file seems to be delimited by "
            f"{other!r}, and is read as delimited by {self.delimiter!r}.",
            f"Name its delimiter: {option('delimiter', other)}. If it has one column, name it: columns=[{short(name)}],"
            " or stage it with quotes around the name.",
        )

    def _names(self, names: list[str], line: int) -> CsvColumns:
        check_text("".join(names).encode(errors="surrogateescape"), line, self._file)
        return CsvColumns.of_header(names, line, self._file, self._form.duplicate_columns)

    def _parsed(self) -> Iterator[ParsedRecords]:
        for block in self._blocks:
            yield from self._parser.parse(block)

    def _passed_or_parsed(self, width: int) -> Iterator[ParsedRecords | PassthroughChunk]:
        """Pass through the text that may pass, and parse all other."""
        open_record: Block | None = None
        for read in self._blocks:
            block = self._joined(open_record, read) if open_record else read
            open_record = None
            is_text = self._file.bad is None or block.is_text
            passed_and_rest = csv_records(block.data, self.delimiter.encode(), width) if is_text else None
            if passed_and_rest is None:
                yield from self._parser.parse(block)
                continue
            passed, rest = passed_and_rest
            if len(passed):
                if block is read and not rest and not passed.spans_lines:
                    read.lines = len(passed)  # spares the count of the line ends
                yield passed
            if rest:
                open_record = block.after(len(block.data) - len(rest))
                self._parser.check_open_record(rest, open_record.first_line)
        if open_record:
            yield from self._parser.parse(open_record)

    def _joined(self, open_record: Block, following: Block) -> Block:
        """Join an open record with at least as much text again.

        So a long record is looked at from its beginning only a few times: the text doubles each time.
        """
        pieces, size = [open_record.data, following.data], len(following.data)
        while size < len(open_record.data) and (block := next(self._blocks, None)):
            pieces.append(block.data)
            size += len(block.data)
        return Block(b"".join(pieces), open_record.first_line)

    def _without_ragged(self, parsed: ParsedRecords, columns: CsvColumns) -> ParsedRecords:
        """Refuse the records that have too many or too few fields, and return the others."""
        names = self._form.names
        header = "the header has" if names is None else "`header` of `staging_format` has"
        ragged = {
            position: f"{header} {columns.width} fields, the record {len(row)}."
            for position, row in enumerate(parsed.rows)
            if len(row) != columns.width
        }
        remedy = "Complete the record, or quote fields that hold the delimiter."
        if self._file.bad is None and ragged and (line := parsed.lines[min(ragged)]) <= _PREAMBLE:
            lines = "header" if names is None else "records"
            remedy += f" If lines stand before the {lines}: {option('skip_lines', line - (names is None))}."
        return self._without(parsed, ragged, remedy)

    def _without(self, parsed: ParsedRecords, wrong: Mapping[int, str], remedy: str = _LOST) -> ParsedRecords:
        """Refuse the records at some positions, and return the others.

        :param wrong: what is wrong with each of them, by its position.
        """
        for position, problem in sorted(wrong.items()):
            original = "" if parsed.texts is None else parsed.texts[position]
            self._file.refuse(self._file.error(parsed.lines[position], problem, remedy), original)
        return parsed.at([position for position in range(len(parsed.rows)) if position not in wrong])


def _without_blank_lines(parsed: ParsedRecords) -> ParsedRecords:
    if all(parsed.rows):
        return parsed
    return parsed.at([position for position, row in enumerate(parsed.rows) if row])


def _with_blank_lines_as(row: Sequence[str | None], parsed: ParsedRecords) -> ParsedRecords:
    return parsed if all(parsed.rows) else replace(parsed, rows=[one or row for one in parsed.rows])
