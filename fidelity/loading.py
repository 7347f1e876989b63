"""Loads by the hook, to an S3 server, and fetches the objects as files for the readers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.endpoint import Bucket, S3Endpoint

FORMATS = ("csv", "json", "parquet")
"""All that the provider writes."""


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


def load(bucket: Bucket, prefix: str, format_: str, folder: Path, **given: Any) -> dict[str, list[Path]]:
    """Load tables and fetch their objects, in order, by table.

    :param prefix: of the keys; nothing else may lie there.
    :param given: arguments and fields of the spec, for ``S3DestinationHook.load``.
    """
    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

    path = f"{prefix}/{{{{TABLE}}}}/{{{{BATCH}}}}-{{{{UUID}}}}.{{{{FORMAT}}}}"
    S3DestinationHook().load(bucket=bucket.name, path=path, format=format_, **given)
    tables: dict[str, list[Path]] = {}
    for key in bucket.keys(f"{prefix}/"):
        table, name = key.split("/")[-2:]
        (folder / table).mkdir(parents=True, exist_ok=True)
        (folder / table / name).write_bytes(bucket.read(key))
        tables.setdefault(table, []).append(folder / table / name)
    return tables
