"""Carries Arrow data to the encoders: chunks of bounded size, whose Python values are made only where asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.values import column_values, values_of
from airflow_provider_s3dest.records.chunks import ColumnChunk, Origins

CHUNK_RECORDS = 32_768
"""Records in a chunk of Arrow data, at most: of fewer, each step on a column would cost more than its records."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes of a chunk of Arrow data, at most, unless one record is larger."""

_CHUNK_VALUES = 1_000_000


class ArrowValues(Mapping[str, Sequence[Any]]):
    """The columns of a record batch as Python values, made when a column is asked for.

    :param batch: a ``pyarrow.RecordBatch``, no two columns of which have the same name.
    :param objects: further columns, as Python values.
    :param origins: of the records, for errors.
    """

    def __init__(self, batch: Any, objects: Mapping[str, Sequence[Any]], origins: Origins, table: str) -> None:
        self.batch, self.objects = batch, objects
        self.table, self._origins = table, origins
        self._names: Mapping[str, None] = dict.fromkeys((*batch.schema.names, *objects))

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name in self.objects:
            return self.objects[name]
        if name not in self._names:
            raise KeyError(name)
        return column_values(self.batch.column(name), name, self._origins, self.table)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class ArrowChunk(ColumnChunk):
    """A chunk of records by columns that stand in Arrow's memory."""

    values: ArrowValues

    def array(self, name: str) -> Any:
        """Give a column as a ``pyarrow.Array``; None if it is one of Python values."""
        if name in self.values.objects:
            return None
        return self.values.batch.column(name) if name in self.values else import_pyarrow().nulls(self.size)

    def slice(self, start: int, stop: int) -> ArrowChunk:
        values, origins = self.values, self.origins.slice(start, stop)
        objects = {name: column[start:stop] for name, column in values.objects.items()}
        batch = values.batch.slice(start, stop - start)
        return ArrowChunk(ArrowValues(batch, objects, origins, values.table), origins, stop - start)


class BatchRows(Sequence[Any]):
    """The records of a record batch as mappings, made when one is asked for.

    :param batch: a ``pyarrow.RecordBatch``.
    :param objects: further columns, as Python values.
    """

    def __init__(self, batch: Any, objects: Mapping[str, Sequence[Any]]) -> None:
        self._batch, self._objects = batch, objects

    def __len__(self) -> int:
        return len(next(iter(self._objects.values()))) if self._objects else int(self._batch.num_rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            objects = {name: column[index] for name, column in self._objects.items()}
            return BatchRows(self._batch.slice(start, stop - start), objects)
        names, columns = self._batch.schema.names, self._batch.columns
        record = {name: _value(column.slice(index, 1)) for name, column in zip(names, columns, strict=True)}
        return record | {name: column[index] for name, column in self._objects.items()}


def _value(array: Any) -> Any:
    try:
        return values_of(array)[0]
    except UnicodeDecodeError as error:
        return repr(error.object)
    except Exception:  # it may be what makes the record a bad one
        return array[0]


def cut(batch: Any) -> Iterator[Any]:
    """Cut a record batch into batches of the size of a chunk."""
    rows = chunk_rows(batch.num_columns)
    for start in range(0, batch.num_rows, rows):
        yield from _halved(batch.slice(start, rows))


def chunk_rows(columns: int, row_bytes: float = 0) -> int:
    """Tell how many records make a chunk, given the number of their columns and the bytes of one."""
    rows = min(CHUNK_RECORDS, _CHUNK_VALUES // max(1, columns))
    return max(1, int(min(rows, CHUNK_BYTES / row_bytes)) if row_bytes else rows)


def _halved(batch: Any) -> Iterator[Any]:
    # The first size is quick, and may count what slices share.
    if batch.num_rows < 2 or batch.nbytes <= CHUNK_BYTES or sum(map(_size, batch.columns)) <= CHUNK_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half))
    yield from _halved(batch.slice(half))


def _size(array: Any) -> int:
    """Tell the bytes of an array by itself, without what it shares with those beside it."""
    pyarrow = import_pyarrow()
    kind = array.type
    if pyarrow.types.is_dictionary(kind):
        members = len(array.dictionary)
        return len(array) * (8 + (_size(array.dictionary) // members if members else 0))
    if pyarrow.types.is_string_view(kind) or pyarrow.types.is_binary_view(kind):
        return _size(array.cast(pyarrow.large_binary()))
    if pyarrow.types.is_struct(kind):
        return sum(map(_size, array.flatten()))
    if pyarrow.types.is_nested(kind) and hasattr(array, "flatten"):
        return 8 * len(array) + _size(array.flatten())
    size: int = array.nbytes
    return size
