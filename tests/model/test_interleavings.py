"""Whatever happens to two to four attempts that run by turns, the bucket holds the newest success at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest

from tests.model import CHAOS
from tests.model.schedules import INPUTS, Schedule, Settings
from tests.model.world import MANIFESTS, Plan

SCHEDULES = 5_000 if CHAOS else 250
"""Of each case."""

Inputs = Callable[[Random, int], Sequence[str]]


def same(random: Random, count: int) -> Sequence[str]:
    return ["same"] * count


def grown(random: Random, count: int) -> Sequence[str]:
    cut = random.randrange(1, count)
    return ["same"] * cut + ["grown"] * (count - cut)


def any_input(random: Random, count: int) -> Sequence[str]:
    return [random.choice(list(INPUTS)) for _ in range(count)]


CASES: dict[str, tuple[Inputs, Settings, float]] = {
    "atomic": (any_input, Settings(), 1.0),
    "plain, same input, in flight": (same, Settings(), 0.0),
    "plain, grown input, in flight": (grown, Settings(), 0.0),
    "plain, any input": (any_input, Settings(in_flight=False), 0.0),
    "plain and atomic by turns": (any_input, Settings(in_flight=False), 0.5),
    "plain and atomic, one after the other": (any_input, Settings(in_flight=False, overlapping=False), 0.5),
}
"""The inputs of the attempts, what may happen, and how many of the attempts are atomic."""


@pytest.mark.parametrize("keeps_task_state", [False, True], ids=["state_path", "task state store"])
@pytest.mark.parametrize("case", CASES)
def test_the_newest_success_alone_is_visible(case: str, keeps_task_state: bool, met: Counter[str]) -> None:
    inputs, settings, atomic = CASES[case]
    for seed in range(SCHEDULES):
        random = Random(f"{case} {seed}")
        count = random.choice([2, 3, 3, 4])
        keys = [None, *(key for _, key in MANIFESTS)]
        # A deletion in flight can land on a manifest of the same key, so that there all attempts have one.
        manifests = [random.choice(keys)] if settings.in_flight else keys
        plans = [
            Plan(
                INPUTS[name],
                atomic=random.random() < atomic,
                large=random.random() < 0.3,
                manifest=random.choice(manifests),
                fails_at=random.choice([None, None, None, 1]) if number < count else None,
            )
            for number, name in enumerate(inputs(random, count), 1)
        ]

        schedule = Schedule(seed, plans, settings, keeps_task_state=keeps_task_state)
        schedule.run()

        met.update(schedule.met)
        met["SCHEDULES"] += 1
