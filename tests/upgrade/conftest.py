"""Fixtures of the upgrade tests: the recorded bucket, empty, and no waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Bucket, MotoServer, S3Endpoint, SeaweedFS, service_models
from tests.upgrade import attempt


@pytest.fixture(scope="session", autouse=True)
def shared_service_models() -> Iterator[None]:
    """Make the many clients of the tests cheap."""
    with service_models.read_once():
        yield


@pytest.fixture
def moto_recorded(moto_s3: MotoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket of the recorded name on moto, which the connection `aws_default` leads to."""
    yield from _recorded(moto_s3, monkeypatch)


@pytest.fixture
def seaweedfs_recorded(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket of the recorded name on SeaweedFS, which the connection `aws_default` leads to."""
    yield from _recorded(seaweedfs, monkeypatch)


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an attempt not wait for what an earlier one may yet send: none of them lives."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def _recorded(server: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.connection())
    server.client().create_bucket(Bucket=attempt.BUCKET)
    bucket = Bucket(attempt.BUCKET, server)
    yield bucket
    bucket.remove()
