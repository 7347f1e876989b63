"""Growth: what a load costs more for more tables, objects and columns; a straight line costs the same each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from bench import inputs
from bench.cases import FORMATS, Case, Target
from bench.contenders import ours
from bench.document import number, table
from bench.process import measured
from bench.speed import target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3

_RECORDS = 1_000
"""Of each table."""
_OBJECT_RECORDS = 10
_VALUES = 1_000_000
"""Of a load, however many columns it has."""
_ROUNDS = 5
_LONG = 100_000
"""Objects of a load that runs once."""


def growth_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Measure loads of more and more, and write tables."""
    target = target_of(server, FORGOTTEN, "growth")

    def cpu(prepare: Callable[..., Callable[[], object]], count: int, *arguments: Any) -> float:
        say(f"{prepare.__name__.removeprefix('_')} {count:,}")
        rounds = 1 if count == _LONG else _ROUNDS
        return median(measured(prepare, target, count, *arguments).cpu for _ in range(rounds))

    inputs.make("tiny")
    tables = [
        [f"{count:,}", number(seconds := cpu(_tables, count)), number(seconds / count * 1e3)] for count in (1, 10, 100)
    ]
    objects = [
        [f"{count:,}", number(seconds := cpu(_objects, count)), number(seconds / count * 1e3)]
        for count in (10, 1_000, *(() if short else (_LONG,)))
    ]
    columns = [
        [f"{count:,} to {format_}", number(seconds := cpu(_columns, count, format_)), number(seconds / _VALUES * 1e6)]
        for format_ in FORMATS
        for count in (10, 1_000)
    ]
    return "\n\n".join(
        [
            f"Whole loads of records of Python. Tables of {_RECORDS:,} records of lineitem, to JSON:",
            table(["tables", "CPU seconds", "ms a table"], tables),
            f"Objects of {_OBJECT_RECORDS} records of lineitem, to JSON:",
            table(["objects", "CPU seconds", "ms an object"], objects),
            f"Columns, of {_VALUES:,} values in all:",
            table(["columns", "CPU seconds", "µs a value"], columns),
        ]
    )


def _tables(target: Target, count: int) -> Callable[[], object]:
    records = _warm(target)[:_RECORDS]
    source = {f"table_{position:03}": records for position in range(count)}
    spec = ours.spec_of(target, "json")
    return lambda: ours.load(source, spec, None)


def _objects(target: Target, count: int) -> Callable[[], object]:
    records = _warm(target)
    spec = ours.spec_of(target, "json", batch_size=_OBJECT_RECORDS)

    def source() -> Iterator[inputs.Record]:
        for position in range(count * _OBJECT_RECORDS):
            yield records[position % len(records)]

    return lambda: ours.load(source(), spec)


def _columns(target: Target, count: int, format_: str) -> Callable[[], object]:
    _warm(target)
    names = [f"column_{position}" for position in range(count)]
    row = [position if position % 2 else f"text {position}" for position in range(count)]
    source = [dict(zip(names, row, strict=True)) for _ in range(_VALUES // count)]
    spec = ours.spec_of(target, format_)
    return lambda: ours.load(source, spec)


def _warm(target: Target) -> list[inputs.Record]:
    records: list[inputs.Record] = inputs.source("lineitem", "dicts", "tiny")
    ours.prepare_load(Case("lineitem", "dicts", "json", size="tiny"), records, target)()
    return records
