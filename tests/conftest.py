"""Fixtures for all tests: a machine that knows nothing of AWS or another Airflow, S3 servers, fresh buckets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests import isolation

# Before any test module imports Airflow: it reads its settings at import.
isolation.begin()

from tests.servers import Bucket, MotoServer, S3Endpoint, SeaweedFS  # noqa: E402

_numbers = itertools.count(1)


def pytest_unconfigure() -> None:
    """Remove the temporary Airflow home at the end."""
    isolation.end()


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    """A SeaweedFS server for the whole session."""
    with SeaweedFS.running() as server:
        yield server


@pytest.fixture(scope="session")
def moto_s3() -> Iterator[MotoServer]:
    """A moto server for the whole session."""
    with MotoServer.running() as server:
        yield server


@pytest.fixture
def seaweedfs_bucket(seaweedfs: SeaweedFS) -> Bucket:
    """An empty bucket on SeaweedFS."""
    return _fresh_bucket(seaweedfs)


@pytest.fixture
def moto_bucket(moto_s3: MotoServer) -> Bucket:
    """An empty bucket on moto."""
    return _fresh_bucket(moto_s3)


@pytest.fixture(params=["seaweedfs", "moto_s3"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket, on one server after the other: the test runs on both."""
    server: S3Endpoint = request.getfixturevalue(request.param)
    return _fresh_bucket(server)


def _fresh_bucket(server: S3Endpoint) -> Bucket:
    """Make a bucket with a name that no other test has."""
    fresh = Bucket(f"test-{next(_numbers):04}", server)
    server.client().create_bucket(Bucket=fresh.name)
    return fresh
