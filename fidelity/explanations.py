"""The one place that says why a cell of the matrix is not equal, and which option helps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fidelity.kinds import DEEP, KINDS
from fidelity.matrix import Cell
from fidelity.verdicts import Outcome


@dataclass(frozen=True)
class Explanation:
    """Why a reader does not give some kinds of values as they went in.

    :param readers: by name.
    :param kinds: by name.
    :param formats: in which it holds.
    :param outcome: what becomes of the values.
    :param lanes: by their short names; empty for all.
    :param reason: one sentence.
    :param helps: the option, or the type to declare.
    """

    readers: Collection[str]
    kinds: Collection[str]
    formats: Collection[str]
    outcome: Outcome
    reason: str
    helps: str
    lanes: Collection[str] = ()

    def holds_for(self, cell: Cell) -> bool:
        """Whether it explains a cell."""
        return (
            cell.reader in self.readers
            and cell.kind.name in self.kinds
            and cell.format in self.formats
            and cell.verdict.outcome == self.outcome
            and (not self.lanes or cell.lane.short in self.lanes)
        )


_ALL = ("DuckDB", "ClickHouse", "PostgreSQL", "Spark", "Polars", "pandas", "PyArrow", "DataFusion")
_TEXTUAL = ("csv", "json")
_DURATIONS = ("timedelta", "negative timedelta")

EXPLANATIONS: Sequence[Explanation] = [
    Explanation(
        _ALL,
        ["NaN, infinities"],
        ["json"],
        "differs",
        "JSON has no such numbers: they are written as null.",
        "CSV keeps them",
        ("R", "A"),
    ),
    Explanation(
        [name for name in _ALL if name != "PostgreSQL"],
        _DURATIONS,
        [*_TEXTUAL, "parquet"],
        "text",
        "It has no type that takes ISO 8601 durations from text.",
        "declare text: it arrives as it was written",
    ),
    Explanation(
        ["PostgreSQL"],
        ["negative timedelta"],
        _TEXTUAL,
        "refused",
        "`interval` does not take a sign in front of an ISO 8601 duration.",
        "declare `text`, and cast `-P...` as the negative of its rest",
    ),
    Explanation(
        ["PostgreSQL"],
        ["text: NUL"],
        _TEXTUAL,
        "refused",
        "No text of PostgreSQL holds NUL.",
        "take it out upstream, or hand over bytes, which are written as base64",
    ),
    Explanation(
        ["pandas", "DataFusion"],
        ["empty text", "empty bytes"],
        ["csv"],
        "differs",
        "Its CSV reader does not tell a quoted empty field from one that is not quoted: both are null.",
        "JSON keeps them apart, and so does PyArrow's CSV reader",
    ),
    Explanation(
        ["pandas"],
        ["int beyond 64 bits"],
        ["json"],
        "refused",
        "Its JSON parser takes integers up to 64 bits.",
        "hand over `Decimal`, which is written as a string, or write CSV",
        ("R", "J", "Jp"),
    ),
    Explanation(
        ["DataFusion"],
        ["int beyond 64 bits"],
        ["json"],
        "refused",
        "Its JSON reader takes no numbers of more than 64 bits, and no numbers as text.",
        "hand over `Decimal`, which is written as a string, or write CSV",
        ("R", "J", "Jp"),
    ),
    Explanation(
        ["Polars", "PyArrow", "DataFusion"],
        ["mapping of other keys"],
        ["json"],
        "differs",
        "It reads objects as structs of all keys that there are: a key that one lacks is null.",
        "drop the nulls, or write CSV, where an object is JSON text",
        ("R", "J", "Jp"),
    ),
    Explanation(
        [name for name in _ALL if name != "PostgreSQL"],
        ["mapping of other keys"],
        ["parquet"],
        "differs",
        "A struct of Parquet has all keys that there are: a key that one lacks is null.",
        "drop the nulls, or make it JSON text by `schema`: `string`",
        ("R", "J", "Jp"),
    ),
    Explanation(
        ["DuckDB", "ClickHouse", "Spark"],
        _DURATIONS,
        ["parquet"],
        "differs",
        "Parquet has no durations: it holds a number, and in a note for Arrow alone that it counts microseconds.",
        "make it text by `schema`: `string`",
        ("A",),
    ),
    Explanation(
        ["ClickHouse"],
        ["list", "list that begins with null", "tuple", "set", "mapping"],
        ["parquet"],
        "differs",
        "Its arrays and tuples are never null: they are empty, or their fields are null.",
        "make it JSON text by `schema`: `string`",
    ),
    Explanation(
        ["PostgreSQL"],
        [kind.name for kind in KINDS],
        ["parquet"],
        "refused",
        "COPY reads no Parquet. Redshift's does.",
        "write CSV",
    ),
    Explanation(
        ["PyArrow"],
        ["list that begins with null", "JSON of Parquet"],
        ["json"],
        "refused",
        "Where no type is declared, its JSON reader drops the nulls that a list begins with, and still counts them "
        "([arrow#51305](https://github.com/apache/arrow/issues/51305)): the items behind are wrong, or the process "
        "ends with a segmentation fault.",
        "name the type of the list in `explicit_schema`, and call `validate(full=True)` before you use such a table",
        ("R", "J", "Jp", "A"),
    ),
    Explanation(
        ["DataFusion"],
        [DEEP],
        ["json"],
        "refused",
        "Its structs are nested 64 levels deep at most.",
        "write CSV, where it is JSON text",
        ("R", "J", "Jp"),
    ),
]


def explanation_of(cell: Cell) -> int | None:
    """Give the number of the first explanation of a cell, from 1."""
    return next((number for number, one in enumerate(EXPLANATIONS, 1) if one.holds_for(cell)), None)


def faults(cells: Iterable[Cell], readers: Collection[str]) -> list[str]:
    """Find unexplained cells, and explanations that no cell of these readers needs.

    :param readers: that were asked; what is explained of others is not judged.
    """
    found = []
    needed = set()
    formats, kinds = set(), set()
    for cell in cells:
        formats.add(cell.format)
        kinds.add(cell.kind.name)
        if cell.verdict.outcome == "equal":
            continue
        number = explanation_of(cell)
        if number is None:
            place = f"{cell.reader}, {cell.format}, {cell.kind.name}, {cell.lane.short}"
            found.append(f"unexplained: {place}: {cell.verdict.outcome} {cell.verdict.shown}")
        else:
            needed.add((number, cell.reader, cell.kind.name, cell.format))
    for number, one in enumerate(EXPLANATIONS, 1):
        for reader in readers:
            for kind in kinds.intersection(one.kinds):
                for format_ in formats.intersection(one.formats):
                    if reader in one.readers and (number, reader, kind, format_) not in needed:
                        found.append(f"explanation {number} is not needed: {reader}, {format_}, {kind}")
    return found
