"""Loads as the hook runs them, without Airflow, and what is watched of their requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from math import inf
from typing import Any

from airflow_provider_s3dest.delivery.attempt import UNCOUNTED, Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import NoState, StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.delivery.uploader import Uploader
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.dry_run import DryRun
from airflow_provider_s3dest.load.inputs import Inputs
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.run import run as run_load
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
    **how: Any,
) -> LoadReport:
    """Load records into a bucket; `how` as for `run`."""
    names = tuple(columns or schema or ()) or None
    openers = {name: partial(open_records, name, own, names, iter) for name, own in tables_of(records, table).items()}
    return run(bucket, openers, schema=schema, **how)


def load_staged(
    bucket: Bucket,
    staging_path: str | Sequence[str],
    table: str | None = "t",
    *,
    client: Any = None,
    schema: Mapping[str, str] | None = None,
    **how: Any,
) -> LoadReport:
    """Load staged files of S3 into a bucket, all with one client."""
    client = client or bucket.server.client()
    store = S3Files(client)
    names = tuple(schema or ()) or None
    staged = staged_tables(staging_path, table, lambda _scheme: store)
    openers = {name: partial(open_staged, name, files, names, None) for name, files in staged.items()}
    return run(bucket, openers, client=client, schema=schema, **how)


def records_in(bucket: Bucket, prefix: str = "out/") -> list[dict[str, Any]]:
    """Read back the records of all JSON objects under a prefix."""
    return [json.loads(line) for body in bucket.objects(prefix).values() for line in body.splitlines()]


def plan_of(spec: DestinationSpec, load_id: str = "load-1", **arguments: Any) -> LoadPlan:
    """Plan a load as the hook does; the arguments are those of `LoadArguments`."""
    return LoadPlan.of(LoadArguments(fields=spec.given(), **arguments), LoadIdentity.of_load_id(load_id), MOMENT)


def delivery_of(
    plan: LoadPlan,
    client: Any,
    *,
    state: StateStore | None = None,
    stop: StopFlag | None = None,
    deletes_shared: bool = True,
    **how: Any,
) -> Delivery:
    """Make the delivery of one attempt."""
    sweeper = Sweeper(client, stop or StopFlag(), plan.spec.put_arguments, deletes_shared=deletes_shared)
    return Delivery(plan.settings, plan.identity, state or NoState(), sweeper, rules=plan.state_rules, **how)


def s3_state(bucket: Bucket, client: Any = None, *, attempt: Attempt = UNCOUNTED) -> S3StateStore:
    """Keep the state of a load in the bucket, beside its objects."""
    return S3StateStore(client or bucket.server.client(), bucket.name, "state/load-1.json", attempt)


def run(
    bucket: Bucket,
    openers: Mapping[str, Callable[[BadRecords | None], Table]],
    *,
    client: Any = None,
    load_id: str = "load-1",
    state: StateStore | None = None,
    atomic: bool = False,
    stop: StopFlag | None = None,
    dry_run: bool = False,
    deletes_shared: bool = True,
    **how: Any,
) -> LoadReport:
    """Run one attempt of a load as the hook does; `how` are arguments of the load and fields of the spec."""
    arguments = {name: how.pop(name) for name in _ARGUMENTS if name in how}
    client, stop = client or bucket.server.client(), stop or StopFlag()
    stop.guard(client)
    plan = plan_of(spec_of(bucket, **how), load_id, **arguments)
    inputs, sidecars = Inputs(openers), plan.sidecars(openers)
    delivery = delivery_of(plan, client, state=state, stop=stop, atomic=atomic, deletes_shared=deletes_shared)
    if dry_run:
        objects = ObjectWriter(plan.keys, delivery, DryRun(plan.spec))
        return run_load(plan, inputs, sidecars, objects, Progress())
    with delivery:
        delivery.claim(openers, [key for sidecar in sidecars for key in sidecar.keys])
        with Uploader(client, plan.spec, delivery, stop) as uploader:
            return run_load(plan, inputs, sidecars, ObjectWriter(plan.keys, delivery, uploader), Progress())


_ARGUMENTS = ("manifest", "schema", "on_bad_record", "quarantine_path", "max_bad_records", "written_path")


@contextmanager
def uploading(client: Any, spec: DestinationSpec, stop: StopFlag | None = None, **how: Any) -> Iterator[Uploader]:
    """Send objects by hand, within one attempt of a load."""
    stop = stop or StopFlag()
    stop.guard(client)
    with delivery_of(plan_of(spec), client, stop=stop, **how) as delivery:
        delivery.claim()
        with Uploader(client, spec, delivery, stop) as uploader:
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
