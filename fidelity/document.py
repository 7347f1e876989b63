"""Writes docs/fidelity.md."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from fidelity.corpora import Result
from fidelity.explanations import EXPLANATIONS, explanation_of
from fidelity.kinds import KINDS, spelled
from fidelity.lanes import LANES
from fidelity.loading import FORMATS
from fidelity.matrix import Cell
from fidelity.readers.reader import Reader

PATH = Path(__file__).parents[1] / "docs" / "fidelity.md"

_INTRODUCTION = """\
# What readers read back

Written by `make fidelity`, which loads every kind of value through every lane into an S3 server, and reads the objects
with the types and options that a careful user gives, as they stand in `fidelity/readers/`.

`=`: every value, and the null behind them, comes back equal. A number: read on below, under that number;
letters tell the lanes for which it holds, where it does not hold for all. For Parquet, `schema` names the types of
values that come as staged text, and `string` for what is nested deeper than Parquet goes."""


def page(cells: Sequence[Cell], readers: Sequence[Reader], results: Iterable[Result]) -> str:
    """Write the whole page."""
    versions = ", ".join(f"{reader.name} {reader.version}" for reader in readers)
    day, python = datetime.now(timezone.utc).date(), platform.python_version()
    equal = sum(cell.verdict.outcome == "equal" for cell in cells)
    unexplained = sum(cell.verdict.outcome != "equal" and explanation_of(cell) is None for cell in cells)
    explained = len(cells) - equal - unexplained
    parts = [
        _INTRODUCTION,
        f"{day}, Python {python}, provider {version('airflow-provider-s3dest')}. {versions}.",
        f"{len(cells):,} cells: {equal:,} equal, {explained:,} explained, {unexplained} unexplained.",
        "Lanes: " + ", ".join(f"{lane.short} {lane.name}" for lane in LANES) + ".",
        *(_of_format(format_, cells, [reader.name for reader in readers]) for format_ in FORMATS),
        "## Why, and what helps",
        _explanations(cells),
        "## Whole data sets",
        _table(
            ["data set", "format", "reader", "records", "values", "read back"],
            (
                [r.corpus, r.format, r.reader, f"{r.records:,}", f"{r.values:,}", r.difference or "equal"]
                for r in results
            ),
        ),
        "## The values",
        _table(["kind", "values, each with a null behind them"], ([k.name, _shown(k.edges)] for k in KINDS)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_format(format_: str, cells: Iterable[Cell], readers: Sequence[str]) -> str:
    title = f"## {'Parquet' if format_ == 'parquet' else format_.upper()}"
    own = [cell for cell in cells if cell.format == format_]
    rows = []
    for kind in KINDS:
        of_kind = [cell for cell in own if cell.kind is kind]
        rows.append([kind.name, *(_mark([cell for cell in of_kind if cell.reader == name]) for name in readers)])
    return f"{title}\n\n{_table(['', *readers], rows)}"


def _mark(cells: Sequence[Cell]) -> str:
    lanes: dict[str, list[str]] = {}
    for cell in cells:
        number = explanation_of(cell)
        mark = "=" if cell.verdict.outcome == "equal" else f"{number}" if number else "**unexplained**"
        lanes.setdefault(mark, []).append(cell.lane.short)
    if len(lanes) == 1:
        return next(iter(lanes))
    return "<br>".join(mark if mark == "=" else f"{mark} {' '.join(names)}" for mark, names in lanes.items())


def _explanations(cells: Sequence[Cell]) -> str:
    rows = []
    for number, one in enumerate(EXPLANATIONS, 1):
        shown = [cell.verdict.shown for cell in cells if explanation_of(cell) == number and cell.verdict.shown]
        rows.append([str(number), one.reason, one.helps, _code(shown[0]) if shown else ""])
    return _table(["", "why", "what helps", "for example"], rows)


def _shown(values: Iterable[object]) -> str:
    texts = (value if isinstance(value, str) else spelled(value) for value in values)
    return " ".join(_code(ascii(text)[1:-1][:60]) for text in texts)


def _code(text: str) -> str:
    return "``" + " " + text.replace("|", "\\|").replace("`", "'") + " " + "``"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *rows])
