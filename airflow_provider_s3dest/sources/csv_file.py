"""Reads staged CSV and TSV after RFC 4180; text stays text, an unquoted empty field is null, a quoted one is not."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain
from typing import IO

from airflow_provider_s3dest.errors import short
from airflow_provider_s3dest.records.chunks import ColumnChunk, Origins, PassthroughChunk, TextColumns
from airflow_provider_s3dest.sources.csv_parser import CsvParser, ParsedRecords
from airflow_provider_s3dest.sources.passthrough import csv_records
from airflow_provider_s3dest.sources.source_file import SourceFile
from airflow_provider_s3dest.sources.text_lines import Block, Blocks, blocks, check_text

_DELIMITERS = ";\t|,"
"""Delimiters of CSV that are in use. The file's own does not occur in a header of one column."""


class CsvFile:
    """One CSV file: its header, then its records in chunks.

    :param stream: the content of the file.
    :param delimiter: one character.
    :param columns: the columns that the caller names; a header of one column that is among them is not doubted.
    """

    def __init__(
        self, stream: IO[bytes], delimiter: str, file: SourceFile, columns: Collection[str] | None = None
    ) -> None:
        self.delimiter, self._file, self._expected = delimiter, file, columns or ()
        # If bad records are quarantined, a byte that is not UTF-8 makes its record a bad one.
        self._blocks = Blocks(blocks(stream, file, checked=file.bad is None))
        self._parser = CsvParser(file, delimiter, self._blocks)
        self._header: tuple[str, ...] | None = None
        self._behind_header: Iterator[ParsedRecords] = iter(())

    def header(self) -> tuple[str, ...]:
        """Read the names of the columns; none if the file holds nothing.

        :raises RecordError: if a name occurs twice, or if the file seems to have another delimiter.
        """
        if self._header is None:
            self._header = self._read_header()
            self._parser.is_header_read = True
        return self._header

    def chunks(self, encoded_columns: tuple[str, ...] | None = None) -> Iterator[ColumnChunk | PassthroughChunk]:
        """Read header and records.

        :param encoded_columns: the columns of an encoder that writes CSV with this file's delimiter. Text that is what
            it would write is passed through. None: nothing is passed through.
        :raises RecordError: at a record with too many or too few fields, or with quotes out of place.
        """
        header = self.header()
        parts = self._passed_or_parsed(len(header)) if header and encoded_columns == header else self._parsed()
        # In a file of one column a blank line is a record: an unquoted empty field.
        without_blank_lines = _with_nulls_for_blank_lines if len(header) == 1 else _without_blank_lines
        positions = {name: position for position, name in enumerate(header)}
        for part in chain(self._behind_header, parts):
            if isinstance(part, PassthroughChunk):
                yield part
                continue
            parsed = without_blank_lines(part)
            if set(map(len, parsed.rows)) != {len(header)}:
                parsed = self._without_ragged(parsed, len(header))
            if parsed.rows:
                yield self._columns(positions, parsed)

    def _columns(self, positions: dict[str, int], parsed: ParsedRecords) -> ColumnChunk:
        fields = parsed.values(list(chain.from_iterable(parsed.rows)))
        origins = Origins(file=self._file.path, lines=parsed.lines, originals=parsed.texts)
        return ColumnChunk(TextColumns(positions, fields), origins, len(parsed.rows))

    def _read_header(self) -> tuple[str, ...]:
        for block in self._blocks:
            end = block.data.find(b"\n") + 1 or len(block.data)
            line = block.data[:end].decode(errors="surrogateescape")
            # A first line without quotes is split here, so that the block as a whole can still pass through.
            if line.strip("\r\n") and '"' not in line and "\r" not in line.rstrip("\r\n"):
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
                    names = [name or "" for name in parsed.values(parsed.rows[first])]
                    if not line.lstrip().startswith('"'):
                        self._check_delimiter(names, parsed.lines[first])
                    return self._names(names, parsed.lines[first])
        return ()

    def _check_delimiter(self, names: list[str], line: int) -> None:
        """Refuse an unquoted header of one column that holds another delimiter: the file would load as one column."""
        other = next((character for character in _DELIMITERS if character in names[0]), None)
        if len(names) > 1 or other is None or names[0] in self._expected:
            return
        name = names[0].encode(errors="replace").decode()
        raise self._file.error(
            line,
            f"the header is one column, {short(name)}, and holds {other!r}: the file seems to be delimited by "
            f"{other!r}, and is read as delimited by {self.delimiter!r}.",
            f"Stage it with {self.delimiter!r} between the fields (.csv has commas, .tsv tabs). If it has one column, "
            f"name it: columns=[{short(name)}], or stage it with quotes around the name.",
        )

    def _names(self, names: list[str], line: int) -> tuple[str, ...]:
        seen: set[str] = set()
        check_text("".join(names).encode(errors="surrogateescape"), line, self._file)
        for name in names:
            if name in seen:
                problem = f"the header names the column {name!r} twice."
                raise self._file.error(line, problem, "Give each column a name of its own.")
            seen.add(name)
        return tuple(names)

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

    def _without_ragged(self, parsed: ParsedRecords, width: int) -> ParsedRecords:
        """Refuse the records that have too many or too few fields, and return the others."""
        even = []
        for position, (row, line) in enumerate(zip(parsed.rows, parsed.lines, strict=True)):
            if len(row) == width:
                even.append(position)
                continue
            problem = f"the header has {width} fields, the record {len(row)}."
            remedy = "Complete the record, or quote fields that hold the delimiter."
            original = "" if parsed.texts is None else parsed.texts[position]
            self._file.refuse(self._file.error(line, problem, remedy), original)
        return parsed.at(even)


def _without_blank_lines(parsed: ParsedRecords) -> ParsedRecords:
    if all(parsed.rows):
        return parsed
    return parsed.at([position for position, row in enumerate(parsed.rows) if row])


def _with_nulls_for_blank_lines(parsed: ParsedRecords) -> ParsedRecords:
    return parsed if all(parsed.rows) else replace(parsed, rows=[row or (None,) for row in parsed.rows])
