"""Profiles: in which functions each lane spends its time, by cProfile, in the thread that reads and encodes."""

from __future__ import annotations

import cProfile
import pstats
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import agreement, inputs
from bench.cases import FORMATS, SOURCES, Case, Target
from bench.contenders.ours import prepare_encode
from bench.document import table
from bench.process import result_of
from bench.speed import COPIES, target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3

_LEAST = 0.04
"""Share of a load that a function needs to be named."""

_METHOD = re.compile(r"<(?:built-in )?method (?:'(?P<method>\w+)' of '(?P<kind>[\w.]+)' objects|(?P<function>[\w.]+))>")

Function = tuple[str, int, str]
"""What pstats calls a function: its file, ``~`` if it is none of Python, line and name."""


def profiles_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Profile every lane, and write a table for each."""
    size = "short" if short else "full"
    inputs.make("tiny")
    inputs.make(size, COPIES)
    parts = []
    for case in _cases(size):
        say(f"{case}")
        shares = result_of(_shares, case, target_of(server, FORGOTTEN, "profiles"))
        rows = [[f"`{name}`", f"{share:.0%}"] for name, share in shares]
        parts.append(f"### {str(case).capitalize()}\n\n{table(['function', 'share'], rows)}")
    return "\n\n".join(parts)


def _cases(size: str) -> Iterator[Case]:
    for dataset, sources in (("lineitem", SOURCES), ("mixed", ("dicts",))):
        for source in sources:
            for format_ in FORMATS:
                yield Case(dataset, source, format_, False, size, COPIES)


def _shares(case: Case, target: Target) -> list[tuple[str, float]]:
    """Encode once to warm up and once in the profiler, and give the functions with most time of their own."""
    tiny = agreement.tiny(case)
    prepare_encode(tiny, tiny.input(), target)()
    profile = cProfile.Profile()
    profile.runcall(prepare_encode(case, case.input(), target))
    times: dict[str, float] = defaultdict(float)
    stats: dict[Function, tuple[int, int, float, float, dict[Function, tuple[int, int, float, float]]]]
    stats = vars(pstats.Stats(profile))["stats"]
    for function, (_, _, own, _, callers) in stats.items():
        if function[0] != "~":
            times[_name(function)] += own
            continue
        for caller, (_, _, called, _) in callers.items():
            times[f"{_name(caller)}: {_name(function)}"] += called
    least = _LEAST * sum(times.values())
    most = sorted(((time, name) for name, time in times.items() if time >= least), reverse=True)
    return [(name, time / sum(times.values())) for time, name in most]


def _name(function: Function) -> str:
    file, _, name = function
    if file != "~":
        return f"{Path(file).stem}.{name.strip('<>')}"
    found = _METHOD.fullmatch(name)
    if found is None:
        return name.strip("<>")
    return found["function"] or f"{found['kind']}.{found['method']}"
