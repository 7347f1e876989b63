"""Loads by the hook, to an S3 server, and fetches the objects as files for the readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from tests.servers.endpoint import Bucket, S3Endpoint

FORMATS = ("csv", "json", "parquet")
"""All that the matrix is to have."""


def is_supported(format_: str) -> bool:
    """Ask the destination spec whether it writes a format."""
    try:
        DestinationSpec(bucket="fidelity", path="{{UUID}}", format=format_)
    except SpecError as error:
        if "not supported yet" in str(error):
            return False
        raise
    return True


@contextmanager
def connected(server: S3Endpoint) -> Iterator[None]:
    """Let the hook's default connection lead to a server."""
    name = "AIRFLOW_CONN_AWS_DEFAULT"
    before = os.environ.get(name)
    os.environ[name] = server.connection()
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def load(bucket: Bucket, format_: str, folder: Path, table: str = "t", **given: Any) -> list[Path]:
    """Load a table and fetch its objects, in order.

    :param given: arguments and fields of the spec, for ``S3DestinationHook.load``.
    """
    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

    before = set(bucket.keys())
    S3DestinationHook().load(
        table=table, bucket=bucket.name, path="{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}", format=format_, **given
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for key in bucket.keys():
        if key not in before:
            paths.append(folder / Path(key).name)
            paths[-1].write_bytes(bucket.read(key))
    return paths
