"""A plain load that died at 90 % sends about 10 % in the next try; bytes are counted on the way."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_s3dest.errors import StoreError
from tests.chaos.loads import Load, tables
from tests.servers import Bucket
from tests.servers.bucket_policy import deny
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

pytestmark = pytest.mark.usefixtures("short_waits", "none_lives")

OBJECTS = 50
RECORDS = tables("same", small=0, large=OBJECTS)


def sent(proxy: FaultProxy, load: Load) -> int:
    """Count the bytes of all objects that were sent."""
    return sum(len(one.body) for one in proxy.seen("PutObject") if one.key.startswith(load.folder))


def die_at_90_percent(load: Load, proxy: FaultProxy) -> None:
    """Run a try whose every request fails from there on."""
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
        load.attempt(1, RECORDS, proxy)
    proxy.wait_until_idle()
    proxy.on_each(None)
    assert len(set(stored)) == OBJECTS * 9 // 10
    proxy.requests.clear()


def test_what_is_stored_is_not_sent_again(shared_bucket: Bucket, proxy: FaultProxy) -> None:
    load = Load(shared_bucket, atomic=False)
    die_at_90_percent(load, proxy)

    report = load.attempt(2, RECORDS, proxy)

    assert 0 < sent(proxy, load) <= 0.11 * report.bytes
    assert len(proxy.seen("HeadObject")) == OBJECTS
    load.assert_exact(RECORDS, report)


def test_without_the_right_to_look_all_is_sent(seaweedfs_bucket: Bucket) -> None:
    load = Load(seaweedfs_bucket, atomic=False)
    with FaultProxy.before(seaweedfs_bucket.server) as proxy:
        die_at_90_percent(load, proxy)
        deny(seaweedfs_bucket, "s3:GetObject", prefix="out/")

        report = load.attempt(2, RECORDS, proxy)

        assert sent(proxy, load) == report.bytes
        assert 0 < len(proxy.seen("HeadObject")) < OBJECTS
    seaweedfs_bucket.server.client().delete_bucket_policy(Bucket=seaweedfs_bucket.name)
    load.assert_exact(RECORDS, report)
