"""Single schedules in which one step more or less would lose a record or double it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_s3dest.errors import StoreError
from tests.model.schedules import INPUTS, check_listed, one_step_at_a_time
from tests.model.shared_keys import PROBE, SHARED, Lake
from tests.model.world import MANIFESTS, Actor, Befalls, Plan, World

PLAIN, ATOMIC = Plan(INPUTS["same"]), Plan(INPUTS["same"], atomic=True)
pytestmark = pytest.mark.usefixtures("steps")


@pytest.fixture
def steps() -> Iterator[None]:
    with one_step_at_a_time():
        yield


@pytest.fixture(params=[False, True], ids=["state_path", "task state store"])
def world(request: pytest.FixtureRequest) -> World:
    """A world whose state is kept in one place after the other."""
    return World(keeps_task_state=request.param)


def until(actor: Actor, operation: str, about: str = "") -> Actor:
    """Let an attempt run until it is about to send such a request."""
    while not actor.ended:
        assert actor.parked is not None
        if actor.parked.operation == operation and about in actor.parked.about:
            return actor
        actor.go_on()
    raise AssertionError(f"No {operation} was sent.\n" + "\n".join(actor.world.history))


def meet(actor: Actor, operation: str, event: Befalls, about: str = "") -> None:
    """Let an attempt run to such a request, which meets something; then let the attempt end."""
    meet_now(until(actor, operation, about), event)


def meet_now(actor: Actor, event: Befalls) -> None:
    """Let the next request of an attempt meet something; then let the attempt end."""
    actor.meet(event)
    actor.world.finish(actor)


@pytest.mark.parametrize("event", [Befalls.FAIL_BEFORE, Befalls.STOPPED])
def test_uploads_that_an_attempt_does_not_come_to_abort_are_aborted_by_the_next(world: World, event: Befalls) -> None:
    meet(world.begin(ATOMIC), "complete_multipart_upload", Befalls.CRASH_FLYING)
    meet(world.begin(ATOMIC), "abort_multipart_upload", event)

    last = world.run(ATOMIC)
    world.land()

    assert last.succeeded
    assert world.visible() == last.expected
    assert world.s3.uploads == {}


def test_a_manifest_that_a_superseded_attempt_completes_late_lists_nothing_that_is_gone(world: World) -> None:
    key = MANIFESTS[0][1]
    meet(
        world.begin(Plan(INPUTS["same"], atomic=True, manifest=key)),
        "complete_multipart_upload",
        Befalls.CRASH_FLYING,
        key,
    )

    last = world.run(Plan(INPUTS["changed"], atomic=True, manifest=key))
    world.land()

    check_listed(world, last)


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_staged_files_are_not_taken_for_loaded_before_their_manifest_is_there(world: World, atomic: bool) -> None:
    plan = Plan(INPUTS["same"], atomic=atomic, consumes=True, manifest=MANIFESTS[0][1])
    operation = "complete_multipart_upload" if atomic else "put_object"
    meet(world.begin(plan), operation, Befalls.CRASH_BEFORE, MANIFESTS[0][1])
    assert world.staged

    last = world.run(plan)

    assert last.succeeded
    assert not world.staged
    check_listed(world, last)


@pytest.mark.parametrize("event", [Befalls.FAIL_BEFORE, Befalls.FAIL_AFTER])
def test_an_atomic_load_whose_last_note_fails_changes_nothing(event: Befalls) -> None:
    world = World(keeps_task_state=False)
    first = world.run(ATOMIC)
    second = world.begin(Plan(INPUTS["changed"], atomic=True))
    burst = len(INPUTS["changed"]["a"]) + len(INPUTS["changed"]["b"])
    for _ in range(burst):
        until(second, "complete_multipart_upload").go_on()

    meet_now(until(second, "put_object"), event)

    assert not second.succeeded
    assert world.visible() == first.expected
    assert world.run(ATOMIC).expected == world.visible()


def test_a_last_note_that_airflow_takes_late_names_objects_that_are_there() -> None:
    world = World(keeps_task_state=True)
    loading = world.begin(Plan(INPUTS["same"], atomic=True, consumes=True))
    for _ in range(sum(map(len, INPUTS["same"].values()))):
        until(loading, "complete_multipart_upload").go_on()

    meet_now(until(loading, "state_set"), Befalls.FAIL_FLYING)
    world.land()

    assert not loading.succeeded
    assert world.run(Plan(INPUTS["same"], atomic=True, consumes=True)).succeeded
    assert world.visible() == loading.expected
    assert world.staged == set()


def of_tables(tables: str) -> Plan:
    return Plan({table: [table.encode()] for table in tables}, atomic=True, path=SHARED)


def test_an_object_that_another_load_wrote_with_the_same_bytes_is_no_completed_upload() -> None:
    lake = Lake("two runs", keeps_task_state=False, same_bytes=True)
    one, two = lake.worlds
    loading = until(one.begin(of_tables("a")), "complete_multipart_upload")
    loading.meet(Befalls.RESENT)
    two.run(of_tables("a"))

    one.finish(loading)

    assert not loading.succeeded
    lake.check(two)


def test_a_test_of_the_store_that_fails_in_passing_does_not_end_the_load_for_good() -> None:
    lake = Lake("two runs", keeps_task_state=False, same_bytes=True)
    world = lake.worlds[0]
    world.run(of_tables("ab"))
    loading = world.begin(of_tables("a"))

    meet(loading, "delete_object", Befalls.FAIL_BEFORE, PROBE)

    assert isinstance(loading.error, StoreError)
    assert not loading.error.final
    lake.succeed(0, of_tables("a"))


def test_a_test_of_the_store_is_repeated_where_another_attempt_removed_its_object() -> None:
    lake = Lake("two runs", keeps_task_state=False, same_bytes=True)
    world = lake.worlds[0]
    world.run(of_tables("ab"))
    loading = until(world.begin(of_tables("a")), "delete_object", PROBE)
    assert loading.parked is not None
    del lake.s3.objects["lake", loading.parked.about]

    world.finish(loading)

    lake.check(world)
