"""URIs of objects: bucket and key, where an access point stands for the bucket too."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.load import state_path
from airflow_provider_s3dest.s3.uri import split_uri
from airflow_provider_s3dest.sources.s3_files import S3Files
from airflow_provider_s3dest.sources.staging import staged_tables

ONE = "arn:aws:s3:eu-central-1:123456789012:accesspoint/one"


@pytest.mark.parametrize(
    "bucket",
    [
        "lake",
        "my.lake",
        ONE,
        "arn:aws:s3:eu-central-1:123456789012:accesspoint:one",
        "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap",
        "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/one",
        "arn:aws:s3-outposts:eu-central-1:123456789012:outpost/op-01ac5d28a6a232904/accesspoint/one",
        "arn:aws:s3-object-lambda:eu-central-1:123456789012:accesspoint/one",
    ],
)
@pytest.mark.parametrize("key", ["raw/a.csv", "a", "", "arn:aws/x", "accesspoint/a"])
def test_bucket_and_key_of_every_uri_that_we_report_are_found_again(bucket: str, key: str) -> None:
    assert split_uri(f"s3://{bucket}/{key}") == (bucket, key)


def test_a_uri_without_a_key_has_none() -> None:
    assert split_uri("s3://lake") == ("lake", "")
    assert split_uri(f"s3://{ONE}") == (ONE, "")


def test_files_behind_an_access_point_are_staged_by_the_uri_that_a_load_reports() -> None:
    client: Any = boto3.client("s3", aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-central-1")
    with Stubber(client) as stub:
        listed = {
            "Contents": [{"Key": "raw/t/1.csv", "ETag": "e", "Size": 3}, {"Key": "raw/t/2.csv", "ETag": "e", "Size": 3}]
        }
        stub.add_response("list_objects_v2", listed, {"Bucket": ONE, "Prefix": "raw/t/"})
        stub.add_response("head_object", {"ETag": "e", "ContentLength": 3}, {"Bucket": ONE, "Key": "raw/t/1.csv"})
        files = S3Files(client)
        folder = staged_tables(f"s3://{ONE}/raw/t/*.csv", "t", lambda scheme: files)
        file = staged_tables(f"s3://{ONE}/raw/t/1.csv", "t", lambda scheme: files)

    assert [one.path for one in folder["t"]] == [f"s3://{ONE}/raw/t/1.csv", f"s3://{ONE}/raw/t/2.csv"]
    assert [one.path for one in file["t"]] == [f"s3://{ONE}/raw/t/1.csv"]


def test_the_state_may_lie_behind_an_access_point() -> None:
    path, identity = f"s3://{ONE}/state", LoadIdentity.of_load_id("a")

    assert list(state_path.faults(path)) == []
    assert state_path.state_object(path, "lake", identity) == (ONE, f"state/{identity.load_uuid}.json")


def test_a_state_path_with_a_user_is_refused() -> None:
    [fault] = state_path.faults("s3://key:secret@lake/state")

    assert fault.key == "state_path"
