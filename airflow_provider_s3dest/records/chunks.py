"""Chunks: a few consecutive records of a table, in one of the forms in which sources yield them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from airflow_provider_s3dest.errors import Place


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the records of a chunk came from: an index to count from, or a file and the line of each record.

    :param originals: the records as they came: objects, or the text of staged ones.
    """

    start: int = 0
    file: str | None = None
    lines: Sequence[int] | None = None
    unit: str = "line"
    originals: Sequence[Any] | None = None

    def __getitem__(self, position: int) -> Place:
        if self.file is None:
            return Place(index=self.start + position)
        line = self.lines[position] if self.lines is not None else self.start + position
        return Place(file=self.file, line=line, unit=self.unit)

    def slice(self, start: int, stop: int) -> Origins:
        """Return the origins of the records from ``start`` up to ``stop``."""
        lines = None if self.lines is None else self.lines[start:stop]
        originals = None if self.originals is None else self.originals[start:stop]
        return Origins(self.start + start, self.file, lines, self.unit, originals)


class Chunk(Protocol):
    """Some consecutive records of a table."""

    @property
    def origins(self) -> Origins: ...

    def __len__(self) -> int: ...

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of one column, None for each record that lacks it."""
        ...

    def columns(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Return the values of several columns."""
        ...

    def slice(self, start: int, stop: int) -> Any:
        """Return the records from ``start`` up to ``stop``."""
        ...


@dataclass(frozen=True, slots=True)
class RowChunk:
    """A chunk of records as mappings.

    :param shape: the columns of every record, if all records are dicts with the same keys in the same order; else
        None.
    """

    rows: Sequence[Mapping[str, Any]]
    origins: Origins
    shape: tuple[str, ...] | None = None

    @classmethod
    def of(cls, rows: Sequence[Any], origins: Origins) -> RowChunk:
        """Make a chunk of rows, which should be mappings but are not checked here."""
        return cls(rows, origins, _shape(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Sequence[Any]:
        # Not row[name]: a defaultdict would make up a value for a field that is missing.
        return [row.get(name) for row in self.rows]

    def columns(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        if self.shape is None or not {*names}.issubset(self.shape):
            return map(self.column, names)
        # One flat list, of which each column is every n-th value: quicker than a look-up per record and column.
        values = list(chain.from_iterable(row.values() for row in self.rows))
        positions = {name: position for position, name in enumerate(self.shape)}
        return (values[positions[name] :: len(self.shape)] for name in names)

    def slice(self, start: int, stop: int) -> RowChunk:
        return RowChunk.of(self.rows[start:stop], self.origins.slice(start, stop))


def _shape(rows: Sequence[Any]) -> tuple[str, ...] | None:
    if set(map(type, rows)) != {dict}:
        return None
    names: tuple[str, ...] = tuple(rows[0])
    if set(map(type, names)) - {str}:
        return None
    keys: list[str] = []
    for row in rows:
        keys += row
    # One comparison of all keys in one list is quicker than one comparison per record.
    return names if keys == [*names] * len(rows) else None


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """A chunk of records by columns; a column that is not there is null in every record."""

    values: Mapping[str, Sequence[Any]]
    origins: Origins
    size: int

    @property
    def names(self) -> Iterable[str]:
        """The names of the columns, in order."""
        return self.values.keys()

    def __len__(self) -> int:
        return self.size

    def column(self, name: str) -> Sequence[Any]:
        return self.values[name] if name in self.values else [None] * self.size

    def columns(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        return map(self.column, names)

    def slice(self, start: int, stop: int) -> ColumnChunk:
        values = {name: column[start:stop] for name, column in self.values.items()}
        return ColumnChunk(values, self.origins.slice(start, stop), stop - start)


@dataclass(frozen=True, slots=True)
class TextColumns(Mapping[str, Sequence[str | None]]):
    """The fields of text records, by column.

    The fields stand in one flat list, record after record as in a CSV file, and a column is every n-th of them. So the
    JSON encoder can take all fields at once in their order, without a list for each column.

    :param positions: the columns, each with its position in a record.
    :param fields: the fields of all records; None is null.
    """

    positions: Mapping[str, int]
    fields: Sequence[str | None]

    def __getitem__(self, name: str) -> Sequence[str | None]:
        return self.fields[self.positions[name] :: len(self.positions)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)


class LazyChunk(Protocol):
    """A chunk of staged text that is parsed only if it can't pass through as it stands."""

    @property
    def origins(self) -> Origins: ...

    def __len__(self) -> int:
        """Return the number of lines, blank ones included."""
        ...

    def slice(self, start: int, stop: int) -> Any:
        """Return the lines from ``start`` up to ``stop``."""
        ...

    @property
    def rows(self) -> RowChunk:
        """The records."""
        ...

    def passed(self, columns: tuple[str, ...]) -> PassthroughChunk | None:
        """Return the text to pass through, if the encoder would write exactly this for records of these columns."""
        ...


@dataclass(frozen=True, slots=True)
class TextDialect:
    """The form in which an encoder writes text: lines that end with ``\\n``, in UTF-8.

    :param format: ``csv`` or ``json``.
    :param delimiter: of csv.
    """

    format: str
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class PassthroughChunk:
    """A chunk of records that are encoded already: staged text that is what the encoder would write.

    :param data: whole records, each of which ends with a line end.
    :param records: number of the records.
    :param spans_lines: whether quoted fields hold line ends, which then end no record.
    """

    data: bytes
    records: int
    spans_lines: bool = False

    def __len__(self) -> int:
        return self.records

    def sizes(self) -> Iterator[int]:
        """Yield the size of each record in bytes."""
        data = self.data
        if self.spans_lines:
            # Every other piece is inside of quotes; a doubled quote only adds an empty piece outside of them. Blanks in
            # place of line ends keep the sizes as they are.
            pieces = data.split(b'"')
            pieces[1::2] = [piece.replace(b"\n", b" ") for piece in pieces[1::2]]
            data = b'"'.join(pieces)
        return (len(line) + 1 for line in data[:-1].split(b"\n"))
