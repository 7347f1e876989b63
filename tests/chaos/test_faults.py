"""Faults on the way to S3: single ones, which botocore retries, and lasting ones, which the next attempt repairs.

Each attempt that meets a fault follows a success with other and more input, so that it has something to replace and
something to remove.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import pytest

from airflow_provider_s3dest.errors import LoadStoppedError, StoreError
from airflow_provider_s3dest.s3.stop import StopFlag
from tests.chaos.loads import Load, Tables, sample, tables
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, BrokenOff, Fault, FaultProxy, Request, Send, cut, hung, lost, refused

pytestmark = pytest.mark.usefixtures("small_puts", "short_waits", "none_lives")

TIMEOUT = 1.0
ATTEMPTS = 2

FAULTS: Mapping[str, Fault | BrokenOff] = {
    "429": refused(429, "SlowDown"),
    "500": refused(500, "InternalError"),
    "503": refused(503, "SlowDown"),
    "reset before the body": BrokenOff(0),
    "reset in the body": BrokenOff(0.5),
    "response lost": lost,
    "hang": hung(TIMEOUT + 0.5),
}

OLD = tables("old", small=14, large=4)
NEW = tables("new", small=12, large=3)
NEW_IN_PARTS = tables("new", small=1, large=1, huge=1)

BODILESS = ("CreateMultipartUpload", "AbortMultipartUpload", "HeadObject", "GetObject")


class Case(NamedTuple):
    """One cell of the matrix; the requests for the state are told apart by where they go."""

    mode: str
    operation: str
    target: str
    fault: str
    position: str
    duration: str

    @property
    def atomic(self) -> bool:
        return self.mode == "atomic"


OPERATIONS = {
    "plain": [
        ("PutObject", "data"),
        ("CreateMultipartUpload", "data"),
        ("UploadPart", "data"),
        ("CompleteMultipartUpload", "data"),
        ("AbortMultipartUpload", "data"),
        ("DeleteObjects", "data"),
        ("HeadObject", "data"),
        ("GetObject", "state"),
        ("PutObject", "state"),
    ],
    "atomic": [
        ("CreateMultipartUpload", "data"),
        ("UploadPart", "data"),
        ("CompleteMultipartUpload", "data"),
        ("AbortMultipartUpload", "data"),
        ("DeleteObjects", "data"),
        ("GetObject", "state"),
        ("PutObject", "state"),
    ],
}

CASES = [
    Case(mode, operation, target, fault, position, duration)
    for mode, operations in OPERATIONS.items()
    for (operation, target), fault, position, duration in product(
        operations, FAULTS, ("first", "middle", "last"), ("once", "until retries are used up")
    )
    # The state is read once, and what has no body can't be cut in it.
    if not (operation == "GetObject" and position != "first")
    if not (operation in ("AbortMultipartUpload", "HeadObject") and fault == "reset in the body")
]


ALWAYS = [
    Case("plain", "AbortMultipartUpload", "data", "503", "first", "until retries are used up"),
    Case("atomic", "PutObject", "state", "503", "middle", "until retries are used up"),
]


@pytest.fixture(autouse=True)
def several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let surplus be deleted by more than one request."""
    monkeypatch.setattr("airflow_provider_s3dest.delivery.sweeper.KEYS_PER_REQUEST", 1)


@pytest.mark.parametrize("case", [*ALWAYS, *sample([case for case in CASES if case not in ALWAYS], 37)], ids=" - ".join)
def test_a_fault(shared_bucket: Bucket, proxy: FaultProxy, case: Case) -> None:
    load = Load(shared_bucket, case.atomic)
    wanted = NEW_IN_PARTS if case.operation == "UploadPart" else NEW
    number = _prepare(load, proxy, case)
    client = proxy.client(read_timeout=TIMEOUT, retries={"total_max_attempts": ATTEMPTS})
    fault = FAULTS[case.fault]
    if case.fault == "reset in the body" and case.operation in BODILESS:
        fault = cut(10)  # of the answer
    times = 1 if case.duration == "once" else ATTEMPTS
    after = _position(shared_bucket, proxy, case, wanted)
    proxy.on(case.operation, fault, times, after=after, prefix=_prefix(load, case), same=True)

    if case.duration == "once":
        report = load.attempt(number, wanted, client=client)
    else:
        with pytest.raises(StoreError) as failure:
            load.attempt(number, wanted, client=client)
        assert not failure.value.final
        if case.atomic and case.operation != "DeleteObjects":
            # What fails before the commit has changed nothing, once it has cleaned up; the last write comes after.
            assert load.holds(wanted if (case.target, case.position) == ("state", "last") else OLD)
        proxy.wait_until_idle()
        report = load.attempt(number + 1, wanted)

    assert len(proxy.broken) == times
    opened_unheard = case.operation == "CreateMultipartUpload" and (fault is lost or case.fault == "reset in the body")
    load.assert_exact(wanted, report, [request.key for request in proxy.broken] if opened_unheard else [])


def _prepare(load: Load, proxy: FaultProxy, case: Case) -> int:
    """Run the attempts before the one that meets the fault, and give the number of that."""
    if case.operation == "HeadObject":
        load.attempt(1, {**OLD, "small": NEW["small"]})  # some objects are the same, others not
        return 2
    load.attempt(1, OLD)
    if case.operation != "AbortMultipartUpload":
        return 2
    stop = StopFlag()

    def leave_open(request: Request, send: Send) -> Answer:
        if request.operation == "UploadPart":
            proxy.wait_for(lambda: len(proxy.seen("CreateMultipartUpload")) >= 3)
            stop.set()
        return send(request)

    proxy.on_each(leave_open)
    with pytest.raises(LoadStoppedError):
        load.attempt(2, NEW, proxy, stop=stop)
    proxy.wait_until_idle()
    proxy.on_each(None)
    assert len(load.open_uploads()) >= 3
    return 3


_requests: dict[tuple[str, str, str], int] = {}


def _position(bucket: Bucket, proxy: FaultProxy, case: Case, wanted: Tables) -> int:
    """Tell how many requests of the operation come before the one that is to be broken."""
    if case.position == "first":
        return 0
    if case.operation == "AbortMultipartUpload":
        return 1 if case.position == "middle" else 2
    counted = _requests.get(case[:3])
    if counted is None:
        twin = Load(bucket, case.atomic)
        number = _prepare(twin, proxy, case)
        proxy.requests.clear()
        twin.attempt(number, wanted, proxy)
        counted = _requests[case[:3]] = sum(
            request.key.startswith(_prefix(twin, case)) for request in proxy.seen(case.operation)
        )
    assert counted >= 3
    return counted // 2 if case.position == "middle" else counted - 1


def _prefix(load: Load, case: Case) -> str:
    """Tell what the keys of the requests begin with; that which deletes several objects names no key."""
    if case.operation == "DeleteObjects":
        return ""
    return load.folder if case.target == "data" else load.state_key
