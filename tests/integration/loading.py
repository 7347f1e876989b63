"""Loads as the hook runs them, without Airflow, and what is watched of their requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from math import inf
from typing import Any

from airflow_provider_s3dest.delivery.attempt import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import KeySettings
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import UNCOUNTED, Attempt, NoState, StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.delivery.uploader import Uploader
from airflow_provider_s3dest.load.dry_run import DryRun
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.quarantine import Quarantine
from airflow_provider_s3dest.load.run import run_load
from airflow_provider_s3dest.load.sidecars.ddl.definitions import TableDefinitions
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.python_records import open_records, tables_of
from airflow_provider_s3dest.sources.s3_files import S3Files
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.spec import DestinationSpec
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
    schema: Mapping[str, str] | None = None,
    bad: BadRecords | None = None,
    **how: Any,
) -> LoadReport:
    """Load records into a bucket; `how` as for `run`."""
    wanted = tuple(columns or schema or ()) or None
    own = tables_of(records, table)
    tables = (open_records(name, records, wanted, bad=bad) for name, records in own.items())
    return run(bucket, tables, list(own), schema=schema, bad=bad, **how)


def load_staged(
    bucket: Bucket,
    staging_path: str | Sequence[str],
    table: str | None = "t",
    *,
    client: Any = None,
    schema: Mapping[str, str] | None = None,
    bad: BadRecords | None = None,
    **how: Any,
) -> LoadReport:
    """Load staged files of S3 into a bucket, all with one client."""
    client = client or bucket.server.client()
    store = S3Files(client)
    staged = staged_tables(staging_path, table, lambda _scheme: store)
    wanted = tuple(schema or ()) or None
    tables = (open_staged(name, files, wanted, bad=bad) for name, files in staged.items())
    return run(bucket, tables, list(staged), client=client, schema=schema, bad=bad, **how)


def records_in(bucket: Bucket, prefix: str = "out/") -> list[dict[str, Any]]:
    """Read back the records of all JSON objects under a prefix."""
    return [json.loads(line) for body in bucket.objects(prefix).values() for line in body.splitlines()]


def delivery_of(
    spec: DestinationSpec,
    client: Any,
    *,
    load_id: str = "load-1",
    state: StateStore | None = None,
    stop: StopFlag | None = None,
    quarantine: str | None = None,
    **how: Any,
) -> Delivery:
    """Make the delivery of one try."""
    naming = KeySettings(spec.bucket, spec.path, spec.file_format, MOMENT.isoformat(), quarantine=quarantine)
    sweeper = Sweeper(client, stop or StopFlag())
    return Delivery(naming, LoadIdentity.of_load_id(load_id), state or NoState(), sweeper, **how)


def s3_state(bucket: Bucket, client: Any = None, *, attempt: Attempt = UNCOUNTED) -> S3StateStore:
    """Keep the record of a load in the bucket, beside its objects."""
    return S3StateStore(client or bucket.server.client(), bucket.name, "state/load-1.json", attempt)


def run(
    bucket: Bucket,
    tables: Iterable[Table],
    table_names: Sequence[str],
    *,
    client: Any = None,
    load_id: str = "load-1",
    state: StateStore | None = None,
    atomic: bool = False,
    stop: StopFlag | None = None,
    dry_run: bool = False,
    manifest: str | None = None,
    schema: Mapping[str, str] | None = None,
    bad: BadRecords | None = None,
    quarantine_path: str | None = None,
    max_bad_records: float | None = None,
    **fields: Any,
) -> LoadReport:
    """Run one try of a load as the hook does; the fields are those of the spec."""
    spec = spec_of(bucket, **fields)
    client, stop = client or bucket.server.client(), stop or StopFlag()
    stop.guard(client)
    quarantine = None if bad is None else replace(Quarantine.of(spec, quarantine_path, max_bad_records), bad=bad)
    aside = None if quarantine is None else quarantine.spec.path
    identity = LoadIdentity.of_load_id(load_id)
    names = KeySettings(spec.bucket, spec.path, spec.file_format, MOMENT.isoformat(), quarantine=aside).names(identity)
    delivery = delivery_of(spec, client, load_id=load_id, state=state, stop=stop, atomic=atomic, quarantine=aside)
    progress = Progress()
    listed = Manifest.of(manifest, spec, identity, MOMENT, table_names) if manifest else None
    if listed:
        names.keep_free(listed.key, "manifest_path")
    definitions = TableDefinitions(spec, names, identity, MOMENT, table_names, listed)
    names.check(table_names)
    beside: Any = {"manifest": listed, "definitions": definitions, "schema": schema, "quarantine": quarantine}

    def loaded(store: Any, progress: Progress) -> LoadReport:
        return run_load(tables, spec, names, delivery, store, progress, **beside)

    if dry_run:
        return loaded(DryRun(spec, progress), progress)
    with delivery:
        delivery.claim([] if names.fields else table_names, [*definitions.keys, *([listed.key] if listed else [])])
        with Uploader(client, spec, delivery, progress, stop) as uploader:
            return loaded(uploader, progress)


@contextmanager
def uploading(client: Any, spec: DestinationSpec, stop: StopFlag | None = None, **how: Any) -> Iterator[Uploader]:
    """Send objects by hand, within one try of a load."""
    stop = stop or StopFlag()
    stop.guard(client)
    with delivery_of(spec, client, stop=stop, **how) as delivery:
        delivery.claim()
        with Uploader(client, spec, delivery, Progress(), stop) as uploader:
            yield uploader


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
