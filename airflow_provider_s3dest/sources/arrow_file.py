"""Reads Parquet and Arrow IPC files, a bounded piece at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import IO, Any

from airflow_provider_s3dest.errors import StagingError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, chunk_rows
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.sources.arrow_stream import arrow_chunks, unique_names
from airflow_provider_s3dest.sources.decompression import unpacking_error

_HELD_BYTES = 32 * 1024 * 1024
"""Bytes of a row group, as stored, that are read at once; of a larger one, each column is read piece by piece."""

_REPEATING_BYTES = 2
"""Stored bytes of a text, at most, by which a column of texts shows that it repeats a few of them."""

_LEAST_PIECE = 16 * 1024

_CONTINUED = b"\xff\xff\xff\xff"  # how a stream begins since Arrow 0.15; older ones end in another way
_STREAM_END = _CONTINUED + bytes(4)


class ArrowFile:
    """A Parquet or Arrow IPC file.

    :param stream: the content of the file; it must be able to seek.
    :param parquet: whether it is Parquet, else Arrow IPC (file or stream).
    """

    def __init__(self, stream: IO[bytes], parquet: bool, table: str, path: str) -> None:
        pyarrow = import_pyarrow()
        self._stream, self._table, self._path = stream, table, path
        self._parquet: Any = None
        self._faults = (pyarrow.ArrowException, OSError, ValueError)
        self._batches: Callable[[], Iterator[Any]]
        with self._naming_the_file():
            if parquet:
                self._parquet = _open_parquet(stream)
                self._schema = self._parquet.schema_arrow
            elif (head := stream.read(6)) == b"ARROW1":
                opened = pyarrow.ipc.open_file(pyarrow.PythonFile(stream, "r"))
                self._schema = opened.schema
                self._batches = lambda: (opened.get_batch(number) for number in range(opened.num_record_batches))
            else:
                stream.seek(0)
                reader = pyarrow.ipc.open_stream(pyarrow.PythonFile(stream, "r"))
                self._schema = reader.schema
                self._batches = lambda: _to_the_end(reader, stream) if head.startswith(_CONTINUED) else iter(reader)

    def header(self) -> tuple[str, ...]:
        """Give the names of the columns."""
        return tuple(unique_names(self._schema.names, self._table, self._path))

    def types(self) -> dict[str, Any]:
        """Give the columns with their types."""
        return dict(zip(self.header(), self._schema.types, strict=True))

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[ArrowChunk]:
        """Read all records.

        :param columns: the columns that are needed; the others of a Parquet file are not read. None: all.
        :raises StagingError: where the file is damaged.
        """
        self.header()
        yield from arrow_chunks(self._read(columns), self._table, self._path)

    def _read(self, columns: Sequence[str] | None) -> Iterator[Any]:
        with self._naming_the_file():
            for batch in self._parquet_batches(columns) if self._parquet else self._batches():
                # Arrow reads beyond its memory where an offset is damaged; Parquet's reader checks by itself.
                if not self._parquet:
                    batch.validate(full=True)
                yield batch

    def _parquet_batches(self, columns: Sequence[str] | None) -> Iterator[Any]:
        names = set(self._schema.names).intersection(self._schema.names if columns is None else columns)
        metadata = self._parquet.metadata
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        leaves = [
            number
            for number, path in enumerate(paths)
            if not names.isdisjoint(accumulate(path.split("."), "{}.{}".format))
        ]
        repeating = {paths[leaf] for leaf in leaves if paths[leaf] in names and self._is_variable(paths[leaf])}
        stored, row_bytes = 0, 0.0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            parts = [group.column(leaf) for leaf in leaves]
            stored = max(stored, sum(part.total_compressed_size for part in parts))
            row_bytes = max(row_bytes, sum(part.total_uncompressed_size for part in parts) / max(1, group.num_rows))
            repeating.difference_update(
                part.path_in_schema
                for part in parts
                if part.total_uncompressed_size > _REPEATING_BYTES * part.num_values
            )
        buffer_size = max(_LEAST_PIECE, _HELD_BYTES // len(leaves)) if stored > _HELD_BYTES else 0
        file = _open_parquet(self._stream, metadata, buffer_size, sorted(repeating))
        yield from file.iter_batches(chunk_rows(len(names), row_bytes), columns=sorted(names), use_threads=False)

    def _is_variable(self, name: str) -> bool:
        types, kind = import_pyarrow().types, self._schema.field(name).type
        return any(
            is_one(kind)
            for is_one in (
                types.is_string,
                types.is_large_string,
                types.is_string_view,
                types.is_binary,
                types.is_large_binary,
                types.is_binary_view,
            )
        )

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk; Arrow's own have no number
                raise
            remedy = "Stage it again, whole, or under the right ending."
            raise unpacking_error(error, self._path) or StagingError(
                f"{self._path} can't be read: {error}. {remedy}"
            ) from error


def _open_parquet(
    stream: IO[bytes], metadata: Any = None, buffer_size: int = 0, as_dictionaries: Sequence[str] = ()
) -> Any:
    from pyarrow.parquet import ParquetFile

    # Read-ahead would hold whole row groups in memory.
    return ParquetFile(
        import_pyarrow().PythonFile(stream, "r"),
        metadata=metadata,
        read_dictionary=list(as_dictionaries),
        buffer_size=buffer_size,
        pre_buffer=False,
        page_checksum_verification=True,
    )


def _to_the_end(reader: Any, stream: IO[bytes]) -> Iterator[Any]:
    """Read an Arrow stream, and see that its end is there, since it may be cut off between two batches."""
    yield from reader
    stream.seek(-len(_STREAM_END), os.SEEK_CUR)
    if stream.read(len(_STREAM_END)) != _STREAM_END:
        raise ValueError("the stream has no end")
    if stream.read(1):
        raise ValueError("something stands after the end of the stream")
