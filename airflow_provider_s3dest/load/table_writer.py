"""Writes one table: encodes its chunks and cuts them into batches, each of which becomes one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from airflow_provider_s3dest.delivery.object_upload import PUT_BYTES
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.objects import BatchId
from airflow_provider_s3dest.formats.batching import BatchWriter, EncodedRecords, Limits, ObjectSink
from airflow_provider_s3dest.formats.encoders import encoder_for, held_bytes, sink_for
from airflow_provider_s3dest.formats.encoding import encoded_passthrough
from airflow_provider_s3dest.load.partitioning import PartitionedWriter
from airflow_provider_s3dest.records.bad_records import isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.spec import DestinationSpec


class TableWriter:
    """Writes the records of one table, sorted into partitions if the path has ``{{FIELD}}``.

    :param spec: format, limits of a batch, and options.
    :param table: the table, with the columns that the objects have.
    :param objects: opens the object of each batch.
    """

    def __init__(self, spec: DestinationSpec, table: Table, objects: ObjectWriter) -> None:
        self._spec, self._table, self._objects = spec, table, objects
        self._limits = Limits(None, None) if spec.no_rotate else Limits(spec.batch_size, spec.batch_size_bytes)
        self._encoder = encoder_for(spec, table)
        self._writer: BatchWriter | PartitionedWriter = (
            self._partitioned() if spec.partition_fields else self._batches_of("")
        )

    def add(self, chunk: Chunk | PassthroughChunk) -> None:
        """Write the records of a chunk.

        :raises RecordError: at a record that can't be written, unless bad records are quarantined.
        """
        writer = self._writer
        if isinstance(chunk, PassthroughChunk):
            assert isinstance(writer, BatchWriter)
            writer.add(encoded_passthrough(chunk))
        elif isinstance(writer, BatchWriter):
            encode: Callable[[Chunk], EncodedRecords] = self._encoder.encode
            for encoded in isolate_bad_records(encode, chunk, self._table.bad):
                writer.add(encoded)
        else:
            for encoded, partitions in isolate_bad_records(partial(self._sorted, writer), chunk, self._table.bad):
                writer.add(partitions, encoded)

    def close(self) -> None:
        """End the last batch of the table, or of each partition."""
        if isinstance(self._writer, BatchWriter):
            self._writer.close(empty=self._spec.write_empty_objects_for_empty_tables)
        else:
            self._writer.close()

    def _sorted(self, writer: PartitionedWriter, chunk: Chunk) -> tuple[EncodedRecords, Sequence[str]]:
        return self._encoder.encode(chunk), writer.named(chunk)

    def _partitioned(self) -> PartitionedWriter:
        return PartitionedWriter(
            self._table.name,
            self._spec.partition_fields,
            drops=self._spec.partition_columns == "drop",
            whole=self._spec.no_rotate,
            batches_of=self._batches_of,
            reserve=self._reserve,
            held=PUT_BYTES + held_bytes(self._spec),
        )

    def _batches_of(self, partition: str) -> BatchWriter:
        self._objects.check_key(self._table.name, partition)
        return BatchWriter(self._limits, self._encoder.header, partial(self._open, partition))

    def _open(self, partition: str, number: int) -> ObjectSink:
        return sink_for(self._spec, self._table, self._objects.open(BatchId(self._table.name, partition, number)))

    def _reserve(self, batches: Iterable[tuple[str, int]]) -> None:
        self._objects.reserve(BatchId(self._table.name, partition, number) for partition, number in batches)
