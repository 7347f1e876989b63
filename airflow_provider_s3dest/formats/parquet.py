"""Encodes Parquet: records become Arrow data, are cut by their size in Arrow, and are written by row groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
"""Most bytes of a row group in Arrow, unless one record is larger: that much of an object is held in memory."""

PARTITION_ROW_GROUP_BYTES = 8 * 2**20
"""The same for a table with partitions, since many of them are open at once."""

_PIECES = 128
"""Pieces of a row group to collect before they are joined: many small ones, such as single records, waste memory."""

DEFAULT_CODEC = "snappy"
"""A codec that every reader of Parquet supports."""

_VERSIONS = {"v1.0": "1.0", "v2.4": "2.4", "v2.6": "2.6", "v2Latest": "2.6"}
"""PyArrow's names of the versions. ``v2Latest`` is fixed: a newer PyArrow must not change the bytes of a retry."""


@dataclass(slots=True)
class EncodedBatch:
    """Records as a ``pyarrow.RecordBatch``, and where each of them ends, in bytes of Arrow.

    :param known_ends: the ends, if they are known beforehand.
    """

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

    def take(self, indices: Sequence[int]) -> EncodedBatch:
        ends = self.ends
        sizes = (ends[index] - (ends[index - 1] if index else 0) for index in indices)
        return EncodedBatch(self.batch.take(import_pyarrow().array(indices)), list(accumulate(sizes)))


class ParquetEncoder:
    """Encodes the chunks of one table, which hold Arrow data of the table's types already.

    :param table: name of the table, for errors.
    :param columns: the columns to write, in order.
    """

    header = b""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._table, self._columns = table, list(columns)

    def encode(self, chunk: Chunk) -> EncodedBatch:
        """Return the records of a chunk.

        :raises RecordError: if they have no columns.
        """
        assert isinstance(chunk, ArrowChunk)
        if not self._columns and len(chunk):
            refuse_no_columns("Parquet", self._table, chunk)
        return EncodedBatch(chunk.batch.select(self._columns))


class ParquetObject:
    """Writes one object, a Parquet file.

    Row groups are cut like batches: by records and bytes only, so that a retry writes the same file.

    :param sink: receives the bytes of the object.
    :param schema: the ``pyarrow.Schema`` of the records.
    :param spec: compression and options of the format.
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
        """Add the next records."""
        self._groups.add(data)

    def close(self, records: int) -> None:
        """Write the last row group and the footer."""
        self._groups.close()
        self._writer.close()
        self._sink.close(records)

    def _write(self, batches: Sequence[Any]) -> None:
        # In one piece: where PyArrow ends a page depends on the pieces, and the bytes must not depend on the chunks.
        group = import_pyarrow().Table.from_batches(batches, self._schema).combine_chunks()
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))


class _RowGroup:
    """Collects the records of one row group.

    :param write: writes them, given the record batches.
    """

    def __init__(self, write: Callable[[Sequence[Any]], None]) -> None:
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
    """Return the most bytes of a row group in Arrow, unless one record is larger."""
    return PARTITION_ROW_GROUP_BYTES if spec.partition_fields else ROW_GROUP_BYTES


class _Output:
    """The file object that PyArrow writes to."""

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
        """Do nothing: no bytes are held back."""

    def close(self) -> None:
        """Do nothing: :meth:`ParquetObject.close` closes the sink."""


def _ends(batch: Any) -> list[int]:
    """Return where each record ends, in bytes of Arrow: its values and offsets, and one bit a value for null.

    Each record is rounded up to whole bytes by itself, so that the ends do not depend on the chunks.
    """
    import numpy

    bits = sum((_bits(column) for column in batch.columns), numpy.zeros(batch.num_rows, numpy.int64))
    ends: list[int] = numpy.cumsum((bits + 7) // 8).tolist()
    return ends


def _bits(array: Any) -> Any:
    """Return the number of bits of each value of an array."""
    import numpy

    pyarrow = import_pyarrow()
    types, compute, arrow_type = pyarrow.types, pyarrow.compute, array.type
    if isinstance(arrow_type, pyarrow.BaseExtensionType):
        return _bits(array.storage)
    if types.is_struct(arrow_type):
        return sum(map(_bits, array.flatten()), numpy.ones(len(array), numpy.int64))
    large = types.is_large_string(arrow_type) or types.is_large_binary(arrow_type) or types.is_large_list(arrow_type)
    overhead = 1 + (64 if large else 32)  # null and offset
    if (
        types.is_string(arrow_type)
        or types.is_binary(arrow_type)
        or types.is_large_string(arrow_type)
        or types.is_large_binary(arrow_type)
    ):
        return overhead + 8 * _numbers(compute.binary_length(array))
    if types.is_map(arrow_type):
        items = _bits(array.keys) + _bits(array.items)
        # Keys and items are those of the whole array, even if this one is a slice of it; the offsets point into them.
        offsets = numpy.asarray(array.offsets)
        total = numpy.concatenate(([0], numpy.cumsum(items)))
        return overhead + total[offsets[1:]] - total[offsets[:-1]]
    if types.is_list(arrow_type) or types.is_large_list(arrow_type):
        total = numpy.concatenate(([0], numpy.cumsum(_bits(array.flatten()))))
        stops = numpy.cumsum(_numbers(compute.list_value_length(array)))
        return overhead + total[stops] - total[numpy.concatenate(([0], stops[:-1]))]
    return numpy.full(len(array), 1 + arrow_type.bit_width, numpy.int64)


def _numbers(array: Any) -> Any:
    """Return integers as a numpy array, 0 for null."""
    import numpy

    return numpy.asarray(array.fill_null(0)).astype(numpy.int64)
