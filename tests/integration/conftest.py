"""Fixtures of the integration tests: buckets that are removed at the end, and a breakable way to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

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
    remove_bucket(bucket)


@pytest.fixture
def seaweedfs_bucket(seaweedfs_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket on SeaweedFS."""
    yield seaweedfs_bucket
    remove_bucket(seaweedfs_bucket)


@pytest.fixture
def moto_bucket(moto_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket on moto."""
    yield moto_bucket
    remove_bucket(moto_bucket)


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


def remove_bucket(bucket: Bucket) -> None:
    """Remove a bucket: moto keeps all objects in memory, SeaweedFS has room for about 14 buckets."""
    client = bucket.server.client()
    with suppress(ClientError):  # there is none
        client.delete_bucket_policy(Bucket=bucket.name)
    for upload in client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
    keys = bucket.keys()
    for begin in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[begin : begin + 1000]]
        client.delete_objects(Bucket=bucket.name, Delete={"Objects": objects})
    client.delete_bucket(Bucket=bucket.name)
