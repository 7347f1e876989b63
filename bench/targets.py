"""What is held against a target: its value in this run, and the ratio of the two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cases import FORMATS, Case
from bench.contenders import ENCODE, FLOOR, ORJSON, OURS, POLARS_WRITER, UPLOAD
from bench.speed import COPIES, LARGE_OBJECTS, Entry, Results, whole_loads
from tests.servers.bulk_s3 import THROTTLED

_LESS_CPU = {
    ("dicts", "csv"): 3.0,
    ("dicts", "json"): 3.0,
    ("parquet", "csv"): 5.0,
    ("parquet", "json"): 4.0,
    ("csv", "csv"): 10.0,
    ("ndjson", "json"): 10.0,
}


@dataclass(frozen=True)
class Reached:
    """One target.

    :param bound: the most that may be reached, or the least.
    """

    part: str
    unit: str
    bound: float
    value: float
    at_most: bool = True

    @property
    def ratio(self) -> float:
        """How much of the target is used up: at most 1 where it is met."""
        return self.value / self.bound if self.at_most else self.bound / self.value


def reached(results: Results, size: str) -> Iterator[Reached]:
    """Give all targets, in order."""
    yield from _encoding(results, size)
    yield from _sending(results)
    yield from _whole(results, size)
    yield from _against_others(results, size)


def _encoding(results: Results, size: str) -> Iterator[Reached]:
    for dataset in ("lineitem", "mixed"):
        for format_, bound in (("json", 1.4), ("csv", 3.5)):
            case = Case(dataset, "dicts", format_, False, size)
            limit = results.cpu(Entry(replace(case, format="json"), ORJSON))
            value = results.cpu(Entry(case, ENCODE)) / limit
            yield Reached(f"{case}, encode alone", "x the CPU of orjson.dumps", bound, value)
    for source, format_, rate in (("ndjson", "json", 600.0), ("csv", "csv", 450.0)):
        case = Case("lineitem", source, format_, False, size, COPIES)
        megabytes = sum(Path(path).stat().st_size for path in case.input()) / 1e6
        value = megabytes / results.cpu(Entry(case, ENCODE))
        yield Reached(f"{case}, pass-through", "MB in a CPU second", rate, value, at_most=False)
    for format_ in FORMATS:
        case = Case("lineitem", "parquet", format_, False, size, COPIES)
        value = results.cpu(Entry(case, ENCODE)) / results.cpu(Entry(case, POLARS_WRITER))
        yield Reached(f"{case}, encode alone", "x the CPU of polars' own writer", 1.1, value)


def _sending(results: Results) -> Iterator[Reached]:
    gigabytes = LARGE_OBJECTS.copies * 2**24 / 1e9
    value = results.cpu(Entry(LARGE_OBJECTS, UPLOAD)) / gigabytes
    yield Reached("upload over TLS, objects of 16 MiB", "CPU seconds a GB", 0.8, value)


def _whole(results: Results, size: str) -> Iterator[Reached]:
    for case in whole_loads(size):
        halves = results.cpu(Entry(case, ENCODE)) + results.cpu(Entry(case, UPLOAD))
        yield Reached(f"{case}, whole", "x the CPU of its halves", 1.1, results.cpu(Entry(case, OURS)) / halves)
        longer = max(results.wall(Entry(case, ENCODE)), results.wall(Entry(case, UPLOAD, THROTTLED)))
        value = results.wall(Entry(case, OURS, THROTTLED)) / longer
        yield Reached(f"{case}, whole, at 240 MB/s", "x the wall of the longer half", 1.15, value)


def _against_others(results: Results, size: str) -> Iterator[Reached]:
    for (source, format_), bound in _LESS_CPU.items():
        case = Case("lineitem", source, format_, False, size)
        ours = results.cpu(Entry(case, OURS))
        for name in ("awswrangler", "pandas"):
            if (other := Entry(case, name)) in results:
                yield Reached(f"{case}", f"x less CPU than {name}", bound, results.cpu(other) / ours, at_most=False)


def floor_of_large_objects(results: Results) -> float:
    """Give the CPU seconds a GB of put_object as boto3 does it."""
    return results.cpu(Entry(LARGE_OBJECTS, FLOOR)) / (LARGE_OBJECTS.copies * 2**24 / 1e9)
