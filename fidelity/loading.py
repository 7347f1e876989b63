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
