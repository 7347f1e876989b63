"""Gives a table one Arrow type a column, for all of its chunks: those asked for, or those that its records show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from airflow_provider_s3dest.errors import Fault, RecordError, SpecError, short
from airflow_provider_s3dest.records.arrow.cast import exact_cast
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, ArrowValues
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.types import MixedTypesError, array_of, common_type, storable_type
from airflow_provider_s3dest.records.bad_records import isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.records.values import csv_texts


def with_types(table: Table, given: Mapping[str, Any], *, stored: bool = False, nanoseconds: bool = True) -> Table:
    """Make all chunks of a table Arrow data of the same types.

    A column that no type is given for has that of its source where the source has types; else the one that holds all
    of its values, in a stream all of those of the first 10,000 records.

    :param given: the ``pyarrow.DataType`` of columns.
    :param stored: whether the types are to be ones that Parquet keeps.
    :param nanoseconds: whether they may be in nanoseconds.
    :raises RecordError: at a value that its column's type does not hold exactly.
    :raises SpecError: if Parquet has no type for a column.
    """
    chunks: Iterator[Any] = table.chunks
    kinds = {column: given[column] for column in table.columns if column in given}
    if table.types and len(kinds) < len(table.columns):
        kinds |= table.types([column for column in table.columns if column not in kinds])
    missing = [column for column in table.columns if column not in kinds]
    if missing:
        shown = _Shown(table.name, missing)
        head, seen = [], 0
        for chunk in chunks:
            for part in isolate_bad_records(shown.add, chunk, table.bad):
                head.append(part)
                seen += len(part)
            if seen >= STREAM_WINDOW and not table.is_held:
                break
        kinds |= shown.kinds
        head.reverse()
        chunks = chain((head.pop() for _ in range(len(head))), chunks)
    if stored:
        kinds = {column: _storable(table.name, column, kinds[column], nanoseconds) for column in table.columns}
    schema = import_pyarrow().schema([(column, kinds[column]) for column in table.columns])
    typed = chain.from_iterable(
        isolate_bad_records(partial(_typed, table.name, schema), chunk, table.bad) for chunk in chunks
    )
    return Table(table.name, table.columns, typed, schema=schema, bad=table.bad)


@dataclass
class _Shown:
    """The types that the values of columns show, so far."""

    table: str
    columns: Sequence[str]
    kinds: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = dict.fromkeys(self.columns, import_pyarrow().null())

    def add(self, chunk: Chunk) -> Chunk:
        """Look at a chunk, which is given back; at one that is refused, nothing is learnt."""
        kinds = {}
        for column in self.columns:
            so_far = self.kinds[column]
            try:
                kinds[column] = common_type(so_far, _array(chunk, column).type)
            except Exception as error:
                raise self._refusal(chunk, column) or error from error
        self.kinds = kinds
        return chunk

    def _refusal(self, chunk: Chunk, column: str) -> RecordError | None:
        so_far = self.kinds[column]
        for position, value in enumerate(chunk.column(column)):
            try:
                kind = array_of([value]).type
            except Exception as error:
                return _error(f"{error}: {short(_shown(value))}.", self.table, chunk, position, column)
            try:
                so_far = common_type(so_far, kind)
            except MixedTypesError as error:
                problem = (
                    f"{short(_shown(value))} is {error.other} here, and in earlier records the type is {error.one}."
                )
                return _error(problem, self.table, chunk, position, column, separable=False)
        return None


def _typed(table: str, schema: Any, chunk: Chunk) -> ArrowChunk:
    arrays, faults = [], []
    for column, kind in zip(schema.names, schema.types, strict=True):
        try:
            arrays.append(_cast(chunk, column, kind))
        except Exception as error:
            found = _misfit(chunk, column, kind)
            if found is None:
                raise
            faults.append((*found, column, error))
    if faults:
        position, problem, column, cause = min(faults, key=lambda fault: fault[0])
        raise _error(problem, table, chunk, position, column) from cause
    batch = import_pyarrow().RecordBatch.from_arrays(arrays, schema=schema)
    return ArrowChunk(ArrowValues(batch, {}, chunk.origins, table), chunk.origins, len(chunk))


def _cast(chunk: Chunk, column: str, kind: Any) -> Any:
    if (array := _arrow_array(chunk, column)) is not None:
        return exact_cast(array, kind)
    return _of_values(chunk.column(column), kind)


def _of_values(values: Sequence[Any], kind: Any) -> Any:
    pyarrow, seen = import_pyarrow(), set(map(type, values))
    types = pyarrow.types
    if (types.is_string(kind) or types.is_large_string(kind)) and seen - {str, type(None)}:
        return pyarrow.array(csv_texts(values, seen), kind)
    # What these types hold and no type does that the values show by themselves.
    if types.is_decimal256(kind) and seen <= {int, Decimal, type(None)}:
        return exact_cast(pyarrow.array(csv_texts(values, seen), pyarrow.string()), kind)
    if types.is_duration(kind) and seen <= {timedelta, type(None)}:
        return exact_cast(pyarrow.array(values, pyarrow.duration("us")), kind)
    try:
        return exact_cast(array_of(values, kind), kind)
    except MixedTypesError:
        return pyarrow.concat_arrays([exact_cast(array_of([value], kind), kind) for value in values])


def _misfit(chunk: Chunk, column: str, kind: Any) -> tuple[int, str] | None:
    """Find the first value that a type does not hold, and say why."""
    array = _arrow_array(chunk, column)
    for position in range(len(chunk)):
        try:
            if array is not None:
                exact_cast(array.slice(position, 1), kind)
            else:
                _of_values(chunk.column(column)[position : position + 1], kind)
        except Exception as error:
            value = short(_shown(chunk.column(column)[position]))
            return position, f"{value} does not fit the column's type {kind}: {error}."
    return None


def _array(chunk: Chunk, column: str) -> Any:
    array = _arrow_array(chunk, column)
    return array_of(chunk.column(column)) if array is None else array


def _arrow_array(chunk: Chunk, column: str) -> Any:
    return chunk.array(column) if isinstance(chunk, ArrowChunk) else None


def _storable(table: str, column: str, kind: Any, nanoseconds: bool) -> Any:
    try:
        return storable_type(kind, nanoseconds=nanoseconds)
    except TypeError as error:
        problem = f"the column {column!r} of table {table!r} is {error}."
        raise SpecError(
            [Fault("schema", problem, f"Give it another, such as schema={{{column!r}: 'string'}}.")]
        ) from error


def _shown(value: Any) -> Any:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value


def _error(
    problem: str, table: str, chunk: Chunk, position: int, column: str | None, *, separable: bool = True
) -> RecordError:
    remedy = "Name the columns and their types with `schema=`, or convert the values upstream."
    value = None if column is None else chunk.column(column)[position]
    place = chunk.origins[position]
    return RecordError(problem, remedy, table=table, place=place, column=column, value=value, separable=separable)
