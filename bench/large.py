"""Large things: the peak of resident memory where one field, record, row group or number of columns is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench import inputs
from bench.cases import FORMATS, Case, Target
from bench.contenders import ours
from bench.document import table
from bench.process import measured
from bench.speed import target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3

_TEXT = "some, words\n" * (10**8 // 12)
_GROUP_RECORDS = 3_000_000
_COLUMNS = [f"column_{number}" for number in range(100_000)]
_WIDE_RECORDS = 20

_HEAD = """\
Peak of resident memory above the imports, and CPU seconds, of loads of one thing that is large: a text of 100 MB in a
record of Python or a field of a file, a Parquet file of 400 MB that is one row group, 20 records of 100,000 columns."""


def large_section(server: BulkS3, say: Callable[[str], None]) -> str:
    """Measure loads of large things, and write a table."""
    inputs.make("tiny")
    target = target_of(server, FORGOTTEN, "large")
    lines = []
    for name in ("text in a record", *_FILES, "columns of records"):
        for format_ in FORMATS:
            say(f"{name}, to {format_}")
            measure = measured(_prepare, name, format_, target)
            lines.append([f"{name} to {format_}", f"{measure.peak / 1e6:,.0f}", f"{measure.cpu:.2f}"])
    return f"{_HEAD}\n\n{table(['load', 'MB', 'CPU seconds'], lines)}"


def _prepare(name: str, format_: str, target: Target) -> Callable[[], object]:
    tiny = Case("lineitem", "dicts", format_, size="tiny")
    ours.prepare_load(tiny, tiny.input(), target)()
    source, spec = _source(name), ours.spec_of(target, format_)
    return lambda: ours.load(source, spec)


def _source(name: str) -> Any:
    if name == "text in a record":
        return [{"id": 1, "text": _TEXT}]
    if name == "columns of records":
        return [dict.fromkeys(_COLUMNS, number) for number in range(_WIDE_RECORDS)]
    ending, write = _FILES[name]
    path = inputs.FOLDER / "large" / f"{name.replace(' ', '-')}.{ending}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    return [str(path)]


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(line + "\n" for line in lines)


def _write_text_csv(path: Path) -> None:
    _write_lines(path, iter(["id,text", f'1,"{_TEXT}"']))


def _write_text_ndjson(path: Path) -> None:
    _write_lines(path, iter([inputs.as_json({"id": 1, "text": _TEXT})]))


def _write_row_group(path: Path) -> None:
    numbers = pa.array(range(_GROUP_RECORDS))
    texts = pa.array(f"text number {number} " * 6 for number in range(_GROUP_RECORDS))
    records = pa.table({"id": numbers, "text": texts})
    pq.write_table(records, path, row_group_size=_GROUP_RECORDS, compression="none", use_dictionary=False)


def _write_wide_csv(path: Path) -> None:
    _write_lines(path, iter([",".join(_COLUMNS), *[",".join("1" for _ in _COLUMNS)] * _WIDE_RECORDS]))


def _write_wide_ndjson(path: Path) -> None:
    _write_lines(path, iter([inputs.as_json(dict.fromkeys(_COLUMNS, 1))] * _WIDE_RECORDS))


def _write_wide_parquet(path: Path) -> None:
    pq.write_table(pa.table({name: [1] * _WIDE_RECORDS for name in _COLUMNS}), path)


_FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "text in CSV": ("csv", _write_text_csv),
    "text in NDJSON": ("ndjson", _write_text_ndjson),
    "row group of Parquet": ("parquet", _write_row_group),
    "columns of CSV": ("csv", _write_wide_csv),
    "columns of NDJSON": ("ndjson", _write_wide_ndjson),
    "columns of Parquet": ("parquet", _write_wide_parquet),
}
"""Ending of each file, and what writes it."""
