"""An attempt may die before or after each of its requests, and so may the next: the third repairs it."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import pytest

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery import open_uploads
from tests.model import CHAOS
from tests.model.schedules import (
    INPUTS,
    check_listed,
    check_manifests,
    describe,
    one_step_at_a_time,
)
from tests.model.world import MANIFESTS, Plan, World

MODES = {"plain": (False, False, False), "atomic": (True, True, True)}
MIXED = {"plain, then atomic": (False, True, True), "atomic, then plain": (True, False, False)}
STRIDE = 1 if CHAOS else 8
"""Of the points at which the second attempt dies; the first dies at each."""


@pytest.mark.parametrize("keeps_task_state", [False, True], ids=["state_path", "task state store"])
@pytest.mark.parametrize("after_success", [False, True], ids=["first load", "loaded before"])
@pytest.mark.parametrize("inputs", [("same", "same", "same"), ("grown", "changed", "shrunk")], ids=["same", "changed"])
@pytest.mark.parametrize("modes", [*MODES, *MIXED])
def test_a_third_attempt_repairs_what_two_crashes_left(
    modes: str, inputs: tuple[str, str, str], after_success: bool, keeps_task_state: bool, met: Counter[str]
) -> None:
    atomic = (MODES | MIXED)[modes]
    plans = [
        Plan(INPUTS[name], atomic=mode, manifest=key)
        for name, mode, (_, key) in zip(inputs, atomic, [*MANIFESTS, MANIFESTS[0]], strict=True)
    ]
    with (
        one_step_at_a_time(),
        patch.object(steps, "FIRST_RESERVED", 2),
        patch.object(open_uploads, "LOGGED_SECONDS", 0.0),
    ):
        world = World(keeps_task_state)
        if after_success:
            world.run(plans[0])
        points = 0
        for points, first in enumerate(world.forks(plans[0])):
            check_manifests(first)
            for second in first.forks(plans[1], STRIDE, points % STRIDE):
                check_manifests(second)

                last = second.run(plans[2])

                met["SCHEDULES"] += 1
                assert last.succeeded, "\n".join(second.history)
                check_listed(second, last)
                assert second.visible() == last.expected, "\n".join([*second.history, describe(second.visible())])
        assert points > 5  # requests of the shortest attempt
