"""A plain load that died at 90 % sends about 10 % in the next attempt; bytes are counted on the way.

In the long form it is one of 10 GB in 2,000 objects, else one of 5 MB in 50.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.report import LoadReport
from tests.chaos.loads import LONG, Load
from tests.servers import Bucket
from tests.servers.bucket_policy import deny
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

pytestmark = pytest.mark.usefixtures("short_waits", "none_lives")

OBJECTS, IN_OBJECT = (2_000, 5_000) if LONG else (50, 100)
TEXT = "a kilobyte" * 100


def records(first: int = 0, count: int = OBJECTS * IN_OBJECT) -> Iterator[dict[str, Any]]:
    """Return records of about 1 kB."""
    return ({"n": n, "text": TEXT} for n in range(first, first + count))


def run(load: Load, number: int, proxy: FaultProxy) -> LoadReport:
    """Run an attempt."""
    return load.attempt(number, {"t": records()}, proxy, batch_size=IN_OBJECT)


def sent(proxy: FaultProxy, load: Load) -> int:
    """Count the bytes of all objects that were sent."""
    return sum(one.length for one in proxy.seen("PutObject") if one.key.startswith(load.folder))


def assert_exact(load: Load, report: LoadReport) -> None:
    """Check that each object holds its records, and that there is no other."""
    bucket = load.bucket
    keys = bucket.keys(f"{load.folder}t/")
    assert report.uris == (None if LONG else [f"s3://{bucket.name}/{key}" for key in keys])
    assert report.objects == len(keys) == OBJECTS
    for number, key in enumerate(keys):
        lines = [json.dumps(one, separators=(",", ":")) + "\n" for one in records(number * IN_OBJECT, IN_OBJECT)]
        assert bucket.read(key) == "".join(lines).encode()


@pytest.fixture
def proxy(shared_bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to SeaweedFS that counts the bytes and does not keep them."""
    with FaultProxy.before(shared_bucket.server, keeps_bodies=False) as between:
        yield between


def die_at_90_percent(load: Load, proxy: FaultProxy) -> None:
    """Run an attempt whose every request fails from there on."""
    stored: list[str] = []
    lock = threading.Lock()

    def refuse_the_rest(request: Request, send: Send) -> Answer:
        with lock:
            if len(stored) == OBJECTS * 9 // 10:
                return refused(503, "SlowDown")(request, send)
            if request.operation == "PutObject" and request.key.startswith(load.folder):
                stored.append(request.key)
        return send(request)

    proxy.on_each(refuse_the_rest)
    with pytest.raises(StoreError):
        run(load, 1, proxy)
    proxy.wait_until_idle()
    proxy.on_each(None)
    assert len(set(stored)) == OBJECTS * 9 // 10
    proxy.requests.clear()


def test_what_is_stored_is_not_sent_again(shared_bucket: Bucket, proxy: FaultProxy) -> None:
    load = Load(shared_bucket, atomic=False)
    die_at_90_percent(load, proxy)

    report = run(load, 2, proxy)

    assert report.bytes >= OBJECTS * IN_OBJECT * len(TEXT)
    assert 0 < sent(proxy, load) <= 0.11 * report.bytes
    looked_at = [one.key for one in proxy.seen("HeadObject") if one.key.startswith(load.folder)]
    assert OBJECTS * 9 // 10 <= len(looked_at) == len(set(looked_at)) <= OBJECTS
    assert_exact(load, report)


def test_without_the_right_to_look_all_is_sent(seaweedfs_bucket: Bucket) -> None:
    load = Load(seaweedfs_bucket, atomic=False)
    with FaultProxy.before(seaweedfs_bucket.server, keeps_bodies=False) as proxy:
        die_at_90_percent(load, proxy)
        deny(seaweedfs_bucket, "s3:GetObject", prefix="out/")

        report = run(load, 2, proxy)

        assert sent(proxy, load) == report.bytes
        assert 0 < len(proxy.seen("HeadObject")) < OBJECTS
    seaweedfs_bucket.server.client().delete_bucket_policy(Bucket=seaweedfs_bucket.name)
    assert_exact(load, report)
