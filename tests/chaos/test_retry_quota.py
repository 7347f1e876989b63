"""A long load with one client, through a way that fails so often that botocore's quota of retries is used up."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.retries.quota import RetryQuota

from tests.chaos.loads import LONG, Load, both_modes, tables
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

pytestmark = pytest.mark.usefixtures("short_waits", "none_lives")

FAILURES = 3
"""Of every third request, before it is answered."""

OBJECTS = 400 if LONG else 150


class EveryThird:
    """Fails every third request, and the same again when it is repeated, so many times."""

    def __init__(self, failure: str) -> None:
        self._failure = failure
        self._failed: dict[tuple[object, ...], int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request, send: Send) -> Answer:
        # A look at the state is repeated by another look, which can't be told from the first.
        same = request.operation, request.target, request.body
        with self._lock:
            left = self._failed.setdefault(same, FAILURES if len(self._failed) % 3 == 0 else 0)
            self._failed[same] = max(0, left - 1)
        if not left:
            return send(request)
        return refused(503, "InternalError")(request, send) if self._failure == "503" else Answer(0, {}, b"", sent=-1)


@both_modes
@pytest.mark.parametrize("failure", ["503", "reset"])
def test_the_load_succeeds(
    shared_bucket: Bucket, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, atomic: bool, failure: str
) -> None:
    refusals = []

    def acquire(quota: RetryQuota, amount: int) -> bool:
        granted = within(quota, amount)
        refusals.extend([] if granted else [amount])
        return bool(granted)

    within: Any = RetryQuota.acquire
    monkeypatch.setattr(RetryQuota, "acquire", acquire)
    load = Load(shared_bucket, atomic)
    load.attempt(1, tables("old", small=OBJECTS + 20, large=0))
    wanted = tables("new", small=OBJECTS, large=0)
    client = proxy.client(retries={"total_max_attempts": FAILURES + 1})

    proxy.on_each(EveryThird(failure))
    report = load.attempt(2, wanted, client=client)

    assert len(refusals) > 20
    load.assert_exact(wanted, report)
