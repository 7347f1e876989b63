"""The client of one attempt; it counts requests, and one of them can meet something, in whatever thread it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

from airflow_provider_s3dest.s3.stop import StopFlag
from tests.model.memory_s3 import MemoryS3, refusal
from tests.model.memory_task_state import MemoryTaskState, out_of_order
from tests.model.world import Befalls, CrashedError, happen


class Fault(NamedTuple):
    """What one request of an attempt meets: that which comes after so many."""

    after: int
    event: Befalls


class Requests:
    """Sends the requests of one attempt, one at a time, and none any more once the attempt is dead."""

    def __init__(self, fault: Fault | None, stop: StopFlag) -> None:
        self._fault, self._stop = fault, stop
        self._sent = 0
        self._dead = False
        self._lock = threading.Lock()
        self.met = False

    def send(self, effect: Callable[[], Any], failure: Exception) -> Any:
        """Send a request, or let it meet the fault."""
        with self._lock:
            if self._dead:
                raise CrashedError
            self._sent += 1
            if self._fault is None or self._sent != self._fault.after + 1:
                return effect()
            self.met = True
            return self._meet(self._fault.event, effect, failure)

    def _meet(self, event: Befalls, effect: Callable[[], Any], failure: Exception) -> Any:
        if event in (Befalls.CRASH_AFTER, Befalls.FAIL_AFTER, Befalls.RESENT):
            happen(effect)
        if event is Befalls.RESENT:
            return effect()
        if event is Befalls.STOPPED:
            self._stop.set()
            self._stop.check()
        self._dead = event in (Befalls.CRASH_BEFORE, Befalls.CRASH_AFTER)
        raise CrashedError if self._dead else failure


class MemoryClient:
    """As much of a boto3 client as a load uses."""

    def __init__(self, s3: MemoryS3, requests: Requests) -> None:
        self._s3, self._requests = s3, requests
        self._handlers: list[Callable[[], object]] = []
        self.meta = SimpleNamespace(
            config=SimpleNamespace(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required"),
            events=SimpleNamespace(register=self._register, unregister=self._unregister),
        )

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            for handler in list(self._handlers):
                handler()
            effect = getattr(self._s3, method)
            return self._requests.send(lambda: effect(**arguments), refusal("SlowDown", 503, method))

        return call

    def _register(self, event: str, handler: Callable[[], object], **_: Any) -> None:
        if event.startswith("before-send"):
            self._handlers.append(handler)

    def _unregister(self, event: str, handler: Callable[[], object]) -> None:
        if event.startswith("before-send"):
            self._handlers.remove(handler)


class TaskStateClient:
    """What an attempt finds as ``context["task_state_store"]``."""

    def __init__(self, store: MemoryTaskState, number: int, requests: Requests) -> None:
        self._store, self._number, self._requests = store, number, requests

    def get(self, key: str, default: Any = None) -> Any:
        found = self._requests.send(lambda: self._store.get(self._number, key), out_of_order())
        return default if found is None else found

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self._requests.send(lambda: self._store.set(self._number, key, value), out_of_order())

    def delete(self, key: str) -> None:
        self._requests.send(lambda: self._store.delete(self._number, key), out_of_order())
