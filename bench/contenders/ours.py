"""This provider, whole and in halves: the one place of the measurements that knows how a load is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any

from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.object_writer import ObjectSinks, ObjectWriter
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.state_store import NoState
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.delivery.uploader import Uploader
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.dry_run import DryRun
from airflow_provider_s3dest.load.inputs import FileStores, Inputs, inputs_of
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.run import run
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.spec import DestinationSpec
from bench.cases import Case, Target

_RUN_DATE = datetime(2026, 2, 3, tzinfo=timezone.utc)
_IDENTITY = LoadIdentity.of_load_id("bench")


def spec_of(target: Target, format_: str, gzip: bool = False, **fields: Any) -> DestinationSpec:
    """Give the default spec for a target, but for the fields."""
    name = "{{TABLE}}" if fields.get("no_rotate") else "{{TABLE}}/{{BATCH}}-{{UUID}}"
    known = {"bucket": target.bucket, "path": f"{target.prefix}/{name}", "format": format_}
    return DestinationSpec(**{**known, "compression": "gzip" if gzip else "", **fields})


def encode(source: Any, spec: DestinationSpec, table: str | None = "t") -> LoadReport:
    """Read, encode, cut into batches and compress, and let go of the bytes."""
    sinks: ObjectSinks = DryRun(spec) if spec.compression else _Discarding()
    plan = _plan(source, spec, table)
    objects = ObjectWriter(plan.keys, _delivery(plan, client_for(spec.bucket)), sinks)
    return run(plan, _inputs(plan), [], objects, Progress())


def load(source: Any, spec: DestinationSpec, table: str | None = "t") -> LoadReport:
    """Do the whole load."""
    plan, client = _plan(source, spec, table), client_for(spec.bucket)
    inputs = _inputs(plan)
    with _delivery(plan, client) as delivery:
        delivery.claim(inputs.openers)
        with Uploader(client, spec, delivery, StopFlag()) as uploader:
            return run(plan, inputs, [], ObjectWriter(plan.keys, delivery, uploader), Progress())


def upload(objects: Sequence[bytes], spec: DestinationSpec) -> None:
    """Send objects that are encoded already."""
    plan, client = _plan([], spec, "t"), client_for(spec.bucket)
    with _delivery(plan, client) as delivery:
        delivery.claim(["t"])
        with Uploader(client, spec, delivery, StopFlag()) as uploader:
            writer = ObjectWriter(plan.keys, delivery, uploader)
            for number, content in enumerate(objects):
                sink = writer.open(BatchId("t", "", number))
                sink.write(content)
                sink.close(1)
            delivery.commit(writer.finish())


@cache
def client_for(bucket: str) -> Any:
    """Give the one client of this process: what the hook takes for this bucket."""
    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

    spec = DestinationSpec(bucket=bucket, path="{{UUID}}", format="json")
    return S3DestinationHook(aws_conn_id="aws_default").s3_hook(spec).conn


def _plan(source: Any, spec: DestinationSpec, table: str | None) -> LoadPlan:
    is_staged = isinstance(source, list) and bool(source) and isinstance(source[0], str)
    given = {"staging_path" if is_staged else "records": source}
    return LoadPlan.of(LoadArguments(spec.given(), table=table, **given), _IDENTITY, _RUN_DATE)


def _inputs(plan: LoadPlan) -> Inputs:
    return inputs_of(plan, FileStores(None, LocalFiles))


def _delivery(plan: LoadPlan, client: Any) -> Delivery:
    return Delivery(plan.settings, plan.identity, NoState(), Sweeper(client, StopFlag()))


class _Discarding:
    """Takes objects and lets go of their bytes."""

    def __init__(self) -> None:
        self._objects: list[_Discarded] = []

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> _Discarded:
        self._objects.append(_Discarded(key, batch))
        return self._objects[-1]

    def finish(self) -> list[StoredObject]:
        return [StoredObject(one.key, one.batch, one.records, one.bytes) for one in self._objects]

    def complete(self) -> None:
        """Nothing is held back."""

    def prepare(self, key: str, content: bytes, content_type: str) -> None:
        """Nothing is stored."""

    def tick(self) -> None:
        """Nobody looks on."""


class _Discarded:
    def __init__(self, key: str, batch: BatchId) -> None:
        self.key, self.batch = key, batch
        self.records = self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(data)

    def close(self, records: int) -> None:
        self.records = records


def prepare_encode(case: Case, source: Any, target: Target) -> Callable[[], object]:
    """Prepare to encode alone."""
    spec = spec_of(target, case.format, case.gzip, batch_size=case.object_records)
    return lambda: encode(source, spec)


def prepare_load(case: Case, source: Any, target: Target) -> Callable[[], object]:
    """Prepare the whole load."""
    spec = spec_of(target, case.format, case.gzip, batch_size=case.object_records)
    return lambda: load(source, spec)


def prepare_upload(case: Case, source: Sequence[bytes], target: Target) -> Callable[[], object]:
    """Prepare to send what is encoded, and compressed, already."""
    spec = spec_of(target, case.format)
    return lambda: upload(source, spec)
