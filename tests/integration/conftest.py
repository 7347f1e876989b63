"""Fixtures of the integration tests: buckets that are removed at the end, and a breakable way to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Bucket, service_models
from tests.servers.fault_proxy import FaultProxy


@pytest.fixture(scope="session", autouse=True)
def shared_service_models() -> Iterator[None]:
    """Make the many clients of the tests cheap."""
    with service_models.read_once():
        yield


@pytest.fixture
def bucket(bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket, on one server after the other."""
    yield bucket
    bucket.remove()


@pytest.fixture
def seaweedfs_bucket(seaweedfs_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket on SeaweedFS."""
    yield seaweedfs_bucket
    seaweedfs_bucket.remove()


@pytest.fixture
def moto_bucket(moto_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket on moto."""
    yield moto_bucket
    moto_bucket.remove()


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to the server of the bucket that can be broken."""
    with FaultProxy.before(bucket.server) as between:
        yield between


@pytest.fixture
def seaweedfs_proxy(seaweedfs_bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to SeaweedFS, for the bucket there, that can be broken."""
    with FaultProxy.before(seaweedfs_bucket.server) as between:
        yield between


@pytest.fixture
def moto_proxy(moto_bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to moto, for the bucket there, that can be broken."""
    with FaultProxy.before(moto_bucket.server) as between:
        yield between
