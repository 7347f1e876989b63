"""Memory: the peak of resident memory over a small and a large input, for small and large objects, on every lane."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, product, repeat
from pathlib import Path
from typing import Any

from bench import inputs
from bench.cases import FORMATS, SOURCES, Case, Target
from bench.contenders import ours
from bench.document import table
from bench.process import measured
from bench.speed import target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3

_SIZES = (1.0, 20.0)
_SIZES_SHORT = (0.1, 1.0)
"""GB of the input, counted as NDJSON; the same records are less in other formats."""

_AT_A_TIME = 2
"""Loads, of which one more does not change what another holds."""

_MIB = 2**20
_ALL_RECORDS = 10**9
_BATCHES: dict[str, dict[str, Any]] = {
    "5 MiB": {"batch_size": _ALL_RECORDS, "batch_size_bytes": 5 * _MIB},
    "512 MiB": {"batch_size": _ALL_RECORDS, "batch_size_bytes": 512 * _MIB},
    "`no_rotate`": {"no_rotate": True},
}

_HEAD = """\
Peak of resident memory above the imports, of loads of lineitem into objects of different sizes. The size of the input
is that of the records as NDJSON: one file under many names, or a generator."""


def memory_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Measure every lane, and write a table."""
    sizes = _SIZES_SHORT if short else _SIZES
    inputs.make("tiny")
    inputs.make("full")
    staged = Path(inputs.source("lineitem", "ndjson", "full")[0]).stat().st_size
    copies = [math.ceil(size * 1e9 / staged) for size in sizes]
    inputs.make("full", max(copies))
    target = target_of(server, FORGOTTEN, "memory")

    def peak(source: str, format_: str, objects: str, size: float, count: int) -> str:
        say(f"{source} to {format_}, objects of {objects}, {size:g} GB")
        case = Case("lineitem", source, format_, copies=count)
        return f"{measured(_prepare, case, _BATCHES[objects], target).peak / 1e6:,.0f}"

    loads = list(product(SOURCES, FORMATS, _BATCHES))
    threads = ThreadPoolExecutor(_AT_A_TIME)
    try:
        columns = [
            [threads.submit(peak, *load, size, count) for load in loads]
            for size, count in zip(sizes, copies, strict=True)
        ]
        peaks = [[one.result() for one in column] for column in columns]
    finally:  # whoever stops this waits for those under way alone
        threads.shutdown(cancel_futures=True)
    lines = [
        [f"{source} to {format_}", objects, *of_load]
        for (source, format_, objects), *of_load in zip(loads, *peaks, strict=True)
    ]
    heads = ["load", "objects", *(f"MB at {size:g} GB" for size in sizes)]
    return f"{_HEAD}\n\n{table(heads, lines)}"


def _prepare(case: Case, batch: dict[str, Any], target: Target) -> Callable[[], object]:
    tiny = Case(case.dataset, case.source, case.format, size="tiny")
    ours.prepare_load(tiny, tiny.input(), target)()
    # A list of all records would itself be what grows.
    source = _repeated(replace(case, copies=1).input(), case.copies) if case.source == "dicts" else case.input()
    spec = ours.spec_of(target, case.format, **batch)
    return lambda: ours.load(source, spec)


def _repeated(records: list[inputs.Record], times: int) -> Iterator[inputs.Record]:
    return chain.from_iterable(repeat(records, times))
