"""Loads as the hook runs them, without Airflow, and what is watched of their requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from math import inf
from typing import Any

from airflow_provider_s3dest.delivery import PlainDelivery
from airflow_provider_s3dest.load import run_load
from airflow_provider_s3dest.naming import LoadIdentity, ObjectNames
from airflow_provider_s3dest.path_template import PathTemplate
from airflow_provider_s3dest.progress import Progress
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.sources.records import open_records, tables_of
from airflow_provider_s3dest.sources.staging import open_staged, staged_tables
from airflow_provider_s3dest.sources.stores import S3Store
from airflow_provider_s3dest.sources.table import Table
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.upload import DryRun, Uploader
from tests.servers import Bucket

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
MIB = 2**20


def spec_of(bucket: Bucket, **fields: Any) -> DestinationSpec:
    """Make a spec that leads to a bucket, with JSON unless the fields say otherwise."""
    return DestinationSpec(
        **{"bucket": bucket.name, "path": "out/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}", "format": "json", **fields}
    )


def load(
    bucket: Bucket,
    records: Any,
    table: str | None = "t",
    *,
    columns: Sequence[str] | None = None,
    client: Any = None,
    load_id: str = "load-1",
    stop: threading.Event | None = None,
    dry_run: bool = False,
    **fields: Any,
) -> LoadReport:
    """Load records into a bucket."""
    wanted = tuple(columns) if columns else None
    tables = (open_records(name, own, wanted) for name, own in tables_of(records, table).items())
    return _run(bucket, tables, client, load_id, stop, dry_run, fields)


def load_staged(
    bucket: Bucket, staging_path: str | Sequence[str], table: str | None = "t", *, client: Any = None, **fields: Any
) -> LoadReport:
    """Load staged files of S3 into a bucket, all with one client."""
    client = client or bucket.server.client()
    store = S3Store(client)
    staged = staged_tables(staging_path, table, lambda _scheme: store)
    tables = (open_staged(name, files, None) for name, files in staged.items())
    return _run(bucket, tables, client, "load-1", None, False, fields)


def records_in(bucket: Bucket, prefix: str = "out/") -> list[dict[str, Any]]:
    """Read back the records of all JSON objects under a prefix."""
    return [json.loads(line) for body in bucket.objects(prefix).values() for line in body.splitlines()]


def _run(
    bucket: Bucket,
    tables: Iterable[Table],
    client: Any,
    load_id: str,
    stop: threading.Event | None,
    dry_run: bool,
    fields: Mapping[str, Any],
) -> LoadReport:
    spec = spec_of(bucket, **fields)
    names = ObjectNames(PathTemplate.parse(spec.path), spec.file_format, LoadIdentity.of_load_id(load_id), MOMENT)
    progress = Progress()
    if dry_run:
        return run_load(tables, spec, names, PlainDelivery(), DryRun(spec, progress), progress)
    with Uploader(client or bucket.server.client(), spec, progress, stop or threading.Event()) as uploader:
        return run_load(tables, spec, names, PlainDelivery(), uploader, progress)


class Watched:
    """What a client is asked to do, in order; the calls can be held back before anything of them is sent."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.begun: list[str] = []
        self._answered = 0
        self._free: float = inf
        self._open = threading.Event()
        self._changed = threading.Condition()
        client.meta.events.register("provide-client-params.s3", self._begin)
        client.meta.events.register("after-call.s3", self._end)

    def hold(self, after: int = 0) -> None:
        """Hold all calls back but the first so many."""
        self._free = after

    def release(self) -> None:
        """Let all calls go on."""
        self._open.set()

    def wait_for(self, begun: int = 0, answered: int = 0) -> None:
        """Wait until so many calls have begun, and so many are answered."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= begun and self._answered >= answered, 30), self

    def __repr__(self) -> str:
        return f"{len(self.begun)} begun, {self._answered} answered: {self.begun}"

    def _begin(self, model: Any, **_: Any) -> None:
        with self._changed:
            self.begun.append(model.name)
            held = len(self.begun) > self._free
            self._changed.notify_all()
        assert not held or self._open.wait(60)

    def _end(self, **_: Any) -> None:
        with self._changed:
            self._answered += 1
            self._changed.notify_all()


def wait_for_uploads_to_end() -> None:
    """Wait until no thread of any uploader is left, as after a load that was stopped."""
    for thread in threading.enumerate():
        if thread.name.startswith("s3dest-upload"):
            thread.join(30)
            assert not thread.is_alive()
