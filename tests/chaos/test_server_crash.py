"""The server itself is killed in mid load and comes back on its data."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from airflow_provider_s3dest.delivery.worker_pool import WORKERS
from airflow_provider_s3dest.errors import StoreError
from tests.chaos.loads import Load, sample, tables
from tests.servers import Bucket, SeaweedFS
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("small_puts", "none_lives")

OLD = tables("old", small=8, large=3)
NEW = tables("new", small=6, large=2)
CASES = [(mode, retries, seed) for mode in ("plain", "atomic") for retries in (1, 20) for seed in range(5)]


@pytest.fixture(scope="module")
def fragile() -> Iterator[Bucket]:
    """A bucket on a server of its own."""
    with SeaweedFS.running() as server:
        server.client().create_bucket(Bucket="fragile")
        yield Bucket("fragile", server)


@pytest.mark.parametrize(("mode", "attempts", "seed"), sample(CASES, 7))
def test_the_load_survives_or_the_next_attempt_repairs(fragile: Bucket, mode: str, attempts: int, seed: int) -> None:
    server = fragile.server
    assert isinstance(server, SeaweedFS)
    load = Load(fragile, mode == "atomic")
    load.attempt(1, OLD)
    at = random.Random(seed).randrange(5, 15)
    restarting = threading.Thread(target=server.restart)
    lock = threading.Lock()

    with FaultProxy.before(server) as proxy:

        def crash(request: Request, send: Send) -> Answer:
            with lock:
                if len(proxy.requests) >= at and restarting.ident is None:
                    server.kill()
                    restarting.start()
            return send(request)

        proxy.on_each(crash)
        failure: StoreError | None = None
        try:
            report = load.attempt(2, NEW, client=proxy.client(retries={"total_max_attempts": attempts}))
        except StoreError as error:
            failure = error
        restarting.join(60)
        proxy.wait_until_idle()

    assert restarting.ident is not None
    opened = load.open_uploads()
    if failure is not None:
        assert not failure.final
        assert attempts == 1
        report = load.attempt(3, NEW)
    # Of an upload that the server began before it could answer, nobody knows.
    left = load.open_uploads()
    assert set(left) <= set(opened)
    assert len(left) <= WORKERS
    load.assert_exact(NEW, report, left)
