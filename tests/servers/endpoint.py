"""What a test needs to know of an S3 server: where it is, who may use it, and what lies in a bucket."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


@dataclass(frozen=True)
class S3Endpoint:
    """An S3 server seen with the rights of one access key."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self, **config: Any) -> Any:
        """Make a boto3 client; keyword arguments go to its botocore `Config`."""
        # A session of its own: boto3's default session is not safe to make clients from in several threads.
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(**config),
        )

    def connection(self, **extra: Any) -> str:
        """Write the Airflow AWS connection to this server as JSON, for an `AIRFLOW_CONN_...` variable."""
        return json.dumps(
            {
                "conn_type": "aws",
                "login": self.access_key,
                "password": self.secret_key,
                "extra": {"endpoint_url": self.endpoint_url, "region_name": self.region, **extra},
            }
        )


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test's own."""

    name: str
    server: S3Endpoint

    @cached_property
    def _client(self) -> Any:
        """The client of the bucket's own look-ups; tests that watch requests make others."""
        return self.server.client()

    def keys(self, prefix: str = "") -> list[str]:
        """List the keys under a prefix, in the order of their UTF-8 bytes."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        """Read an object."""
        body: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def write(self, key: str, body: bytes) -> None:
        """Put an object."""
        self._client.put_object(Bucket=self.name, Key=key, Body=body)

    def head(self, key: str) -> dict[str, Any]:
        """Ask for an object's headers, as boto3 names them."""
        headers: dict[str, Any] = self._client.head_object(Bucket=self.name, Key=key)
        return headers

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Read all objects under a prefix, by key."""
        return {key: self.read(key) for key in self.keys(prefix)}

    def open_uploads(self) -> list[str]:
        """List the keys of multipart uploads that nobody completed or aborted."""
        answer = self._client.list_multipart_uploads(Bucket=self.name)
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def remove(self) -> None:
        """Remove the bucket: moto keeps all objects in memory, SeaweedFS has room for about 14 buckets."""
        client = self._client
        with suppress(ClientError):  # there is none
            client.delete_bucket_policy(Bucket=self.name)
        for upload in client.list_multipart_uploads(Bucket=self.name).get("Uploads", []):
            client.abort_multipart_upload(Bucket=self.name, Key=upload["Key"], UploadId=upload["UploadId"])
        keys = self.keys()
        for begin in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[begin : begin + 1000]]
            client.delete_objects(Bucket=self.name, Delete={"Objects": objects})
        client.delete_bucket(Bucket=self.name)
