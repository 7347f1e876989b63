"""Makes every chunk of a table Arrow data with one type for each column: the type asked for, or one that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.errors import Fault, RecordError, SpecError, short
from airflow_provider_s3dest.records.arrow.cast import exact_cast
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.types import (
    MixedTypesError,
    NoRuleTypeError,
    array_of,
    common_type,
    storable_type,
)
from airflow_provider_s3dest.records.arrow.values import check_values
from airflow_provider_s3dest.records.bad_records import isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.records.values import (
    NoRuleError,
    UnknownTypeError,
    csv_text,
    csv_texts,
    json_bytes,
    plain,
)


def with_types(
    table: Table, arrow_types: Mapping[str, Any], *, for_parquet: bool = False, nanoseconds: bool = True
) -> Table:
    """Make all chunks of a table Arrow data of the same types.

    A column without a type in ``arrow_types`` gets the type that its source knows for it. If the source knows none, the
    column gets the type that holds all of its values; in a stream, those of the first 10,000 records.

    :param arrow_types: the ``pyarrow.DataType`` of some columns.
    :param for_parquet: whether to use only types that Parquet can store.
    :param nanoseconds: whether these may be in nanoseconds.
    :raises RecordError: at a value that its column's type does not hold exactly.
    :raises SpecError: if a column has no type, or Parquet has none for it.
    """
    chunks: Iterator[Any] = table.chunks
    types = {column: arrow_types[column] for column in table.columns if column in arrow_types}
    if table.types and len(types) < len(table.columns):
        types |= table.types([column for column in table.columns if column not in types])
    missing = [column for column in table.columns if column not in types]
    if untyped := [column for column in missing if column in table.without_type]:
        raise SpecError([_untyped(table, column) for column in untyped])
    if missing:
        inferred = _InferredTypes(table.name, missing)
        head, seen = [], 0
        for chunk in chunks:
            for part in isolate_bad_records(inferred.add, chunk, table.bad):
                head.append(part)
                seen += len(part)
            if seen >= STREAM_WINDOW and not table.is_held:
                break
        types |= inferred.types
        # Popped from the end, so that no chunk is held after it is encoded.
        head.reverse()
        chunks = chain((head.pop() for _ in range(len(head))), chunks)
    if for_parquet:
        types = {column: _storable(table.name, column, types[column], nanoseconds) for column in table.columns}
    schema = import_pyarrow().schema([(column, types[column]) for column in table.columns])
    typed = chain.from_iterable(
        isolate_bad_records(partial(_typed, table.name, schema), chunk, table.bad) for chunk in chunks
    )
    return Table(table.name, table.columns, typed, schema=schema, bad=table.bad)


@dataclass
class _InferredTypes:
    """The types that fit all values of some columns seen so far."""

    table: str
    columns: Sequence[str]
    types: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.types = dict.fromkeys(self.columns, import_pyarrow().null())

    def add(self, chunk: Chunk) -> Chunk:
        """Widen the types to the values of a chunk, and return the chunk; a refused chunk changes no type."""
        types = {}
        for column in self.columns:
            so_far = self.types[column]
            try:
                types[column] = common_type(so_far, _array(chunk, column).type)
            except Exception as error:
                raise self._refusal(chunk, column) or error from error
        self.types = types
        return chunk

    def _refusal(self, chunk: Chunk, column: str) -> RecordError | None:
        """Find the first value that has no type, or none in common with the values before it."""
        so_far = self.types[column]
        for position, value in enumerate(chunk.column(column)):
            try:
                arrow_type = array_of([value]).type
            except Exception as error:
                return _error(f"{error}: {short(_for_display(value))}.", self.table, chunk, position, column)
            try:
                so_far = common_type(so_far, arrow_type)
            except MixedTypesError as error:
                problem = (
                    f"{short(_for_display(value))} is {error.other} here, and in earlier records the type is "
                    f"{error.one}."
                )
                # Not separable: which of the two records is wrong, nobody can say.
                return _error(problem, self.table, chunk, position, column, separable=False)
        return None


def _typed(table: str, schema: Any, chunk: Chunk) -> ArrowChunk:
    arrays, misfits = [], []
    for column, arrow_type in zip(schema.names, schema.types, strict=True):
        try:
            arrays.append(_cast(chunk, column, arrow_type))
        except Exception as error:
            misfit = _misfit(table, chunk, column, arrow_type)
            if misfit is None:
                raise
            misfits.append((*misfit, error))
    if misfits:
        # The first record of all columns, so that the error does not depend on the order of the columns.
        _, refusal, cause = min(misfits, key=lambda misfit: misfit[0])
        raise refusal from cause
    batch = import_pyarrow().RecordBatch.from_arrays(arrays, schema=schema)
    return ArrowChunk(batch, chunk.origins, len(chunk), table)


def _cast(chunk: Chunk, column: str, target: Any) -> Any:
    if (array := _arrow_array(chunk, column)) is not None:
        check_values(array)
        return exact_cast(array, target)
    return _array_from(chunk.column(column), target)


def _array_from(values: Sequence[Any], target: Any) -> Any:
    """Make an array of a type from Python values.

    :raises InexactError, MixedTypesError, ValueError: if a value does not fit the type.
    """
    pyarrow, python_types = import_pyarrow(), set(map(type, values))
    types = pyarrow.types
    if (types.is_string(target) or types.is_large_string(target)) and python_types - {str, type(None)}:
        return pyarrow.array(_texts(values, python_types), target)
    # array_of infers neither type, and the types that it infers instead hold less.
    if types.is_decimal256(target) and python_types <= {int, Decimal, type(None)}:
        return exact_cast(pyarrow.array(csv_texts(values, python_types), pyarrow.string()), target)
    if types.is_duration(target) and python_types <= {timedelta, type(None)}:
        return exact_cast(pyarrow.array(values, pyarrow.duration("us")), target)
    try:
        return exact_cast(array_of(values, target), target)
    except MixedTypesError:
        # Values of different types may each fit the target, such as 7 and "7".
        return pyarrow.concat_arrays([exact_cast(array_of([value], target), target) for value in values])


def _texts(values: Sequence[Any], python_types: set[type]) -> list[str | None]:
    """Return the texts of values of any type: those in CSV, and what ``str`` returns for types without a rule."""
    try:
        return csv_texts(values, python_types)
    except UnknownTypeError:
        return [_text(value) for value in values]


def _text(value: Any) -> str | None:
    try:
        return csv_text(value)
    except UnknownTypeError:
        return csv_text(_with_texts(value))


def _with_texts(value: Any) -> Any:
    """Replace each value whose type has no rule by its text, also inside lists and mappings."""
    try:
        return plain(value)
    except UnknownTypeError as error:
        if isinstance(value, Enum):
            return _with_texts(value.value)
        if isinstance(value, Mapping):
            return {key: _with_texts(member) for key, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [_with_texts(item) for item in value]
        if isinstance(value, (set, frozenset)):
            return sorted((_with_texts(item) for item in value), key=json_bytes)
        try:
            text = str(value)
        except Exception as failure:  # the value's own method may raise anything
            raise NoRuleError(f"{error}, and its text can't be had: {type(failure).__name__}: {failure}") from failure
        if f"0x{id(value):x}" in text.lower():
            raise NoRuleError(f"{error}, and its text is only an address in memory") from error
        return text


def _misfit(table: str, chunk: Chunk, column: str, target: Any) -> tuple[int, RecordError] | None:
    """Find the position of the first value that a type does not hold, and describe the problem."""
    array = _arrow_array(chunk, column)
    for position in range(len(chunk)):
        try:
            if array is not None:
                check_values(array.slice(position, 1))
                exact_cast(array.slice(position, 1), target)
            else:
                _array_from(chunk.column(column)[position : position + 1], target)
        except Exception as error:
            record = chunk.slice(position, position + 1)
            try:
                value = short(_for_display(record.column(column)[0]))
            except RecordError as refusal:  # the value has no form in any format
                return position, refusal
            problem = f"{value} does not fit the column's type {target}: {error}."
            return position, _error(problem, table, record, 0, column)
    return None


def _array(chunk: Chunk, column: str) -> Any:
    array = _arrow_array(chunk, column)
    return array_of(chunk.column(column)) if array is None else array


def _arrow_array(chunk: Chunk, column: str) -> Any:
    return chunk.array(column) if isinstance(chunk, ArrowChunk) else None


def _storable(table: str, column: str, arrow_type: Any, nanoseconds: bool) -> Any:
    try:
        return storable_type(arrow_type, nanoseconds=nanoseconds)
    except TypeError as error:
        problem = f"the column {column!r} of table {table!r} is {error}."
        remedy = f"Give it another, such as schema={{{column!r}: 'string'}}."
        if isinstance(error, NoRuleTypeError):
            remedy = "Cast it upstream, to text if need be, or leave it out with `columns`."
        raise SpecError([Fault("schema", problem, remedy)]) from error


def _untyped(table: Table, column: str) -> Fault:
    problem = f"has no type for the column {column!r} of table {table.name!r}, which is {table.without_type[column]}."
    return Fault("schema", problem, f"Give all columns types, such as {column!r}: 'decimal(18,2)' or 'string'.")


def _for_display(value: Any) -> Any:
    if isinstance(value, orjson.Fragment):
        return json_bytes(value).decode()
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else value


def _error(
    problem: str, table: str, chunk: Chunk, position: int, column: str, *, separable: bool = True
) -> RecordError:
    remedy = "Name the columns and their types with `schema=`, or convert the values upstream."
    value, place = chunk.column(column)[position], chunk.origins[position]
    return RecordError(problem, remedy, table=table, place=place, column=column, value=value, separable=separable)
