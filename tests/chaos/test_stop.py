"""A load that is killed or out of time begins no further request, however many objects wait; the next cleans up."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from airflow_provider_s3dest.delivery.worker_pool import WORKERS
from airflow_provider_s3dest.errors import LoadStoppedError
from airflow_provider_s3dest.s3.stop import StopFlag
from tests.chaos.loads import LONG, Load, both_modes, tables
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("short_waits", "none_lives")

OBJECTS = 5_000 if LONG else 2_000
MANY = tables("many", small=OBJECTS, large=0)
FEW = tables("few", small=5, large=0)


class OutOfTimeError(BaseException):
    """As Airflow's: no Exception, and raised in the main thread by a signal."""


@contextmanager
def on_signal(handler: Callable[[], None]) -> Iterator[None]:
    """Let a signal call a handler in the main thread, wherever that is, as Airflow does."""

    def handle(number: int, frame: FrameType | None) -> None:
        handler()

    previous = signal.signal(signal.SIGALRM, handle)
    gc.disable()  # what is raised while Python collects the clients of other tests, it ignores
    try:
        yield
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, previous)


@both_modes
@pytest.mark.parametrize("how", ["killed", "out of time"])
def test_with_thousands_of_objects_that_wait(shared_bucket: Bucket, proxy: FaultProxy, atomic: bool, how: str) -> None:
    load = Load(shared_bucket, atomic)
    stop, main = StopFlag(), threading.get_ident()
    told, ended = threading.Event(), threading.Event()
    operation = "UploadPart" if atomic else "PutObject"
    after: list[str] = []

    def end() -> None:
        told.set()
        if how == "out of time":
            raise OutOfTimeError
        stop.set()

    def hold_all(request: Request, send: Send) -> Answer:
        if told.is_set():
            after.append(f"{request.operation} {request.key}")
        if request.operation == operation and request.key.startswith(load.folder):
            if len(_held(proxy, operation, load)) == WORKERS:
                signal.pthread_kill(main, signal.SIGALRM)
            assert ended.wait(60)
        return send(request)

    proxy.on_each(hold_all)
    with on_signal(end), pytest.raises(LoadStoppedError if how == "killed" else OutOfTimeError):
        load.attempt(1, MANY, proxy, stop=stop)
    ended.set()
    proxy.wait_until_idle()
    proxy.on_each(None)

    # Only the state is written, with what is open; nothing is aborted, which could take longer than a kill allows.
    # It is read first where the signal came in the midst of a write of it, of which the main thread knows no end.
    assert set(after) <= {f"PutObject {load.state_key}", f"GetObject {load.state_key}"}
    assert len(_held(proxy, operation, load)) == WORKERS
    assert len(load.open_uploads()) == (WORKERS if atomic else 0)
    report = load.attempt(2, FEW)
    load.assert_exact(FEW, report)


def _held(proxy: FaultProxy, operation: str, load: Load) -> list[Request]:
    return [request for request in proxy.seen(operation) if request.key.startswith(load.folder)]
