"""Writes Parquet: records as Arrow data, cut by their size in Arrow, and objects row group by row group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from airflow_provider_s3dest.formats.batching import BatchWriter, Limits, ObjectSink
from airflow_provider_s3dest.formats.encoding import refuse_no_columns
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Chunk
from airflow_provider_s3dest.spec import DestinationSpec

ROW_GROUP_BYTES = 64 * 2**20
"""Bytes of a row group in Arrow, at most, unless one record is larger: what is held in memory of an object."""

PARTITION_ROW_GROUP_BYTES = 8 * 2**20
"""The same where a table has partitions, many of which are open at once."""

_PIECES = 128
"""Pieces of a row group that are joined, so that small ones, such as single records of partitions, take less memory."""

DEFAULT_CODEC = "snappy"
"""What every reader of Parquet knows."""

_VERSIONS = {"v1.0": "1.0", "v2.4": "2.4", "v2.6": "2.6", "v2Latest": "2.6"}


@dataclass(slots=True)
class EncodedBatch:
    """Records as a ``pyarrow.RecordBatch``, and the bytes of each in Arrow."""

    batch: Any
    known_ends: Sequence[int] = field(default=())

    @property
    def records(self) -> int:
        count: int = self.batch.num_rows
        return count

    @property
    def size(self) -> int:
        return self.ends[-1] if self.records else 0

    @property
    def ends(self) -> Sequence[int]:
        if not self.known_ends:
            self.known_ends = _ends(self.batch)
        return self.known_ends

    def cut(self, start: int, stop: int) -> EncodedBatch:
        return EncodedBatch(self.batch.slice(start, stop - start))

    def take(self, positions: Sequence[int]) -> EncodedBatch:
        ends = self.ends
        sizes = (ends[position] - (ends[position - 1] if position else 0) for position in positions)
        return EncodedBatch(self.batch.take(import_pyarrow().array(positions)), list(accumulate(sizes)))


class ParquetEncoder:
    """Encodes the chunks of one table, which are Arrow data of its types already.

    :param table: name of the table, for errors.
    :param columns: those that are written, in order.
    """

    header = b""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._table, self._columns = table, list(columns)

    def encode(self, chunk: Chunk) -> EncodedBatch:
        """Give the records of a chunk.

        :raises RecordError: if they have no columns.
        """
        assert isinstance(chunk, ArrowChunk)
        if not self._columns and len(chunk):
            refuse_no_columns("Parquet", self._table, chunk)
        return EncodedBatch(chunk.batch.select(self._columns))


class ParquetObject:
    """One object: a batch line of row groups, whose cuts depend on the records alone, as those of objects do.

    :param sink: takes the bytes of the object.
    :param schema: the ``pyarrow.Schema`` of the records.
    :param spec: says how they are compressed, and the options of the format.
    """

    def __init__(self, sink: ObjectSink, schema: Any, spec: DestinationSpec) -> None:
        from pyarrow.parquet import ParquetWriter

        codec = spec.compression or DEFAULT_CODEC
        self._sink, self._schema = sink, schema
        self._writer = ParquetWriter(
            import_pyarrow().PythonFile(_Output(sink), mode="w"),
            schema,
            version=_VERSIONS[spec.parquet.version],
            compression=codec,
            compression_level=spec.compression_level if codec in ("gzip", "zstd") else None,
            write_page_checksum=True,
        )
        limits = Limits(spec.parquet.max_row_group_length, row_group_bytes(spec))
        self._groups = BatchWriter(limits, b"", lambda _: _RowGroup(self._write))

    def write(self, data: EncodedBatch) -> None:
        """Take the next records."""
        self._groups.add(data)

    def close(self, records: int) -> None:
        """Write the last row group and the footer."""
        self._groups.close()
        self._writer.close()
        self._sink.close(records)

    def _write(self, batches: Sequence[Any]) -> None:
        # In one piece: where pages end depends on the pieces too.
        group = import_pyarrow().Table.from_batches(batches, self._schema).combine_chunks()
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))


class _RowGroup:
    def __init__(self, write: Any) -> None:
        self._write = write
        self._joined: list[Any] = []
        self._pieces: list[Any] = []

    def write(self, data: EncodedBatch) -> None:
        self._pieces.append(data.batch)
        if len(self._pieces) == _PIECES:
            self._joined += import_pyarrow().Table.from_batches(self._pieces).combine_chunks().to_batches()
            self._pieces = []

    def close(self, records: int) -> None:
        self._write([*self._joined, *self._pieces])


def row_group_bytes(spec: DestinationSpec) -> int:
    """Tell the bytes of a row group in Arrow, at most, unless one record is larger."""
    return PARTITION_ROW_GROUP_BYTES if spec.partition_fields else ROW_GROUP_BYTES


class _Output:
    """The file that pyarrow writes to."""

    closed = False

    def __init__(self, sink: ObjectSink) -> None:
        self._sink, self._size = sink, 0

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The sink is closed by who opened it."""


def _ends(batch: Any) -> list[int]:
    """Add up the bytes of the records: of their values and offsets, and one bit a value for null.

    Each record is rounded up to whole bytes by itself, so that the sum does not depend on the pieces it comes in.
    """
    import numpy

    bits = sum((_bits(column) for column in batch.columns), numpy.zeros(batch.num_rows, numpy.int64))
    ends: list[int] = numpy.cumsum((bits + 7) // 8).tolist()
    return ends


def _bits(array: Any) -> Any:
    """Count the bits of each value of an array."""
    import numpy

    pyarrow = import_pyarrow()
    types, compute, kind = pyarrow.types, pyarrow.compute, array.type
    if isinstance(kind, pyarrow.BaseExtensionType):
        return _bits(array.storage)
    if types.is_struct(kind):
        return sum(map(_bits, array.flatten()), numpy.ones(len(array), numpy.int64))
    large = types.is_large_string(kind) or types.is_large_binary(kind) or types.is_large_list(kind)
    own = 1 + (64 if large else 32)
    if types.is_string(kind) or types.is_binary(kind) or types.is_large_string(kind) or types.is_large_binary(kind):
        return own + 8 * _numbers(compute.binary_length(array))
    if types.is_map(kind):
        items = _bits(array.keys) + _bits(array.items)
        offsets = numpy.asarray(array.offsets)
        total = numpy.concatenate(([0], numpy.cumsum(items)))
        return own + total[offsets[1:]] - total[offsets[:-1]]
    if types.is_list(kind) or types.is_large_list(kind):
        total = numpy.concatenate(([0], numpy.cumsum(_bits(array.flatten()))))
        stops = numpy.cumsum(_numbers(compute.list_value_length(array)))
        return own + total[stops] - total[numpy.concatenate(([0], stops[:-1]))]
    return numpy.full(len(array), 1 + kind.bit_width, numpy.int64)


def _numbers(array: Any) -> Any:
    """Give integers as a numpy array, 0 for null."""
    import numpy

    return numpy.asarray(array.fill_null(0)).astype(numpy.int64)
