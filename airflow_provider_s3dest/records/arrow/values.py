"""Gives the Python values of Arrow arrays, losing no digit."""

from __future__ import annotations

import struct
from datetime import datetime, time, timedelta, timezone
from itertools import islice
from typing import Any

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Origins

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

PYTHON_TYPES = frozenset({"arrow.uuid", "arrow.bool8"})
"""Extension types whose values are Python objects of their own; those of others are what they are stored as."""


def column_values(array: Any, name: str, origins: Origins, table: str) -> list[Any]:
    """Give the Python values of a column.

    :raises RecordError: at the first value that has no exact form.
    """
    try:
        return values_of(array)
    except Exception:  # such as one of a time zone that this machine does not know
        for position in range(len(array)):
            try:
                values_of(array.slice(position, 1))
            except Exception as error:
                raise RecordError(
                    f"a value of type {array.type} can't be written exactly: {error}.",
                    "Cast the column upstream, to text if need be.",
                    table=table,
                    place=origins[position],
                    column=name,
                ) from error
        raise


def values_of(array: Any) -> list[Any]:
    """Give the Python values of an Arrow array, exactly.

    What Python's types would round comes as ISO 8601 text (nanoseconds), and what they would widen comes as
    the double of the same shortest text (32 and 16 bit floats).

    :raises OverflowError, ValueError: for a date or time outside the years 1 to 9999.
    :raises TypeError: for a type that has no rule.
    """
    pyarrow = import_pyarrow()
    types, kind = pyarrow.types, array.type
    if isinstance(kind, pyarrow.BaseExtensionType) and kind.extension_name not in PYTHON_TYPES:
        if kind.extension_name == "pandas.period":
            raise TypeError("a period is stored as a number that only pandas can read")
        return values_of(array.storage)
    if types.is_dictionary(kind):
        members = values_of(array.dictionary)
        return [None if index is None else members[index] for index in array.indices.to_pylist()]
    if types.is_run_end_encoded(kind):
        return values_of(pyarrow.compute.run_end_decode(array))
    if types.is_float32(kind):
        return [None if text is None else float(text) for text in array.cast(pyarrow.string()).to_pylist()]
    if types.is_float16(kind):
        return [None if value is None else _shortest_half(float(value)) for value in array.to_pylist()]
    if types.is_timestamp(kind) and kind.unit == "ns":
        zone = pyarrow.array([0], pyarrow.timestamp("us", kind.tz))[0].as_py().tzinfo if kind.tz else None
        return [None if v is None else _nano_timestamp(v, zone) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_duration(kind) and kind.unit == "ns":
        return [None if v is None else _nano_duration(v) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_time64(kind) and kind.unit == "ns":
        return [None if v is None else _nano_time(v) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_map(kind):
        return _mappings(array)
    if types.is_struct(kind):
        names = [kind.field(position).name for position in range(kind.num_fields)]
        if len(set(names)) != len(names):
            raise TypeError("a struct names a field twice")
        fields = [values_of(field) for field in array.flatten()]
        rows = zip(*fields, strict=True) if fields else ((),) * len(array)
        present = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if there else None for there, row in zip(present, rows, strict=True)]
    if types.is_union(kind):
        return [values_of(pyarrow.array([item.value], item.value.type))[0] if item.is_valid else None for item in array]
    if types.is_nested(kind):
        return _lists(array, values_of(array.flatten()))
    if types.is_interval(kind):
        raise TypeError("calendar intervals have no ISO 8601 duration of fixed length")
    values: list[Any] = array.to_pylist()
    return values


def _lists(array: Any, items: list[Any]) -> list[Any]:
    """Cut the flat items of a list array into its lists."""
    lengths = import_pyarrow().compute.list_value_length(array).to_pylist()
    stream = iter(items)
    return [None if length is None else list(islice(stream, length)) for length in lengths]


def _mappings(array: Any) -> list[dict[Any, Any] | None]:
    bounds = array.offsets.to_pylist()
    first, size = bounds[0], bounds[-1] - bounds[0]
    keys, items = values_of(array.keys.slice(first, size)), values_of(array.items.slice(first, size))
    mappings: list[dict[Any, Any] | None] = []
    for there, begin, end in zip(array.is_valid().to_pylist(), bounds, bounds[1:], strict=False):
        begin, end = begin - first, end - first
        mapping = dict(zip(keys[begin:end], items[begin:end], strict=True))
        if there and len(mapping) != end - begin:
            raise ValueError("a map has a key twice")
        mappings.append(mapping if there else None)
    return mappings


def _shortest_half(value: float) -> float:
    for digits in range(1, 6):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.pack("e", shorter) == struct.pack("e", value):
                return shorter
        except OverflowError:
            continue
    return value


def _nano_timestamp(nanoseconds: int, zone: Any) -> datetime | str:
    micros, rest = divmod(nanoseconds, 1000)
    moment = _EPOCH + timedelta(microseconds=micros)
    moment = moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)
    if not rest:
        return moment
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{rest:03d}{text[26:]}"


def _nano_time(nanoseconds: int) -> time | str:
    micros, rest = divmod(nanoseconds, 1000)
    moment = (_EPOCH + timedelta(microseconds=micros)).time()
    return f"{moment.isoformat(timespec='microseconds')}{rest:03d}" if rest else moment


def _nano_duration(nanoseconds: int) -> timedelta | str:
    from airflow_provider_s3dest.records.values import iso_duration

    micros, rest = divmod(nanoseconds, 1000)
    return iso_duration(nanoseconds, 9) if rest else timedelta(microseconds=micros)
