"""Arrow data as chunks of bounded size; the Python values of a column are made only when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.values import column_values, values_of
from airflow_provider_s3dest.records.chunks import Origins

CHUNK_RECORDS = 32_768
"""Records of a chunk of Arrow data, at most. In smaller chunks, the fixed cost of each step on a column would outweigh
the work on its records."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes of a chunk of Arrow data, at most, unless one record is larger."""

_CHUNK_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class ArrowChunk:
    """A chunk of records in Arrow's memory.

    :param batch: a ``pyarrow.RecordBatch``, no two columns of which have the same name.
    :param size: number of the records, which a batch without columns does not know.
    :param table: name of the table, for errors.
    :param objects: further columns, as Python values.
    """

    batch: Any
    origins: Origins
    size: int
    table: str
    objects: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def names(self) -> Iterable[str]:
        """The names of the columns, in order."""
        return (*self.batch.schema.names, *self.objects)

    def __len__(self) -> int:
        return self.size

    def array(self, name: str) -> Any:
        """Return a column as a ``pyarrow.Array``, all null if there is none of this name; None if it is in objects."""
        if name in self.objects:
            return None
        index = self.batch.schema.get_field_index(name)
        return self.batch.column(index) if index >= 0 else import_pyarrow().nulls(self.size)

    def column(self, name: str) -> Sequence[Any]:
        array = self.array(name)
        return self.objects[name] if array is None else column_values(array, name, self.origins, self.table)

    def columns(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        return map(self.column, names)

    def slice(self, start: int, stop: int) -> ArrowChunk:
        batch, origins = self.batch.slice(start, stop - start), self.origins.slice(start, stop)
        objects = {name: column[start:stop] for name, column in self.objects.items()}
        return ArrowChunk(batch, origins, stop - start, self.table, objects)


class BatchRows(Sequence[Any]):
    """The records of a record batch as mappings; each is made only when somebody asks for it.

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
    except Exception:  # this may be the value that makes the record a bad one, which is to be shown all the same
        return array[0]


def cut(batch: Any) -> Iterator[Any]:
    """Cut a record batch into batches of the size of a chunk."""
    rows = chunk_rows(batch.num_columns)
    for start in range(0, batch.num_rows, rows):
        yield from _halved(batch.slice(start, rows))


def chunk_rows(columns: int, row_bytes: float = 0) -> int:
    """Return the number of records of a chunk.

    :param columns: number of columns.
    :param row_bytes: bytes of one record; 0: not known.
    """
    rows = min(CHUNK_RECORDS, _CHUNK_VALUES // max(1, columns))
    return max(1, int(min(rows, CHUNK_BYTES / row_bytes)) if row_bytes else rows)


def _halved(batch: Any) -> Iterator[Any]:
    # nbytes is quick, but may count memory that the batch has in common with other slices. So it can only prove that
    # a batch is small enough; the size by itself decides.
    if batch.num_rows < 2 or batch.nbytes <= CHUNK_BYTES or sum(map(_size, batch.columns)) <= CHUNK_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half))
    yield from _halved(batch.slice(half))


def _size(array: Any) -> int:
    """Return the bytes of an array by itself, without the memory of the arrays that it is a slice of."""
    pyarrow = import_pyarrow()
    types, arrow_type = pyarrow.types, array.type
    if types.is_dictionary(arrow_type):
        # As text, each record has a whole member of the dictionary: 8 bytes and the average size of a member.
        members = len(array.dictionary)
        return len(array) * (8 + (_size(array.dictionary) // members if members else 0))
    if types.is_string_view(arrow_type) or types.is_binary_view(arrow_type):
        return _size(array.cast(pyarrow.large_binary()))
    if types.is_struct(arrow_type):
        return sum(map(_size, array.flatten()))
    if types.is_nested(arrow_type) and hasattr(array, "flatten"):
        return 8 * len(array) + _size(array.flatten())
    size: int = array.nbytes
    return size
