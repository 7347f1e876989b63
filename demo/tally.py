"""Counts, sums and every row of a table, in a form that can be compared whatever order and format the rows came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

Row = Sequence[str | None]
"""The fields of a record, in the order of the columns, as the file spells them."""

_NULL = ""
"""Stands for null among the canonical fields. No value of the source is an empty text, and none may become one."""

_BETWEEN = "\x1f"
"""Joins the fields of a row to one text."""

_CHUNK = 5_000
"""Rows that are held as Python objects at a time."""


def _text(text: str) -> str:
    if not text or _BETWEEN in text:
        raise ValueError(f"no value of the source is {text!r}")
    return text


def _integer(text: str) -> str:
    if str(int(text)) != text:
        raise ValueError(f"{text!r} is not how the source would write an integer")
    return text


def _double(text: str) -> str:
    return repr(float(text))


@dataclass(frozen=True)
class Kind:
    """What the values of a column are."""

    name: str
    canonical: Callable[[str], str]
    """Gives the one text that all spellings of a value share. Raises ValueError for what is no such value."""
    number: Callable[[str], Fraction] | None


TEXT = Kind("text", _text, None)
INTEGER = Kind("integer", _integer, lambda text: Fraction(int(text)))
NUMBER = Kind("number", _double, lambda text: Fraction(float(text)))
"""A double: 48.053808600000004 and 48.0538086 are the same one. Its sum is exact, since a Fraction does not round."""


@dataclass(frozen=True)
class Column:
    """A column's name and what its values are."""

    name: str
    kind: Kind


class Tally:
    """What is known of a table once all its rows were added."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.rows: Counter[str] = Counter()
        self._values: list[Counter[str]] = [Counter() for _ in columns]

    def add(self, rows: Iterable[Row], *, null: str | None) -> None:
        """Add rows, in which ``null`` is how a null is spelt. Raises ValueError for what such a table can't hold."""
        rows = iter(rows)
        while chunk := list(islice(rows, _CHUNK)):
            fields = [
                _canonical(values, column, null, counter)
                for values, column, counter in zip(zip(*chunk, strict=True), self.columns, self._values, strict=True)
            ]
            self.rows.update(map(_BETWEEN.join, zip(*fields, strict=True)))

    @property
    def records(self) -> int:
        """How many rows were added."""
        return self.rows.total()

    def nulls(self) -> dict[str, int]:
        """Count the nulls of each column."""
        return {column.name: values[_NULL] for column, values in zip(self.columns, self._values, strict=True)}

    def sums(self) -> dict[str, Fraction]:
        """Add up each column of numbers, without rounding."""
        return {
            column.name: sum((number(text) * times for text, times in values.items() if text != _NULL), Fraction())
            for column, values in zip(self.columns, self._values, strict=True)
            if (number := column.kind.number)
        }

    def record(self, row: str) -> dict[str, str | None]:
        """Give the fields of a row by name."""
        fields = (None if field == _NULL else field for field in row.split(_BETWEEN))
        return {column.name: field for column, field in zip(self.columns, fields, strict=True)}


def _canonical(
    values: Sequence[str | None], column: Column, null: str | None, counter: Counter[str]
) -> Sequence[str | None]:
    """Give the values of a column in the one spelling that each has, and count them."""
    # Most columns repeat few values, and what is done for each distinct one costs little.
    spelling = {}
    for text, times in Counter(values).items():
        try:
            spelling[text] = _NULL if text is None or text == null else column.kind.canonical(text)
        except ValueError as error:
            raise ValueError(f"{column.name} is a column of {column.kind.name}s: {error}") from None
        counter[spelling[text]] += times
    if all(text == canonical for text, canonical in spelling.items()):
        return values
    return [spelling[text] for text in values]
