"""A load that is told to stop begins no further request, however many objects wait, and the next try cleans up."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_s3dest.errors import LoadStoppedError
from airflow_provider_s3dest.upload import WORKERS
from tests.chaos.loads import LONG, Load, both_modes, tables
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("short_waits")

OBJECTS = 5_000 if LONG else 2_000
MANY = tables("many", small=OBJECTS, large=0)
FEW = tables("few", small=5, large=0)


@both_modes
def test_with_thousands_of_objects_that_wait(shared_bucket: Bucket, proxy: FaultProxy, atomic: bool) -> None:
    load = Load(shared_bucket, atomic)
    stop = threading.Event()
    operation = "UploadPart" if atomic else "PutObject"
    after: list[str] = []

    def hold_all(request: Request, send: Send) -> Answer:
        if stop.is_set():
            after.append(f"{request.operation} {request.key}")
        if request.operation != operation or not request.key.startswith(load.folder):
            return send(request)
        proxy.wait_for(lambda: stop.is_set() or len(_held(proxy, operation, load)) >= WORKERS)
        stop.set()
        return send(request)

    proxy.on_each(hold_all)
    with pytest.raises(LoadStoppedError):
        load.attempt(1, MANY, proxy, stop=stop)
    proxy.wait_until_idle()
    proxy.on_each(None)

    # The record alone is written, with what is open; nothing is aborted, which could take longer than a kill allows.
    assert set(after) <= {f"PutObject {load.state_key}"}
    assert len(_held(proxy, operation, load)) == WORKERS
    assert len(load.open_uploads()) == (WORKERS if atomic else 0)
    report = load.attempt(2, FEW)
    load.assert_exact(FEW, report)


def _held(proxy: FaultProxy, operation: str, load: Load) -> list[Request]:
    return [request for request in proxy.seen(operation) if request.key.startswith(load.folder)]
