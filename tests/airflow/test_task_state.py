"""The state of a load in Airflow's task state store; `tests/system` shows what the store does to several attempts."""

from __future__ import annotations

import signal
import threading
from collections import deque
from types import FrameType
from typing import Any

import pytest

from airflow_provider_s3dest.errors import StateError, StoreError
from airflow_provider_s3dest.operators.task_state_store import CHUNK, KEY, TaskStateStore
from tests.airflow import versions
from tests.servers import Bucket
from tests.upgrade.attempt import TaskStateStore as InMemory
from tests.upgrade.attempt import run_task

pytestmark = pytest.mark.skipif(not versions.KEEPS_STATE, reason="this Airflow has no task state store")


class Store(dict[str, Any]):
    """A state store in memory."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.mark.parametrize("text", ["short", "x" * CHUNK, "x" * (CHUNK + 1), "once, " + "repeated, " * CHUNK])
def test_a_text_of_any_length_is_read_back_and_nothing_of_an_earlier_one_stays(text: str) -> None:
    store = Store()
    state = TaskStateStore(store)
    state.update(lambda _: "earlier " * CHUNK)

    state.write(text)

    assert TaskStateStore(store).peek() == state.peek() == text
    named = store["s3dest"].get("chunks", [])
    assert store.keys() == {"s3dest", *named}


@pytest.mark.parametrize(
    "root",
    [
        *(5, "x", [], {}, {"owner": 1, "text": "x"}, {"owner": "a", "text": 5}, {"owner": "a", "chunks": "x"}),
        *({"owner": "a", "chunks": ["missing"]}, {"owner": "a", "chunks": ["s3dest"]}, {"owner": "a", "chunks": [1]}),
    ],
)
def test_what_is_no_state_is_an_error_that_names_the_key(root: Any) -> None:
    store = Store(s3dest=root)
    with pytest.raises(StateError, match=r"The key 's3dest' in Airflow's .* does not hold the state .* Delete it by"):
        TaskStateStore(store).update(lambda _: "never")
    assert store == {"s3dest": root}


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_the_first_attempt_with_state_path_takes_over(
    lake: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, atomic: bool
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    how: dict[str, Any] = {"bucket": lake.name, "table": "t", "path": "raw/{{UUID}}.json", "format": "json"}
    how |= {"batch_size": 1, "atomic": atomic}
    store = InMemory()
    run_task("load", {**how, "records": [{"n": n} for n in range(5)]}, store=store)

    run_task("load", {**how, "records": [{"n": 0}], "state_path": "_state"}, number=2, store=store)
    run_task("load", {**how, "records": [{"n": 1}, {"n": 2}], "state_path": "_state"}, number=3)

    assert sorted(lake.objects("raw/").values()) == [b'{"n":1}\n', b'{"n":2}\n']
    assert "this is a retry" not in caplog.text.lower()


class LateStore(Store):
    """A state store that may say it failed, and do what it was told some time later."""

    def __init__(self) -> None:
        self.fails = False
        self.late: list[tuple[str, Any]] = []

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        if self.fails and key == KEY:
            from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
            from airflow.sdk.execution_time.comms import ErrorResponse

            self.late.append((key, value))
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))
        super().set(key, value, retention=retention)


def test_a_write_that_takes_effect_after_the_next_leaves_a_whole_text() -> None:
    store = LateStore()
    state = TaskStateStore(store)
    state.update(lambda _: "first, " * CHUNK)
    store.fails = True
    with pytest.raises(StoreError):
        state.write("second, " * CHUNK)
    store.fails = False
    state.write("third, " * CHUNK)
    state.write("fourth")

    store.update(store.late)

    assert TaskStateStore(store).peek() == "second, " * CHUNK


class OutOfTime(BaseException):
    """As Airflow's: no Exception, and raised in the main thread."""


class Supervised(Store):
    """A store behind a connection that takes one call at a time, and gives each the oldest answer that is there."""

    def __init__(self) -> None:
        self.answers: deque[Any] = deque()
        self.lock = threading.Lock()
        self.calling = threading.Event()
        self.answering = threading.Event()
        self.answering.set()

    def get(self, key: str, default: Any = None) -> Any:
        return self.call(super().get(key, default))

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        super().set(key, value, retention=retention)
        self.call(None)

    def call(self, answer: Any) -> Any:
        with self.lock:
            self.answers.append(answer)
            self.calling.set()
            self.answering.wait(30)
            return self.answers.popleft()


def test_a_timeout_in_the_midst_of_a_call_spoils_no_later_call() -> None:
    def out_of_time(signal_number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    store, main = Supervised(), threading.get_ident()
    state = TaskStateStore(store)
    state.update(lambda _: "first")
    store.calling.clear()
    store.answering.clear()

    def end_time() -> None:
        assert store.calling.wait(30)
        signal.pthread_kill(main, signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, out_of_time)
    timer = threading.Thread(target=end_time)
    timer.start()
    try:
        with pytest.raises(OutOfTime):
            state.update(lambda _: "second")
    finally:
        signal.signal(signal.SIGALRM, previous)
        timer.join()
    store.answering.set()

    state.write("last")
    assert state.peek() == "last"
