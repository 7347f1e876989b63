"""An S3 server inside this process, for as long as a ``with`` block lasts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

ACCESS_KEY_ID = "demo"
SECRET_ACCESS_KEY = "demo-secret"
REGION = "us-east-1"


@dataclass(frozen=True)
class StoredObject:
    """An object in the bucket, as it was listed."""

    key: str
    size: int


@dataclass(frozen=True)
class EmbeddedS3:
    """The running server, and a client of its own that shares nothing with Airflow's."""

    url: str
    client: Any

    @property
    def airflow_connection(self) -> dict[str, Any]:
        """Describe the AWS connection that leads here."""
        return {
            "conn_type": "aws",
            "login": ACCESS_KEY_ID,
            "password": SECRET_ACCESS_KEY,
            "extra": {"endpoint_url": self.url, "region_name": REGION},
        }

    def objects(self, bucket: str) -> list[StoredObject]:
        """List a bucket by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [StoredObject(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", ())]

    def save(self, bucket: str, key: str, directory: Path) -> Path:
        """Save the bytes of an object under the name of its key."""
        file = directory / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.client.get_object(Bucket=bucket, Key=key)["Body"].read())
        return file


@contextmanager
def embedded_s3(buckets: Sequence[str]) -> Iterator[EmbeddedS3]:
    """Serve empty buckets on a free port of this machine. They live in memory and end with the server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else every request is a line on the screen
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield EmbeddedS3(url, client)
    finally:
        server.stop()
