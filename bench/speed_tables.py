"""Writes what was measured of speed as tables."""

from __future__ import annotations

from collections.abc import Iterator

from bench import agreement
from bench.cases import Case, all_cases
from bench.contenders import FLOOR, OTHERS, OURS
from bench.contenders.others import NotPossible
from bench.document import number, table
from bench.inputs import rows
from bench.speed import Entry, Results
from bench.targets import floor_of_large_objects, reached

_HEAD = """\
CPU seconds / wall seconds / peak MB. The floor sends the same bytes, already encoded, with the same client. pandas and
the standard library write into a buffer and call put_object, pandas as SqlToS3Operator does. All write objects of
10,000 records, but duckdb, which writes one."""

_NOT_POSSIBLE = f"{NotPossible.__name__}: "


def targets_section(results: Results, size: str) -> str:
    """Write the targets: what is wanted, what was reached, and how much of the target that is."""
    lines = [
        [
            f"{one.part}: {one.unit}",
            f"{'at most' if one.at_most else 'at least'} {number(one.bound)}",
            number(one.value),
            f"{one.ratio:.2f}" if one.ratio <= 1 else f"**{one.ratio:.2f}**",
        ]
        for one in reached(results, size)
    ]
    put = number(floor_of_large_objects(results))
    return (
        "A ratio up to 1 meets the target; one above is bold.\n\n"
        + table(["part", "target", "reached", "ratio"], lines)
        + f"\n\nboto3's own put_object of the same objects of 16 MiB takes {put} CPU seconds a GB."
    )


def contenders_section(results: Results, size: str) -> str:
    """Write a table of all contenders for each set, with and without gzip."""
    parts = [_HEAD, f"lineitem has {rows('lineitem', size):,} records, mixed {rows('mixed', size):,}."]
    cases = list(all_cases(size))
    for dataset, gzip in dict.fromkeys((case.dataset, case.gzip) for case in cases):
        own = [case for case in cases if (case.dataset, case.gzip) == (dataset, gzip) and Entry(case, OURS) in results]
        names = [name for name in (OURS, FLOOR, *OTHERS) if any(_known(results, case, name) for case in own)]
        if own:
            lines = [
                [f"{case.source} to {case.format}", *(_cell(results, case, name) for name in names)] for case in own
            ]
            parts += [f"### {dataset}{', gzip' if gzip else ''}", table(["load", *names], lines)]
    parts += ["What others write otherwise, or can't do, is not timed:", "\n".join(_refusals(results))]
    return "\n\n".join(parts)


def _known(results: Results, case: Case, name: str) -> bool:
    return Entry(case, name) in results or (agreement.tiny(case), name) in results.refused


def _cell(results: Results, case: Case, name: str) -> str:
    entry = Entry(case, name)
    if entry in results:
        return f"{number(results.cpu(entry))} / {number(results.wall(entry))} / {results.peak(entry) / 1e6:,.0f}"
    wrong = results.refused.get((agreement.tiny(case), name), _NOT_POSSIBLE)
    return "-" if _NOT_POSSIBLE in wrong else "differs"


def _refusals(results: Results) -> Iterator[str]:
    for (case, name), wrong in results.refused.items():
        yield f"- {name}, {case}: {wrong.splitlines()[0].rpartition(_NOT_POSSIBLE)[2][:120]}"
