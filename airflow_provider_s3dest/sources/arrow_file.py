"""Reads Parquet and Arrow IPC files, a piece of bounded size at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import accumulate
from typing import IO, Any

from airflow_provider_s3dest.errors import StagingError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, chunk_rows
from airflow_provider_s3dest.records.arrow.extensions import MeantFields
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.sources.arrow_stream import arrow_chunks, meant_fields
from airflow_provider_s3dest.sources.decompression import decompression_error
from airflow_provider_s3dest.sources.parquet_footer import row_groups
from airflow_provider_s3dest.sources.parquet_types import annotated_schema, check_int96, int96_paths, int96_unit
from airflow_provider_s3dest.sources.source_file import SourceFile

_HELD_BYTES = 32 * 1024 * 1024
"""A row group with more stored bytes than this is read in pieces."""

_REPEATING_BYTES = 2
"""A text column with at most so many stored bytes per value repeats a few texts, and is read as a dictionary."""

_DICTIONARY_ENCODINGS = frozenset({"PLAIN", "PLAIN_DICTIONARY", "RLE_DICTIONARY", "RLE", "BIT_PACKED"})
"""Encodings of pages that pyarrow can read into a dictionary."""

_LEAST_PIECE = 16 * 1024
"""Bytes of a piece of a column, at least: smaller ones would only be more requests."""

_CONTINUED = b"\xff\xff\xff\xff"  # the begin of every message since Arrow 0.15; older streams end in another way
_STREAM_END = _CONTINUED + bytes(4)


class ArrowFile:
    """A Parquet or Arrow IPC file.

    :param stream: the content of the file; it must be able to seek.
    :param is_parquet: whether it is Parquet, else Arrow IPC (file or stream).
    """

    def __init__(self, stream: IO[bytes], file: SourceFile, *, is_parquet: bool) -> None:
        pyarrow = import_pyarrow()
        self._stream, self._file = stream, file
        self._parquet: Any = None
        self._read_errors = (pyarrow.ArrowException, OSError, ValueError, IndexError)
        self._batches: Callable[[], Iterator[Any]]
        with self._naming_the_file():
            if is_parquet:
                self._parquet = _open_parquet(stream)
                open_in = partial(_open_parquet, stream, self._parquet.metadata, _LEAST_PIECE, ())
                self._int96 = int96_paths(self._parquet)
                self._int96_unit = int96_unit(self._int96, open_in)
                if self._int96_unit != "ns":
                    self._parquet = _open_parquet(stream, self._parquet.metadata, int96_unit=self._int96_unit or "us")
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
        """Return the names of the columns.

        :raises SpecError: if two are the same, if one is no UTF-8, or if pyarrow can't read a type.
        """
        return tuple(self._meant.schema.names)

    @cached_property
    def _meant(self) -> MeantFields:
        schema = annotated_schema(self._parquet) if self._parquet else self._schema
        return meant_fields(schema, f"table {self._file.table!r}, {self._file.path}")

    def types(self) -> dict[str, Any]:
        """Return the ``pyarrow.DataType`` of each column."""
        return dict(zip(self.header(), self._meant.schema.types, strict=True))

    def chunks(self, columns: Sequence[str] | None = None) -> Iterator[ArrowChunk]:
        """Read all records.

        :param columns: the columns that are needed; the others of a Parquet file are not read. None: all.
        :raises StagingError: where the file is damaged.
        """
        self.header()  # raises the error for columns of the same name
        yield from arrow_chunks(self._read(columns), self._file.table, self._file.path)

    def _read(self, columns: Sequence[str] | None) -> Iterator[Any]:
        with self._naming_the_file():
            for batch in self._parquet_batches(columns) if self._parquet else self._batches():
                # Arrow trusts the offsets of an IPC file, and would read foreign memory by a damaged one. Parquet's
                # reader checks by itself.
                if not self._parquet:
                    _validate(batch)
                yield self._meant.read(batch)

    def _parquet_batches(self, columns: Sequence[str] | None) -> Iterator[Any]:
        """Read the row groups with settings that bound the memory, and that follow from the file's metadata alone.

        A column of texts that repeat is read as a dictionary. If a row group is large, its columns are read through
        buffers that together are as large as a small one.
        """
        names = set(self._schema.names).intersection(self._schema.names if columns is None else columns)
        metadata = self._parquet.metadata
        paths = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        # A nested column has a leaf for each of its members, whose path begins with the column's name. Names may hold
        # dots too, so that each beginning of the path is compared.
        leaves = [
            number
            for number, path in enumerate(paths)
            if not names.isdisjoint(accumulate(path.split("."), "{}.{}".format))
        ]
        check_int96(self._int96_unit, [paths[leaf] for leaf in leaves if paths[leaf] in self._int96], self._file.path)
        if self._has_more_than_metadata():
            # The metadata of encrypted columns can't be read. pyarrow raises an error when it is asked for the values.
            file = _open_parquet(self._stream, metadata, _LEAST_PIECE, (), self._int96_unit or "us")
            yield from file.iter_batches(chunk_rows(len(names)), columns=sorted(names), use_threads=False)
            return
        repeating = {paths[leaf] for leaf in leaves if paths[leaf] in names and self._is_text_or_bytes(paths[leaf])}
        stored_bytes, row_bytes = 0, 0.0
        for group in row_groups(self._stream):
            parts = [group.columns[leaf] for leaf in leaves]
            stored_bytes = max(stored_bytes, sum(part.stored_bytes for part in parts))
            row_bytes = max(row_bytes, sum(part.bytes for part in parts) / max(1, group.rows))
            repeating.difference_update(
                part.path
                for part in parts
                if part.bytes > _REPEATING_BYTES * part.values or not _DICTIONARY_ENCODINGS.issuperset(part.encodings)
            )
        buffer_size = max(_LEAST_PIECE, _HELD_BYTES // len(leaves)) if stored_bytes > _HELD_BYTES else 0
        file = _open_parquet(self._stream, metadata, buffer_size, sorted(repeating), self._int96_unit or "us")
        yield from file.iter_batches(chunk_rows(len(names), row_bytes), columns=sorted(names), use_threads=False)

    def _has_more_than_metadata(self) -> bool:
        """Return whether the footer of a Parquet file is longer than its metadata.

        A file with encrypted columns and a footer that is not encrypted has a signature there, of 28 bytes.
        """
        self._stream.seek(-len(b"PAR1") - 4, os.SEEK_END)
        footer = int.from_bytes(self._stream.read(4), "little")
        return bool(footer != self._parquet.metadata.serialized_size)

    def _is_text_or_bytes(self, name: str) -> bool:
        types, arrow_type = import_pyarrow().types, self._schema.field(name).type
        return any(
            is_member(arrow_type)
            for is_member in (
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
        except self._read_errors as error:
            if isinstance(error, OSError) and error.errno is not None:  # from the disk; Arrow's own have no number
                raise
            path, remedy = self._file.path, "Stage it again, whole, or under the right ending."
            if "decrypt" in str(error):
                remedy = "It is encrypted, and the load has no keys: stage it decrypted."
            raise decompression_error(error, path) or StagingError(
                f"{path} can't be read: {str(error).rstrip('.')}. {remedy}"
            ) from error


def _open_parquet(
    stream: IO[bytes],
    metadata: Any = None,
    buffer_size: int = 0,
    as_dictionaries: Sequence[str] = (),
    int96_unit: str = "ns",
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
        coerce_int96_timestamp_unit=int96_unit,
    )


def _validate(batch: Any) -> None:
    """Check that all values of a record batch are where its buffers are.

    A time that is outside of a day is not refused here, but with its record.
    """
    pyarrow = import_pyarrow()
    types, columns = pyarrow.types, []
    for column in batch.columns:
        if types.is_time(column.type) or types.is_date64(column.type):
            column.validate()
            column = column.view(pyarrow.int32() if types.is_time32(column.type) else pyarrow.int64())
        columns.append(column)
    if columns:
        batch = pyarrow.RecordBatch.from_arrays(columns, batch.schema.names)
    batch.validate(full=True)


def _to_the_end(reader: Any, stream: IO[bytes]) -> Iterator[Any]:
    """Read an Arrow stream, and check that its end is there: cut off between two batches, it would look complete."""
    yield from reader
    stream.seek(-len(_STREAM_END), os.SEEK_CUR)
    if stream.read(len(_STREAM_END)) != _STREAM_END:
        raise ValueError("the stream has no end")
    if stream.read(1):
        raise ValueError("something stands after the end of the stream")
