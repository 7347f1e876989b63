"""The columns of a CSV file: their names, and which fields of a record they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from airflow_provider_s3dest.errors import short
from airflow_provider_s3dest.sources.source_file import SourceFile, option


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """The columns of one file.

    :param width: number of the fields of a record.
    :param positions: the columns that are read, each with its position among those.
    :param dropped: the names of the fields that are no columns, by their positions in a record.
    """

    width: int
    positions: Mapping[str, int]
    dropped: Mapping[int, str]

    @classmethod
    def named(cls, names: Sequence[str]) -> CsvColumns:
        """Return the columns with these names, all of which differ."""
        return cls(len(names), {name: position for position, name in enumerate(names)}, {})

    @classmethod
    def of_header(cls, names: Sequence[str], line: int, file: SourceFile, duplicates: str) -> CsvColumns:
        """Return the columns that a header names.

        :param line: the line on which the header begins.
        :param duplicates: what empty and repeated names are: ``error``, ``number`` or ``drop_empty``.
        :raises RecordError: at such a name, if it is an error.
        """
        if len({*names, ""}) == len(names) + 1:
            return cls.named(names)
        seen = {""}
        unusable: dict[int, str] = {}
        for position, name in enumerate(names):
            if name in seen:
                unusable[position] = name
            seen.add(name)
        if duplicates == "drop_empty":
            kept = [name for position, name in enumerate(names) if position not in unusable]
            return cls(len(names), {name: position for position, name in enumerate(kept)}, unusable)
        if duplicates == "number":
            return cls.named(_numbered(names))
        position, name = next(iter(unusable.items()))
        problem = f"the header names the column {name!r} twice." if name else f"column {position + 1} has no name."
        remedy = (
            f"Give each column a name of its own, or let them be numbered: {option('duplicate_columns', 'number')}; "
            '"drop_empty" leaves such columns out where they hold nothing.'
        )
        raise file.error(line, problem, remedy)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that are read."""
        return tuple(self.positions)

    @property
    def are_all(self) -> bool:
        """Whether every field of a record is a column."""
        return not self.dropped

    def select(self, fields: Sequence[str | None]) -> Sequence[str | None]:
        """Return the fields of the columns that are read.

        :param fields: all fields of some records, record after record.
        """
        if self.are_all:
            return fields
        kept = [fields[position :: self.width] for position in range(self.width) if position not in self.dropped]
        return list(chain.from_iterable(zip(*kept, strict=True)))

    def lost_values(self, fields: Sequence[str | None]) -> dict[int, str]:
        """Return the records that have a value in a field that is no column, each with what is wrong.

        :param fields: all fields of some records, record after record.
        """
        lost: dict[int, str] = {}
        for position, name in self.dropped.items():
            for record, value in enumerate(fields[position :: self.width]):
                if value and record not in lost:
                    column = f"column {position + 1}, " + (f"which repeats {name!r}" if name else "which has no name")
                    lost[record] = f"{column}, is not empty: {short(value)}."
        return lost


def _numbered(names: Sequence[str]) -> list[str]:
    """Return names of which none is empty and all differ: an empty one becomes ``column_4``, a repeated one ``name_2``.

    A name that the header has once stays as it is.
    """
    taken = {*names}
    numbers: Counter[str] = Counter()
    numbered = []
    for position, name in enumerate(names, 1):
        numbers[name] += 1
        unique, number = name or f"column_{position}", numbers[name]
        if not name or number > 1:
            stem = name or unique
            unique = unique if not name else f"{stem}_{number}"
            while unique in taken:
                number += 1
                unique = f"{stem}_{number}"
            numbers[name] = number if name else numbers[name]
            taken.add(unique)
        numbered.append(unique)
    return numbered
