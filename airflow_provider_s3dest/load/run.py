"""Runs a load: writes tables as batches, batches as objects, objects to S3, and reports what was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from airflow_provider_s3dest.delivery.load_state import StagedToDelete
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.objects import QUARANTINE, StoredObject
from airflow_provider_s3dest.load.inputs import Inputs
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.quarantine import QuarantineWriter
from airflow_provider_s3dest.load.schema import of_table
from airflow_provider_s3dest.load.sidecars.sidecar import Sidecar
from airflow_provider_s3dest.load.table_writer import TableWriter
from airflow_provider_s3dest.load.transforms import PreparedTable, prepared
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.report import LoadReport, TableReport


def run(
    plan: LoadPlan, inputs: Inputs, sidecars: Sequence[Sidecar], objects: ObjectWriter, progress: Progress
) -> LoadReport:
    """Write the records of all tables, one table after the other.

    :param objects: writes the objects of the load, which is claimed unless nothing is stored.
    :param progress: counts tables and records.
    :raises RecordError: at a record that can't be written; no object holds a part of its batch.
    :raises BadRecordsError: if more records are quarantined than ``max_bad_records`` allows.
    :raises ReplacedFileError: if a staged file changes while it is read; nothing of it is committed.
    :raises StoreError: if S3 refuses or can't be reached.
    :raises SupersededError: if a newer attempt owns the load.
    """
    quarantine = None if plan.quarantine is None else QuarantineWriter(plan.quarantine, objects)
    bad = None if quarantine is None else BadRecords(quarantine.add)
    columns: dict[str, tuple[str, ...]] = {}
    for name, open_table in inputs.openers.items():
        progress.begin(name)
        with inputs.blaming_changed_files():
            table = prepared(plan.spec, open_table(bad), of_table(plan.arguments.schema, name))
            columns[name] = table.written.columns
            for sidecar in sidecars:
                sidecar.add(table)
            _write(plan, table, objects, progress)
        if quarantine is not None:
            quarantine.close(name)
    stored = objects.finish()
    good = [one for one in stored if one.batch.partition != QUARANTINE]
    if plan.quarantine is not None and bad is not None:
        plan.quarantine.check(bad, sum(one.records for one in good))
    writes = objects.publish(stored, (item for sidecar in sidecars for item in sidecar.contents(columns, good)))
    report = _report(plan, columns, good, sidecars if writes else (), Counter() if bad is None else bad.counts)
    staged = None if inputs.to_delete is None else StagedToDelete(list(inputs.to_delete), report.as_dict())
    objects.commit(stored, staged, writes)
    if writes:
        for sidecar in sidecars:
            sidecar.log_written()
    return report


def _write(plan: LoadPlan, table: PreparedTable, objects: ObjectWriter, progress: Progress) -> None:
    writer = TableWriter(plan.spec, table.written, objects)
    for chunk in table.written.chunks:
        writer.add(chunk)
        progress.encoded(len(chunk))
        objects.tick()
    writer.close()


def _report(
    plan: LoadPlan,
    columns: Mapping[str, Sequence[str]],
    objects: Sequence[StoredObject],
    sidecars: Iterable[Sidecar],
    bad: Counter[str],
) -> LoadReport:
    by_table: dict[str, list[StoredObject]] = {table: [] for table in columns}
    for one in objects:
        by_table[one.batch.table].append(one)
    tables = {
        table: TableReport(
            records=sum(one.records for one in written),
            objects=len(written),
            bytes=sum(one.bytes for one in written),
            columns=columns[table],
            prefix=plan.keys.prefix(table),
            bad_records=bad[table],
        )
        for table, written in by_table.items()
    }
    bucket = plan.spec.bucket
    fields = {name: value for sidecar in sidecars for name, value in sidecar.report_fields().items()}
    return LoadReport.of_tables(bucket, tables, [f"s3://{bucket}/{one.key}" for one in objects], **fields)
