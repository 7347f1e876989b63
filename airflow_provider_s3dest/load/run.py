"""Runs a load: tables to batches, batches to objects, objects to S3, and a report of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from airflow_provider_s3dest.delivery.attempt import Delivery
from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.load_state import StagedToDelete
from airflow_provider_s3dest.delivery.object_upload import PUT_BYTES
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId, StoredObject
from airflow_provider_s3dest.delivery.uploader import ObjectSinks
from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.formats.batching import BatchWriter, EncodedRecords, Limits, ObjectSink
from airflow_provider_s3dest.formats.encoders import encoder_for, held_bytes, sink_for
from airflow_provider_s3dest.formats.encoding import Encoder, encoded_passthrough
from airflow_provider_s3dest.formats.parquet import ParquetEncoder
from airflow_provider_s3dest.load.partitioning import PartitionedWriter
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.quarantine import Quarantine, QuarantineWriter
from airflow_provider_s3dest.load.schema import of_table
from airflow_provider_s3dest.load.sidecars.ddl.definitions import TableDefinitions
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.load.transforms import with_safe_keys_for, with_types_for
from airflow_provider_s3dest.records.bad_records import isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.report import MAX_URIS, LoadReport, TableReport
from airflow_provider_s3dest.spec import DestinationSpec


def run_load(
    tables: Iterable[Table],
    spec: DestinationSpec,
    names: KeyBuilder,
    delivery: Delivery,
    store: ObjectSinks,
    progress: Progress,
    consumes: Sequence[tuple[str, str]] | None = None,
    manifest: Manifest | None = None,
    definitions: TableDefinitions | None = None,
    schema: Mapping[str, Any] | None = None,
    quarantine: Quarantine | None = None,
) -> LoadReport:
    """Deliver the records of all tables.

    :param tables: read one after the other, each to its end before the next.
    :param delivery: has claimed the load.
    :param consumes: path and version of the staged files to delete after the load.
    :param manifest: written once all objects are there.
    :param definitions: of the tables, written just before the manifest.
    :param schema: the names of the Arrow types of columns, or a mapping of table to such.
    :param quarantine: where records go that can't be delivered; the tables put them aside there.
    :raises RecordError: at a record that can't be delivered; no object holds a part of its batch.
    :raises BadRecordsError: if more records are put aside than may be.
    :raises StoreError: if S3 refuses or can't be reached.
    :raises SupersededError: if a newer try owns the load.
    """
    columns: dict[str, tuple[str, ...]] = {}
    aside = None if quarantine is None else QuarantineWriter(quarantine, names, delivery, store)
    for table in tables:
        typed = with_types_for(spec, table, of_table(schema, table.name))
        named = with_safe_keys_for(spec, typed)
        table = _written(named, spec)
        columns[table.name] = table.columns
        if definitions:
            definitions.add(typed, named, table.columns)
        encoder = encoder_for(spec, table)
        lines = TableWriter(table, spec, names, delivery, store, encoder)
        for chunk in table.chunks:
            lines.add(chunk)
            progress.encoded(len(chunk))
            store.tick()
        lines.close()
        if aside is not None:
            aside.close(table.name)
    stored = store.finish()
    objects = [one for one in stored if one.batch.partition != QUARANTINE]
    if quarantine is not None:
        quarantine.check(sum(one.records for one in objects))
    sidecars = [(key, text, "application/sql") for key, text in (definitions.contents() if definitions else {}).items()]
    if manifest:
        sidecars.append((manifest.key, manifest.content(spec, columns, objects), "application/json"))
    writes = [(sidecar[0], write) for sidecar in sidecars if (write := store.prepare(*sidecar))]
    delivery.publish(stored, store.complete)
    bad = Counter[str]() if quarantine is None else quarantine.bad.counts
    report = _report(spec.bucket, columns, objects, names, manifest.key if manifest and writes else None, bad)
    consumed = None if consumes is None else StagedToDelete(list(consumes), report.as_dict())
    delivery.commit(stored, consumed, writes)
    if definitions and writes:
        definitions.tell()
    return report


def _written(table: Table, spec: DestinationSpec) -> Table:
    """Give a table the columns of the objects, having seen that those of the path are there."""
    missing = [field for field in spec.partition_fields if field not in table.columns]
    if missing and table.columns:
        problem = f"has {{{{FIELD}}}} of {missing}, and table {table.name!r} has no such column."
        raise SpecError([Fault("path", problem, f"Its columns are {', '.join(table.columns)}.")])
    if spec.partition_columns == "keep":
        return table
    columns = tuple(column for column in table.columns if column not in spec.partition_fields)
    schema = None if table.schema is None else table.schema.empty_table().select(list(columns)).schema
    return replace(table, columns=columns, schema=schema)


class TableWriter:
    """The batches of one table, of each partition if its path names some, on their way to the store."""

    def __init__(
        self,
        table: Table,
        spec: DestinationSpec,
        names: KeyBuilder,
        delivery: Delivery,
        store: ObjectSinks,
        encoder: Encoder | ParquetEncoder,
    ) -> None:
        self._table, self._spec, self._names = table, spec, names
        self._delivery, self._store = delivery, store
        self._limits, self._encoder = _limits(spec), encoder
        self._lines: BatchWriter | PartitionedWriter = (
            self._partitions() if spec.partition_fields else self._line_of("")
        )

    def add(self, chunk: Chunk | PassthroughChunk) -> None:
        if isinstance(chunk, PassthroughChunk):
            assert isinstance(self._lines, BatchWriter)
            self._lines.add(encoded_passthrough(chunk))
        elif isinstance(self._lines, BatchWriter):
            encode: Callable[[Chunk], EncodedRecords] = self._encoder.encode
            for encoded in isolate_bad_records(encode, chunk, self._table.bad):
                self._lines.add(encoded)
        else:
            for encoded, partitions in isolate_bad_records(partial(self._sorted, self._lines), chunk, self._table.bad):
                self._lines.add(partitions, encoded)

    def close(self) -> None:
        if isinstance(self._lines, BatchWriter):
            self._lines.close(empty=self._spec.write_empty_objects_for_empty_tables)
        else:
            self._lines.close()

    def _sorted(self, lines: PartitionedWriter, chunk: Chunk) -> tuple[EncodedRecords, Sequence[str]]:
        return self._encoder.encode(chunk), lines.named(chunk)

    def _partitions(self) -> PartitionedWriter:
        return PartitionedWriter(
            self._table.name,
            self._spec.partition_fields,
            drops=self._spec.partition_columns == "drop",
            whole=self._spec.no_rotate,
            line_of=self._line_of,
            begin=self._reserve,
            held=PUT_BYTES + held_bytes(self._spec),
        )

    def _line_of(self, partition: str) -> BatchWriter:
        self._names.key(self._table.name, 0, partition=partition)
        return BatchWriter(self._limits, self._encoder.header, partial(self._open, partition))

    def _open(self, partition: str, number: int) -> ObjectSink:
        batch = BatchId(self._table.name, partition, number)
        self._delivery.reserve(batch)
        key = self._names.key(self._table.name, number, partition=partition, generation=self._delivery.generation)
        return sink_for(self._spec, self._table, self._store.open(key, batch))

    def _reserve(self, batches: Iterable[tuple[str, int]]) -> None:
        self._delivery.reserve(*(BatchId(self._table.name, partition, number) for partition, number in batches))


def _limits(spec: DestinationSpec) -> Limits:
    return Limits(None, None) if spec.no_rotate else Limits(spec.batch_size, spec.batch_size_bytes)


def _report(
    bucket: str,
    columns: Mapping[str, Sequence[str]],
    objects: Sequence[StoredObject],
    names: KeyBuilder,
    manifest: str | None,
    bad: Counter[str],
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
            bad_records=bad[table],
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
        manifest=None if manifest is None else f"s3://{bucket}/{manifest}",
        bad_records=bad.total(),
    )
