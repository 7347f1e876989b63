"""Speed: every contender at every load, interleaved; and what the targets ask for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import median

from bench import agreement, inputs
from bench.cases import FORMATS, SOURCES, Case, Target, all_cases
from bench.contenders import (
    CONTENDERS,
    ENCODE,
    FLOOR,
    ORJSON,
    OTHERS,
    OURS,
    POLARS_WRITER,
    TAKES_OBJECTS,
    UPLOAD,
)
from bench.process import Measure, RunFailed, measured
from tests.servers.bulk_s3 import FORGOTTEN, KEPT, THROTTLED, BulkS3

COPIES = 4
"""Times that the staged file or the records are there in the loads of the targets, which are too quick for one."""

LARGE_OBJECTS = Case("random bytes", "objects", "json", copies=24)
"""Objects of 16 MiB, already encoded."""
_LARGE = 16 * 2**20

_FEWER = {
    # gzip at the slow ones' speed would take most of the time and tell nothing new.
    ("lineitem", True): ("pandas", "polars"),
    ("mixed", False): ("pandas", "awswrangler", "polars", "standard library"),
    ("mixed", True): (),
}


@dataclass(frozen=True)
class Entry:
    """What is measured over and over: a contender at a load, into a bucket."""

    case: Case
    contender: str
    bucket: str = FORGOTTEN


class Results:
    """The medians of all entries, and what some contenders could not do."""

    def __init__(self, measures: Mapping[Entry, Sequence[Measure]], refused: Mapping[tuple[Case, str], str]) -> None:
        self._measures, self.refused = measures, refused

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._measures

    def cpu(self, entry: Entry) -> float:
        """Give the CPU seconds."""
        return median(measure.cpu for measure in self._measures[entry])

    def wall(self, entry: Entry) -> float:
        """Give the seconds."""
        return median(measure.wall for measure in self._measures[entry])

    def peak(self, entry: Entry) -> float:
        """Give the peak of resident memory above the imports, in bytes."""
        return median(measure.peak for measure in self._measures[entry])


def measure_speed(server: BulkS3, size: str, rounds: int, say: Callable[[str], None]) -> Results:
    """Compare what all write, and then measure them in turns.

    :param rounds: runs of each entry.
    """
    inputs.make("tiny")
    inputs.make(size, COPIES)
    entries = list(dict.fromkeys(_entries(size)))
    refused = _compare(server, entries, say)
    entries = [entry for entry in entries if (agreement.tiny(entry.case), entry.contender) not in refused]
    for case in dict.fromkeys(entry.case for entry in entries if entry.contender in TAKES_OBJECTS):
        if case != LARGE_OBJECTS:
            measured(_prepare, case, OURS, target_of(server, KEPT, _prefix(case)))
    measures: dict[Entry, list[Measure]] = {entry: [] for entry in entries}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}, {len(entries)} runs")
        for entry in Random(number).sample(entries, len(entries)):
            target = target_of(server, entry.bucket, _prefix(entry.case))
            measures[entry].append(measured(_prepare, entry.case, entry.contender, target))
    return Results(measures, refused)


def _entries(size: str) -> Iterator[Entry]:
    for case in all_cases(size):
        if size == "short" and (case.gzip or case.dataset == "mixed"):
            continue
        yield Entry(case, OURS)
        yield Entry(case, FLOOR)
        for name in _FEWER.get((case.dataset, case.gzip), tuple(OTHERS)):
            yield Entry(case, name)
    yield from target_entries(size)


def target_entries(size: str) -> Iterator[Entry]:
    """Give what the targets need beyond the tables of contenders."""
    for dataset in ("lineitem", "mixed"):
        for format_ in FORMATS:
            yield Entry(Case(dataset, "dicts", format_, False, size), ENCODE)
        yield Entry(Case(dataset, "dicts", "json", False, size), ORJSON)
    for source in ("parquet", "csv", "ndjson"):
        for format_ in FORMATS:
            case = Case("lineitem", source, format_, False, size, COPIES)
            yield Entry(case, ENCODE)
            if source == "parquet":
                yield Entry(case, POLARS_WRITER)
    for case in whole_loads(size):
        for name in (ENCODE, UPLOAD, OURS):
            yield Entry(case, name)
        for name in (UPLOAD, OURS):
            yield Entry(case, name, THROTTLED)
    for name in (UPLOAD, FLOOR):
        yield Entry(LARGE_OBJECTS, name)


def whole_loads(size: str) -> Iterator[Case]:
    """Give the loads whose whole is held against its halves."""
    for source in SOURCES:
        for format_ in FORMATS:
            yield Case("lineitem", source, format_, False, size, COPIES)


def _compare(server: BulkS3, entries: Sequence[Entry], say: Callable[[str], None]) -> dict[tuple[Case, str], str]:
    """Let each write a few records, and give what is wrong with those of which not all values came through."""
    refused: dict[tuple[Case, str], str] = {}
    compared = {
        (agreement.tiny(entry.case), entry.contender): None for entry in entries if entry.contender in {OURS, *OTHERS}
    }
    say(f"comparing what {len(compared)} loads write")
    for case, contender in compared:
        target = target_of(server, KEPT, f"compared/{_prefix(case)}/{contender}")
        try:
            measured(CONTENDERS[contender], case, case.input(), target)
            wrong = agreement.difference(case, target)
        except RunFailed as error:
            wrong = str(error)
        if wrong and contender == OURS:
            raise RunFailed(f"{case}: this provider wrote other values: {wrong}")
        if wrong:
            refused[case, contender] = wrong
    return refused


def _prepare(case: Case, contender: str, target: Target) -> Callable[[], object]:
    """Prepare a run whose contender has done a tiny one before, with the client and bucket that it goes on to use."""
    prepare = CONTENDERS[contender]
    # But for the kept bucket, of whose runs no time counts.
    warm = replace(target, bucket=FORGOTTEN) if target.bucket == KEPT else target
    if contender in TAKES_OBJECTS:
        prepare(case, [b"warm"] * 8, warm)()
        return prepare(case, _objects(case, target), target)
    tiny = agreement.tiny(case)
    prepare(tiny, tiny.input(), warm)()
    return prepare(case, case.input(), target)


def _objects(case: Case, target: Target) -> list[bytes]:
    """Give what this provider wrote in this case."""
    if case == LARGE_OBJECTS:
        return [os.urandom(_LARGE)] * case.copies
    return [path.read_bytes() for path in sorted((target.kept / _prefix(case)).rglob("*")) if path.is_file()]


def _prefix(case: Case) -> str:
    return f"{case.dataset}-{case.source}-{case.format}-{case.size}-{case.copies}{'-gzip' if case.gzip else ''}"


def target_of(server: BulkS3, bucket: str, prefix: str) -> Target:
    """Give a prefix of a bucket of the server."""
    return Target(server.endpoint_url, str(server.certificate), server.kept, bucket, prefix)
