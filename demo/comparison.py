"""What differs between a table's source and what S3 gives back, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

from demo.tally import Tally

_Count = TypeVar("_Count", int, Fraction)

_SHOWN = 3
"""Faults of a kind that are shown in full."""

_CANDIDATES = 10_000
"""Missing records among which a changed one looks for what it was: enough, and it ends if all of them changed."""


@dataclass(frozen=True)
class Comparison:
    """How a table in S3 stands to its source, both complete: what is worked out once is kept."""

    source: Tally
    stored: Tally

    @property
    def counts_agree(self) -> bool:
        return self.source.records == self.stored.records

    @cached_property
    def wrong_sums(self) -> list[tuple[str, Fraction, Fraction]]:
        """The columns of numbers whose exact sums differ: in the source, and stored."""
        return _differing(self.source.sums(), self.stored.sums())

    @cached_property
    def wrong_nulls(self) -> list[tuple[str, int, int]]:
        """The columns with more nulls, or fewer: in the source, and stored."""
        return _differing(self.source.nulls(), self.stored.nulls())

    @cached_property
    def rows_agree(self) -> bool:
        """Whether every record is there as often as in the source, and no other."""
        return self.source.rows == self.stored.rows

    @property
    def agrees(self) -> bool:
        return self.counts_agree and not self.wrong_sums and not self.wrong_nulls and self.rows_agree

    def faults(self) -> Iterator[str]:
        """Say what is wrong, one line a fault."""
        if not self.counts_agree:
            yield f"{self.stored.records:,} records instead of {self.source.records:,}"
        yield from _few(
            f"the sum of {column} is {_exactly(stored)} instead of {_exactly(source)}"
            for column, source, stored in self.wrong_sums
        )
        yield from _few(
            f"{column} is null {stored:,} times instead of {source:,}" for column, source, stored in self.wrong_nulls
        )
        yield from self._faulty_rows()

    def _faulty_rows(self) -> Iterator[str]:
        missing = self.source.rows - self.stored.rows
        surplus = self.stored.rows - self.source.rows
        doubled = Counter({row: count for row, count in surplus.items() if row in self.source.rows})
        unknown = surplus - doubled
        yield from self._shown("lost or changed", missing)
        yield from self._shown("stored more often than it is in the source", doubled)
        yield from self._shown("not in the source", unknown)
        for row in list(unknown)[:_SHOWN]:
            yield from self._closest(row, missing)

    def _shown(self, what: str, rows: Counter[str]) -> Iterator[str]:
        for row in list(rows)[:_SHOWN]:
            yield f"{what}: {self.source.record(row)}"
        if len(rows) > _SHOWN:
            yield f"{what}: {rows.total():,} records in all"

    def _closest(self, row: str, missing: Counter[str]) -> Iterator[str]:
        """Say what became of which record, where a record is still to be known by most of its fields."""
        now = self.source.record(row)
        changes = (
            {name: (was[name], now[name]) for name in now if was[name] != now[name]}
            for was in (self.source.record(candidate) for candidate in list(missing)[:_CANDIDATES])
        )
        closest = min(changes, key=len, default=None)
        if closest is not None and len(closest) * 2 <= len(now):
            fields = ", ".join(f"{name} was {was!r} and is {is_!r}" for name, (was, is_) in closest.items())
            yield f"probably changed: {fields}"


def _few(faults: Iterable[str]) -> Iterator[str]:
    """Give the first faults of a kind, and how many more there are."""
    faults = list(faults)
    yield from faults[:_SHOWN]
    if len(faults) > _SHOWN:
        yield f"... and {len(faults) - _SHOWN} columns more"


def _differing(source: Mapping[str, _Count], stored: Mapping[str, _Count]) -> list[tuple[str, _Count, _Count]]:
    return [(column, source[column], stored[column]) for column in source if source[column] != stored[column]]


def _exactly(number: Fraction) -> str:
    return f"{number.numerator:,}" if number.denominator == 1 else f"{float(number)!r} (exactly {number})"
