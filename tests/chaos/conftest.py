"""Fixtures of the chaos tests: one bucket for all, as each load has a folder of its own, and short waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy

import pytest

from tests.chaos import loads
from tests.servers import Bucket, SeaweedFS, service_models
from tests.servers.fault_proxy import FaultProxy


@pytest.fixture(scope="session", autouse=True)
def shared_service_models() -> Iterator[None]:
    """Make the many clients of the tests cheap."""
    with service_models.read_once():
        yield


@pytest.fixture(scope="session")
def shared_bucket(seaweedfs: SeaweedFS) -> Bucket:
    """A bucket on SeaweedFS that all loads share."""
    seaweedfs.client().create_bucket(Bucket="chaos")
    return Bucket("chaos", seaweedfs)


@pytest.fixture
def proxy(shared_bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to SeaweedFS that can be broken."""
    with FaultProxy.before(shared_bucket.server) as between:
        yield between


@pytest.fixture
def bucket(bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket of the test's own, on one server after the other."""
    yield bucket
    bucket.remove()


@pytest.fixture
def seaweedfs_bucket(seaweedfs_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket of the test's own on SeaweedFS."""
    yield seaweedfs_bucket
    seaweedfs_bucket.remove()


@pytest.fixture
def moto_bucket(moto_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket of the test's own on moto."""
    yield moto_bucket
    moto_bucket.remove()


@pytest.fixture
def small_puts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let objects over 50 kB be sent in parts."""
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", loads.PUT_BYTES)


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long before a request is repeated."""
    monkeypatch.setattr("random.uniform", lambda least, most: min(most, 0.01))
    monkeypatch.setattr(
        "botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_arguments, **_keywords: 0.01
    )


@pytest.fixture
def none_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an attempt not wait for what earlier ones may begin to send: none of them lives."""
    monkeypatch.setattr("airflow_provider_s3dest.delivery.fence.QUIET_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def counted_attempts(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Tell the report how many attempts of a load a test made."""
    before = next(copy(loads.attempts))
    yield
    record_property("attempts", next(copy(loads.attempts)) - before)
