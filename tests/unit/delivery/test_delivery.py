"""When a delivery writes its state, what it notes ahead, and how long it waits for earlier attempts; the tests turn
the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from airflow_provider_s3dest.delivery import delivery as delivery_module
from airflow_provider_s3dest.delivery import fence, open_uploads
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import BatchRanges, KeySettings, LoadState, Upload
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId, StoredObject
from airflow_provider_s3dest.delivery.state_store import NoState
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import LoadStoppedError

NAMING = KeySettings("lake", "out/{{TABLE}}/{{UUID}}.json", "json", None)
PLACE = "t", ""


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class State:
    """Keeps the state in memory, with all earlier ones."""

    durable = in_order = follows = True
    is_open = False
    where = remedy = ""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.verified = 0

    def peek(self) -> str | None:
        return self.written[-1] if self.written else None

    def update(self, change: Callable[[str | None], str]) -> None:
        self.written.append(change(self.peek()))

    def write(self, text: str) -> None:
        self.written.append(text)

    def verify(self) -> None:
        self.verified += 1

    @property
    def load_state(self) -> LoadState:
        return LoadState.from_text(self.peek())

    @property
    def reserved(self) -> int:
        """How many batches of the table may exist by the state, and are no part of a success."""
        return max((names.ranges[PLACE][1] for names in self.load_state.pending), default=0)


class NothingToSweep(Sweeper):
    """Aborts and deletes nothing."""

    def __init__(self) -> None:
        """Need no client."""

    def stop(self) -> None:
        """Nothing is under way."""

    def abort(self, uploads: Sequence[Upload]) -> None:
        """Nothing is open."""

    def delete(self, objects: Iterable[tuple[str, str]]) -> None:
        """Nothing is there."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    clock = Clock()
    for module in (delivery_module, fence, open_uploads):
        monkeypatch.setattr(module, "time", clock)
    return clock


def claimed(state: State, *, atomic: bool = False) -> Delivery:
    """Begin an attempt."""
    delivery = Delivery(NAMING, LoadIdentity.of_load_id("load"), state, NothingToSweep(), atomic=atomic)
    delivery.claim(["t"])
    return delivery


def batch(number: int) -> BatchId:
    return BatchId(*PLACE, number)


def stored(count: int) -> list[StoredObject]:
    return [StoredObject("key", batch(number), 1, 1) for number in range(count)]


class TestReserves:
    def test_one_batch_by_the_claim_so_that_a_small_load_writes_twice(self, clock: Clock) -> None:
        state = State()
        delivery = claimed(state)

        delivery.reserve(batch(0))
        delivery.commit(stored(1))

        assert len(state.written) == 2

    def test_no_name_ahead_where_batches_come_slowly(self, clock: Clock) -> None:
        state = State()
        delivery = claimed(state)

        for number in range(20):
            clock.now += 1.1
            delivery.reserve(batch(number))
            assert state.reserved == number + 1

    def test_what_a_second_needs_where_they_come_quickly(self, clock: Clock) -> None:
        state = State()
        delivery = claimed(state)

        for number in range(100_000):
            clock.now += 0.004
            delivery.reserve(batch(number))
            assert number < state.reserved <= number + 1 + 250

        assert len(state.written) < 450

    def test_exactly_what_was_begun_once_the_load_is_killed(self, clock: Clock) -> None:
        state = State()

        with suppress(LoadStoppedError), claimed(state) as delivery:
            for number in range(60):
                clock.now += 0.01
                delivery.reserve(batch(number))
            assert state.reserved > 60
            raise LoadStoppedError("killed")

        assert state.reserved == 60


def test_a_retry_without_state_says_what_it_can_not_do(caplog: pytest.LogCaptureFixture) -> None:
    for retried in (False, True):
        caplog.clear()
        delivery = Delivery(NAMING, LoadIdentity.of_load_id("load"), NoState(), NothingToSweep(), retried=retried)
        delivery.claim(["t"])
        assert ("its surplus objects remain. Set `state_path`" in caplog.text) == retried


class TestNotesOpenUploads:
    def test_a_second_after_the_last_write(self, clock: Clock) -> None:
        state = State()
        delivery = claimed(state, atomic=True)
        delivery.opened("key", "id")

        clock.now += 0.9
        delivery.tick()
        assert len(state.written) == 1
        clock.now += 0.2
        delivery.tick()
        delivery.tick()

        assert len(state.written) == 2
        assert state.load_state.uploads == [Upload("lake", "key", "id")]

    @pytest.mark.parametrize("pace", [20, 200])
    def test_at_a_cost_that_grows_no_faster_than_their_number(self, clock: Clock, pace: int) -> None:
        def cost(uploads: int) -> int:
            state = State()
            delivery = claimed(state, atomic=True)
            for number in range(uploads):
                clock.now += 1 / pace
                delivery.opened(f"out/t/{number:050}", f"{number:060}")
                delivery.tick()
            return sum(map(len, state.written))

        assert cost(10_000) < 2.5 * cost(5_000)


class TestIsQuietAtFirst:
    def test_while_an_earlier_attempt_may_not_know_that_it_was_superseded(self, clock: Clock) -> None:
        state = State()
        claimed(state).reserve(batch(0))

        delivery = claimed(state)
        delivery.fence()
        delivery.fence()

        assert clock.slept == [fence.QUIET_SECONDS]

    def test_but_not_after_a_success_nor_where_uploads_can_be_aborted(self, clock: Clock) -> None:
        for atomic in (False, True):
            state = State()
            claimed(state).commit(stored(1))
            claimed(state, atomic=atomic).fence()
        claimed(state, atomic=True).fence()

        assert clock.slept == []

    def test_atomic_too_while_an_earlier_attempt_may_put_an_object(self, clock: Clock) -> None:
        state = State()
        claimed(state).reserve(batch(0))

        claimed(state, atomic=True).fence()

        assert clock.slept == [fence.QUIET_SECONDS]

    @pytest.mark.parametrize("atomic", [False, True])
    @pytest.mark.parametrize(("path", "waits"), [("out/{{TABLE}}.json", 1), (NAMING.path, 0)])
    def test_while_an_earlier_attempt_may_delete_under_keys_that_are_used_again(
        self, clock: Clock, path: str, waits: int, atomic: bool
    ) -> None:
        state = State()
        doomed = BatchRanges.of(replace(NAMING, path=path), [batch(0)], committed=True)
        state.write(LoadState(doomed=[doomed]).to_text())

        claimed(state, atomic=atomic).fence()

        assert clock.slept == [fence.QUIET_SECONDS] * waits

    def test_and_a_claim_whose_answer_comes_late_is_no_fresh_sign(self, clock: Clock) -> None:
        class Slow(State):
            def update(self, change: Callable[[str | None], str]) -> None:
                super().update(change)
                clock.now += fence.FENCE_SECONDS  # in which a newer attempt may have claimed the load

        state = Slow()
        claimed(state).fence()

        assert state.verified == 1


def test_the_record_knows_the_path_of_bad_records_and_reads_one_that_knows_none() -> None:
    for naming in (NAMING, replace(NAMING, quarantine="bad/{{UUID}}.json")):
        names = BatchRanges.of(
            naming, [BatchId("t", "", 1), BatchId("t", QUARANTINE, 0)] if naming.quarantine else [batch(1)]
        )
        state = LoadState(live=[names])
        assert LoadState.from_text(state.to_text()).live == [names]
    keys = [key for _, key in names.keys(LoadIdentity.of_load_id("load-1"))]
    assert [key.split("/")[0] for key in keys] == ["out", "out", "bad"]
