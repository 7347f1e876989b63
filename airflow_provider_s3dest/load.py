"""Runs a load: tables to batches, batches to objects, objects to S3, and a report of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airflow_provider_s3dest.batching import BatchLine, Limits, ObjectSink
from airflow_provider_s3dest.delivery.record import Consumed
from airflow_provider_s3dest.delivery.tries import Delivery
from airflow_provider_s3dest.formats.athena import with_safe_keys
from airflow_provider_s3dest.formats.choice import encoder_for
from airflow_provider_s3dest.formats.encoding import of_passed
from airflow_provider_s3dest.naming import ObjectNames
from airflow_provider_s3dest.objects import BatchId, StoredObject
from airflow_provider_s3dest.progress import Progress
from airflow_provider_s3dest.report import MAX_URIS, LoadReport, TableReport
from airflow_provider_s3dest.sources.passing import Passed
from airflow_provider_s3dest.sources.table import Table
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.upload import ObjectStore


def run_load(
    tables: Iterable[Table],
    spec: DestinationSpec,
    names: ObjectNames,
    delivery: Delivery,
    store: ObjectStore,
    progress: Progress,
    consumes: Sequence[tuple[str, str]] | None = None,
) -> LoadReport:
    """Deliver the records of all tables.

    :param tables: read one after the other, each to its end before the next.
    :param delivery: has claimed the load.
    :param consumes: path and version of the staged files to delete after the load.
    :raises RecordError: at a record that can't be delivered; no object holds a part of its batch.
    :raises StoreError: if S3 refuses or can't be reached.
    :raises SupersededError: if a newer try owns the load.
    """
    columns: dict[str, Sequence[str]] = {}
    for table in tables:
        if spec.athena:
            table = with_safe_keys(table)
        columns[table.name] = table.columns
        encoder = encoder_for(spec, table.name, table.columns)

        def open_object(number: int, table: str = table.name) -> ObjectSink:
            batch = BatchId(table, "", number)
            delivery.reserve(batch)
            return store.open(names.key(table, number, generation=delivery.generation), batch)

        line = BatchLine(_limits(spec), encoder.header, open_object)
        for chunk in table.chunks:
            line.add(of_passed(chunk) if isinstance(chunk, Passed) else encoder.encode(chunk))
            progress.encoded(len(chunk))
            store.tick()
        line.close(empty=spec.write_empty_objects_for_empty_tables)
    objects = store.finish()
    delivery.publish(objects, store.complete)
    report = _report(spec.bucket, columns, objects, names)
    delivery.commit(objects, None if consumes is None else Consumed(list(consumes), report.as_dict()))
    return report


def _limits(spec: DestinationSpec) -> Limits:
    return Limits(None, None) if spec.no_rotate else Limits(spec.batch_size, spec.batch_size_bytes)


def _report(
    bucket: str, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject], names: ObjectNames
) -> LoadReport:
    of_table: dict[str, list[StoredObject]] = {table: [] for table in columns}
    for one in objects:
        of_table[one.batch.table].append(one)
    tables = {
        table: TableReport(
            records=sum(one.records for one in own),
            objects=len(own),
            bytes=sum(one.bytes for one in own),
            columns=columns[table],
            prefix=names.prefix(table),
        )
        for table, own in of_table.items()
    }
    return LoadReport(
        records=sum(report.records for report in tables.values()),
        objects=len(objects),
        bytes=sum(report.bytes for report in tables.values()),
        bucket=bucket,
        tables=tables,
        uris=[f"s3://{bucket}/{one.key}" for one in objects] if len(objects) <= MAX_URIS else None,
    )
