"""An attempt may die before or after each of its requests, and so may the next: the third repairs it."""

from __future__ import annotations

from collections import Counter
from itertools import count
from unittest.mock import patch

import pytest

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery import open_uploads
from tests.model import CHAOS
from tests.model.schedules import INPUTS, check_listed, check_manifests, describe, one_step_at_a_time
from tests.model.world import MANIFESTS, Actor, Befalls, Plan, World

CRASHES = (Befalls.CRASH_BEFORE, Befalls.CRASH_AFTER)
MODES = {"plain": (False, False, False), "atomic": (True, True, True)}
MIXED = {"plain, then atomic": (False, True, True), "atomic, then plain": (True, False, False)}
STRIDE = 1 if CHAOS else 8
"""Of the points at which the second attempt dies; the first dies at each."""


def crash_at(actor: Actor, point: int, event: Befalls) -> bool:
    """Let an attempt die at one of its requests; say whether it has so many."""
    for _ in range(point):
        if actor.ended:
            return False
        actor.go_on()
    if actor.ended:
        return False
    actor.meet(event)
    return True


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
        for first in count():
            reached = False
            for event in CRASHES:
                for second in count(first % STRIDE, STRIDE):
                    world = World(keeps_task_state)
                    if after_success:
                        world.run(plans[0])
                    if not crash_at(world.begin(plans[0]), first, event):
                        break
                    reached = True
                    check_manifests(world)
                    crashed = crash_at(world.begin(plans[1]), second, event)
                    check_manifests(world)

                    last = world.run(plans[2])

                    met["SCHEDULES"] += 1
                    assert last.succeeded, "\n".join(world.history)
                    check_listed(world, last)
                    assert world.visible() == last.expected, "\n".join([*world.history, describe(world.visible())])
                    if not crashed:
                        break
            if not reached:
                assert first > 5  # requests of the shortest attempt
                return
