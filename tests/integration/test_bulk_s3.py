"""The server for loads of any size: what arrives is what was sent, counted by bucket, however it is wrapped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.servers.bulk_s3 import FORGOTTEN, KEPT, THROTTLED, BulkS3, Counts


@pytest.fixture(scope="module")
def bulk() -> Iterator[BulkS3]:
    with BulkS3.running() as server:
        yield server


def client_of(server: BulkS3, **config: Any) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
        verify=str(server.certificate),
        config=Config(**config),
    )


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_objects_arrive_as_they_were_sent_and_can_be_read_and_listed(bulk: BulkS3, checksums: str) -> None:
    client = client_of(bulk, request_checksum_calculation=checksums)
    content = bytes(range(256)) * 4000
    client.put_object(Bucket=KEPT, Key=f"{checksums}/a b", Body=content)
    upload = client.create_multipart_upload(Bucket=KEPT, Key=f"{checksums}/parts")
    part = {"Bucket": KEPT, "Key": f"{checksums}/parts", "UploadId": upload["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": client.upload_part(**part, PartNumber=number, Body=content)["ETag"]}
        for number in (1, 2)
    ]
    client.complete_multipart_upload(**part, MultipartUpload={"Parts": parts})

    assert client.get_object(Bucket=KEPT, Key=f"{checksums}/a b")["Body"].read() == content
    assert (bulk.kept / checksums / "parts").read_bytes() == content * 2
    ranged = client.get_object(Bucket=KEPT, Key=f"{checksums}/parts", Range="bytes=10-19")["Body"].read()
    assert ranged == content[10:20]
    listed = client.list_objects_v2(Bucket=KEPT, Prefix=f"{checksums}/")["Contents"]
    assert [(item["Key"], item["Size"]) for item in listed] == [
        (f"{checksums}/a b", len(content)),
        (f"{checksums}/parts", 2 * len(content)),
    ]
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=KEPT, Key="nothing")


@pytest.mark.parametrize("bucket", [FORGOTTEN, THROTTLED])
def test_what_is_forgotten_is_counted(bulk: BulkS3, bucket: str) -> None:
    client = client_of(bulk)
    client.put_object(Bucket=bucket, Key="a", Body=b"x" * 1_000_000)
    client.put_object(Bucket=bucket, Key="b", Body=b"")

    assert bulk.counts(bucket) == Counts(requests=2, objects=2, bytes=1_000_000)
