"""Two attempts at once, without a scheduler: the first pauses at a step, the second succeeds, the first goes on.

A pause is a request that is held, before the server gets it or before the attempt learns of it, by itself or with the
whole process stopped.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.worker_pool import WORKERS
from tests.chaos.full_loads import KINDS, SIDECARS, FullLoad
from tests.chaos.loads import Load, Tables, sample
from tests.chaos.one_attempt import Input, start
from tests.chaos.started_attempt import StartedAttempt
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("small_puts", "short_waits")

OLD = Input("old", small=9, large=2, bad=5)
FIRST = Input("first", small=6, large=2, bad=3)
INPUTS = {"changed": Input("changed", small=6, large=2, bad=1), "grown": Input("first", small=8, large=3, bad=3)}


class Point(NamedTuple):
    """Where the first attempt pauses: at the request of so great a number in a step."""

    mode: str
    step: str
    number: int
    when: str


POINTS = [
    Point(mode, step, number, when)
    for mode, steps in {
        "plain": [("claim", 0), ("send", 0), ("send", 3), ("commit", 0), ("delete", 0), ("clean", 0)],
        "atomic": [
            ("claim", 0),
            ("fill", 0),
            ("fill", 5),
            ("prepare", 0),
            ("publish", 0),
            ("publish", 4),
            ("commit", 0),
            ("delete", 0),
            ("clean", 0),
        ],
    }.items()
    for (step, number), when in product(steps, ("before", "after"))
]
CASES = list(product(KINDS, POINTS, INPUTS, ("held", "stopped")))


class Pause:
    """Holds one request of an attempt, and stops its process if asked to."""

    def __init__(self, point: Point, load: Load, stops: bool) -> None:
        self._point, self._load, self._stops = point, load, stops
        self._seen = 0
        self._lock = threading.Lock()
        self._go_on = threading.Event()
        self.reached = threading.Event()
        self._held = False
        self.started: Future[StartedAttempt] = Future()

    def __call__(self, request: Request, send: Send) -> Answer:
        with self._lock:
            here = _step(request, self._load) == self._point.step and not self._held
            self._seen += here
            if not here or self._seen <= self._point.number:
                here = False
            else:
                self._held = True
        if not here:
            return send(request)
        answer = send(request) if self._point.when == "after" else None
        if self._stops:
            self.started.result().signal(signal.SIGSTOP)
        self.reached.set()
        assert self._go_on.wait(120)
        return answer or send(request)

    def end(self) -> None:
        """Let the attempt go on."""
        if self._stops and self._held and not self._go_on.is_set():
            self.started.result().signal(signal.SIGCONT)
        self._go_on.set()


@pytest.mark.parametrize(
    ("kind", "point", "change", "how"),
    sample(CASES, 37),
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_the_newer_attempt_stays(
    shared_bucket: Bucket, proxy: FaultProxy, kind: str, point: Point, change: str, how: str
) -> None:
    load = KINDS[kind](shared_bucket, point.mode == "atomic")
    load.attempt(1, given(load, OLD).tables())
    wanted = given(load, INPUTS[change]).tables()

    with paused(proxy, load, point, stops=how == "stopped") as (pause, older):
        report = load.attempt(3, wanted)
        pause.end()
        error = older.outcome()
        proxy.wait_until_idle()

    # The last write of its clean-up had been done: it was whole before the newer one began.
    assert error == (None if (point.step, point.when) == ("clean", "after") else "SupersededError")
    in_flight = (point.when == "before" or how == "stopped") and point.step == "send"
    if in_flight and point.mode == "plain" and change == "changed":
        # S3 can't fence what is in flight: an object of a held request, and no other, may be that of the older attempt.
        late = _late(load, wanted)
        assert len(late) <= (WORKERS if how == "stopped" else 1)
        report = load.attempt(4, wanted)
    elif point == Point("plain", "delete", 0, "before") and isinstance(load, FullLoad):
        # Nor can it fence a deletion: the newer manifest and definitions are gone, and nothing else.
        assert load.found() == {name: own for name, own in load.expected(wanted).items() if name not in SIDECARS}
        report = load.attempt(4, wanted)
    load.assert_exact(wanted, report)


@contextmanager
def paused(proxy: FaultProxy, load: Load, point: Point, *, stops: bool) -> Iterator[tuple[Pause, StartedAttempt]]:
    """Start an attempt, wait until it has come to a point, and let nothing of it outlive the block."""
    pause = Pause(point, load, stops)
    proxy.on_each(pause)
    older = start(load, 2, given(load, FIRST), proxy, others_live=True)
    pause.started.set_result(older)
    try:
        assert pause.reached.wait(60)
        yield pause, older
    finally:
        pause.end()
        older.kill()


def given(load: Load, chosen: Input) -> Input:
    """Return a load no bad records that can't set them aside."""
    return chosen if isinstance(load, FullLoad) else replace(chosen, bad=0)


def _late(load: Load, wanted: Tables) -> list[bytes]:
    """Return the objects that hold what the older attempt wrote, all others being as they must be."""
    newer, older = load.expected(wanted), load.expected(given(load, FIRST).tables())
    found = load.found()
    assert {name: len(own) for name, own in found.items()} == {name: len(own) for name, own in newer.items()}
    late = []
    for name, own in found.items():
        for number, body in enumerate(own):
            if body != newer[name][number]:
                assert body == older[name][number]
                late.append(body)
    return late


def _step(request: Request, load: Load) -> str | None:
    """Tell to which step of the load a request belongs."""
    if request.operation == "DeleteObjects":
        return "delete"
    if request.key.startswith(load.folder):
        steps = {"PutObject": "send", "UploadPart": "fill", "CompleteMultipartUpload": "publish"}
        return steps.get(request.operation)
    if request.operation != "PutObject":
        return None
    record = LoadState.from_text(json.loads(request.body)["record"])
    if any(ranges.settings.generation == record.generation for ranges in record.live) and not record.pending:
        return "commit" if record.doomed else "clean"
    return "prepare" if load.atomic and record.pending else "claim"
