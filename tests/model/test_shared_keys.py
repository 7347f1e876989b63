"""Two loads with the same keys: neither deletes what the other wrote, and each finds its objects after a success.

The loads are two runs, two mapped instances, or a run and an instance. The attempts of a load may get other inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.model import CHAOS
from tests.model.schedules import one_step_at_a_time
from tests.model.shared_keys import LOADS, MANIFEST, SHARED, Lake, SharedSchedule, Turns
from tests.model.world import PATH, Plan

SCHEDULES = 1_000 if CHAOS else 20
"""Of each case."""

STRIDE = 1 if CHAOS else 8
"""Of the points at which the attempt of one load dies; that of the other dies at each."""

TURNS = {
    "one after the other": Turns(),
    "loads at once": Turns(at_once=True),
    "all at once": Turns(at_once=True, overlapping=True),
    "all at once, lasting proofs": Turns(at_once=True, overlapping=True, lasting=True),
}
BYTES = pytest.mark.parametrize("same_bytes", [False, True], ids=["other bytes", "same bytes"])
KEPT = pytest.mark.parametrize("keeps_task_state", [False, True], ids=["state_path", "task state store"])


def plan(tables: Sequence[str], version: str, *, atomic: bool, manifest: str | None = None) -> Plan:
    contents = {name: [f"{name} of version {version}".encode()] for name in tables}
    return Plan(contents, atomic=atomic, path=SHARED, manifest=manifest)


@KEPT
@BYTES
@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("turns", TURNS)
def test_attempts_by_turns(turns: str, loads: str, same_bytes: bool, keeps_task_state: bool, met: Counter[str]) -> None:
    for seed in range(SCHEDULES):
        random = Random(f"{turns} {loads} {same_bytes} {keeps_task_state} {seed}")
        lake = Lake(loads, keeps_task_state, same_bytes, TURNS[turns].at_once)
        atomic, renamed = random.choice([0.0, 0.5, 1.0]), random.random() < 0.15
        plans = []
        for of_load in ["", ""] if same_bytes else [" of load 1", " of load 2"]:
            manifest = random.choice([None, MANIFEST])
            plans.append(
                [
                    replace(
                        plan(
                            random.sample("abc", random.randint(1, 3)),
                            random.choice("112") + of_load,
                            atomic=random.random() < atomic,
                            manifest=manifest,
                        ),
                        path=PATH if renamed and random.random() < 0.5 else SHARED,
                        large=random.random() < 0.2,
                    )
                    for _ in range(random.choice([1, 2, 2, 3]))
                ]
            )
        schedule = SharedSchedule(seed, lake, plans, TURNS[turns])

        schedule.run()

        met.update(lake.met)
        met["SCHEDULES"] += 1


@KEPT
@BYTES
@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_both_loads_crash_after_both_succeeded(
    atomic: bool, loads: str, same_bytes: bool, keeps_task_state: bool, met: Counter[str]
) -> None:
    versions = ["1", "1"] if same_bytes else ["1 of load 1", "1 of load 2"]

    def load(number: int, tables: str, manifest: str | None = None) -> tuple[int, Plan]:
        return number, plan(tables, versions[number], atomic=atomic, manifest=manifest)

    lake = Lake(loads, keeps_task_state, same_bytes)
    with one_step_at_a_time(), lake.explaining("both succeed"):
        for left, right in [(0, 1), (1, 0)]:
            lake.succeed(*load(left, "abc", MANIFEST))
            lake.succeed(*load(right, "bcd"))
            points = 0
            for points, first in enumerate(lake.fork().forks(*load(left, "ca", MANIFEST))):
                for second in first.forks(*load(right, "db"), STRIDE, points % STRIDE):
                    with second.explaining(f"crash at {points}"):
                        for number in (left, right) if points % 2 else (right, left):
                            second.succeed(*load(number, "a" if number == left else "cb"))
                    met["SCHEDULES"] += 1
                    met.update(second.met)
            assert points > 5  # requests of the shortest attempt
