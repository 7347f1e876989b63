"""This provider, whole and in halves: the one place of the measurements that knows how a load is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any

from airflow_provider_s3dest.delivery.attempt import Delivery
from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.load_state import KeySettings
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.state_store import NoState
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.delivery.uploader import ObjectSinks, Uploader
from airflow_provider_s3dest.load.dry_run import DryRun
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.run import run_load
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.python_records import open_records, tables_of
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import PathTemplate
from bench.cases import Case, Target

_MOMENT = datetime(2026, 2, 3, tzinfo=timezone.utc)
_IDENTITY = LoadIdentity.of_load_id("bench")


def spec_of(target: Target, format_: str, gzip: bool = False, **fields: Any) -> DestinationSpec:
    """Give the default spec for a target, but for the fields."""
    name = "{{TABLE}}" if fields.get("no_rotate") else "{{TABLE}}/{{BATCH}}-{{UUID}}"
    known = {"bucket": target.bucket, "path": f"{target.prefix}/{name}", "format": format_}
    return DestinationSpec(**{**known, "compression": "gzip" if gzip else "", **fields})


def tables_from(source: Any, spec: DestinationSpec, table: str | None = "t") -> tuple[list[str], Iterable[Table]]:
    """Open records, or the paths of staged files, as the hook does: the names of the tables, and the tables."""
    if isinstance(source, list) and isinstance(source[0], str):
        store = LocalFiles()
        staged = staged_tables(source, table, lambda _: store)
        return list(staged), (open_staged(name, files, None, passing_for(spec)) for name, files in staged.items())
    handed_over = tables_of(source, table)
    return list(handed_over), (open_records(name, own, None) for name, own in handed_over.items())


def encode(source: Any, spec: DestinationSpec, table: str | None = "t") -> LoadReport:
    """Read, encode, cut into batches and compress, and let go of the bytes."""
    progress = Progress()
    store: ObjectSinks = DryRun(spec, progress) if spec.compression else _Discarding()
    _, tables = tables_from(source, spec, table)
    return run_load(tables, spec, _names(spec), _delivery(spec, client_for(spec.bucket)), store, progress)


def load(source: Any, spec: DestinationSpec, table: str | None = "t") -> LoadReport:
    """Do the whole load."""
    progress, client = Progress(), client_for(spec.bucket)
    names, tables = tables_from(source, spec, table)
    with _delivery(spec, client) as delivery:
        delivery.claim(names)
        with Uploader(client, spec, delivery, progress, StopFlag()) as uploader:
            return run_load(tables, spec, _names(spec), delivery, uploader, progress)


def upload(objects: Sequence[bytes], spec: DestinationSpec) -> None:
    """Send objects that are encoded already."""
    client = client_for(spec.bucket)
    with _delivery(spec, client) as delivery:
        delivery.claim(["t"])
        with Uploader(client, spec, delivery, Progress(), StopFlag()) as uploader:
            for number, content in enumerate(objects):
                batch = BatchId("t", "", number)
                delivery.reserve(batch)
                sink = uploader.open(_names(spec).key("t", number), batch)
                sink.write(content)
                sink.close(1)
            delivery.commit(uploader.finish(), None)


@cache
def client_for(bucket: str) -> Any:
    """Give the one client of this process: what the hook takes for this bucket."""
    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

    spec = DestinationSpec(bucket=bucket, path="{{UUID}}", format="json")
    return S3DestinationHook(aws_conn_id="aws_default").s3_hook(spec).conn


def _names(spec: DestinationSpec) -> KeyBuilder:
    return KeyBuilder(PathTemplate.parse(spec.path), spec.file_format, _IDENTITY, _MOMENT)


def _delivery(spec: DestinationSpec, client: Any) -> Delivery:
    naming = KeySettings(spec.bucket, spec.path, spec.file_format, _MOMENT.isoformat())
    return Delivery(naming, _IDENTITY, NoState(), Sweeper(client, StopFlag()))


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
