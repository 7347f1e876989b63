"""Converts Arrow arrays to Python values without losing a digit."""

from __future__ import annotations

import struct
from datetime import datetime, time, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Origins
from airflow_provider_s3dest.records.durations import iso_duration
from airflow_provider_s3dest.records.values import NoRuleError, too_deep

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
"""A day, by the name of the unit."""

_PYTHON_TYPES = frozenset({"arrow.uuid", "arrow.bool8"})
"""Extension types whose values pyarrow returns as Python values."""

MEANT_TYPES = _PYTHON_TYPES | {"arrow.json", "arrow.opaque"}
"""Extension types that mean something else than their storage; a value of any other is that of its storage."""


def column_values(array: Any, name: str, origins: Origins, table: str) -> list[Any]:
    """Return the Python values of a column.

    :raises RecordError: at the first value that has no exact form.
    """
    try:
        return values_of(array)
    except Exception:  # such as one in a time zone that this machine does not know; the loop finds its record
        for position in range(len(array)):
            try:
                values_of(array.slice(position, 1))
            except Exception as error:
                problem = f"a value of type {array.type} can't be written exactly: {error}."
                raise RecordError(
                    f"{error}." if isinstance(error, NoRuleError) else problem,
                    "Cast the column upstream, to text if need be.",
                    table=table,
                    place=origins[position],
                    column=name,
                ) from error
        raise


def values_of(array: Any) -> list[Any]:
    """Return the Python values of an Arrow array, exactly.

    Values with nanoseconds, which Python's types would round, become ISO 8601 text. A 32 or 16 bit float becomes the
    double with the same shortest text (0.1 stays 0.1), not the double of the same binary value (0.10000000149011612).

    :raises OverflowError, ValueError: for a date or time outside the years 1 to 9999, a time of day outside of a day,
        and a date in milliseconds that is no whole day.
    :raises TypeError: for a type that has no rule.
    """
    pyarrow = import_pyarrow()
    types, arrow_type = pyarrow.types, array.type
    if has_no_rule(arrow_type):
        raise NoRuleError(f"there is no rule for the type {arrow_type.type_name}")
    if isinstance(arrow_type, pyarrow.BaseExtensionType) and arrow_type.extension_name not in _PYTHON_TYPES:
        stored = values_of(array.storage)
        if arrow_type.extension_name == "arrow.json":
            return [None if text is None else _json_fragment(text) for text in stored]
        return stored
    if types.is_dictionary(arrow_type):
        try:
            members = values_of(array.dictionary)
        except Exception:  # maybe at a member that none of these records has
            return values_of(array.dictionary.take(array.indices))
        return [None if index is None else members[index] for index in array.indices.to_pylist()]
    if types.is_run_end_encoded(arrow_type):
        return values_of(pyarrow.compute.run_end_decode(array))
    if types.is_time(arrow_type):
        check_times(array)
    if types.is_date64(arrow_type):
        check_days(array)
    if types.is_float32(arrow_type):
        return [None if text is None else float(text) for text in array.cast(pyarrow.string()).to_pylist()]
    if types.is_float16(arrow_type):
        return [None if value is None else _shortest_half(float(value)) for value in array.to_pylist()]
    if types.is_timestamp(arrow_type) and arrow_type.unit == "ns":
        # One value for the tzinfo that pyarrow makes of the type's zone or offset.
        epoch = pyarrow.array([0], pyarrow.timestamp("us", arrow_type.tz))[0].as_py()
        return [None if v is None else _nano_timestamp(v, epoch.tzinfo) for v in _integers(array)]
    if types.is_duration(arrow_type) and arrow_type.unit == "ns":
        return [None if v is None else _nano_duration(v) for v in _integers(array)]
    if types.is_time64(arrow_type) and arrow_type.unit == "ns":
        return [None if v is None else _nano_time(v) for v in _integers(array)]
    if types.is_map(arrow_type):
        return _mappings(array)
    if types.is_struct(arrow_type):
        return _structs(array)
    if types.is_union(arrow_type):
        return [values_of(pyarrow.array([item.value], item.value.type))[0] if item.is_valid else None for item in array]
    if types.is_nested(arrow_type):
        return _lists(array, values_of(array.flatten()))
    if types.is_interval(arrow_type):
        raise TypeError("calendar intervals have no ISO 8601 duration of fixed length")
    values: list[Any] = array.to_pylist()
    return values


def _json_fragment(text: str) -> orjson.Fragment:
    """Return a text that is JSON as a value that is written as it stands, on one line.

    :raises NoRuleError: if it is no JSON, or nested too deeply.
    """
    try:
        msgspec.json.decode(text.encode(), type=msgspec.Raw)
    except RecursionError as error:
        raise too_deep() from error
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise NoRuleError(f"the column is JSON, and the text is not: {error}") from error
    # JSON has line breaks only between its parts, as strings hold them escaped.
    return orjson.Fragment(text.replace("\n", " ").replace("\r", " ").encode())


def check_times(array: Any) -> None:
    """Check that times of day are within a day. Arrow takes others as they are, and Python returns their rest.

    :raises OverflowError: if one is not.
    """
    pyarrow = import_pyarrow()
    unit = array.type.unit
    bounds = pyarrow.compute.min_max(array.view(pyarrow.int32() if unit in ("s", "ms") else pyarrow.int64())).as_py()
    if bounds["min"] is not None and (bounds["min"] < 0 or bounds["max"] >= _DAY[unit]):
        number = bounds["min"] if bounds["min"] < 0 else bounds["max"]
        raise OverflowError(f"{number} {unit} is no time from 00:00:00 to before 24:00:00")


def check_days(array: Any) -> None:
    """Check that dates in milliseconds are whole days.

    :raises ValueError: if one is not.
    """
    pyarrow = import_pyarrow()
    compute, numbers = pyarrow.compute, array.view(pyarrow.int64())
    # Arrow divides integers towards zero.
    days = compute.multiply(compute.divide(numbers, _DAY["ms"]), _DAY["ms"])
    if compute.all(compute.equal(days, numbers)).as_py() is False:
        raise ValueError("a date in milliseconds is no whole day")


def check_values(array: Any) -> None:
    """Check what Arrow takes as it is: times and dates, and whether text is UTF-8 and JSON is JSON, at any level.

    :raises Exception: at a value that its type does not have.
    """
    pyarrow = import_pyarrow()
    types, arrow_type = pyarrow.types, array.type
    if isinstance(arrow_type, pyarrow.BaseExtensionType):
        if arrow_type.extension_name == "arrow.json":
            values_of(array)
        else:
            check_values(array.storage)
    elif types.is_dictionary(arrow_type):
        try:
            check_values(array.dictionary)
        except Exception:  # maybe at a member that none of these records has
            check_values(array.dictionary.take(array.indices))
    elif types.is_run_end_encoded(arrow_type):
        check_values(pyarrow.compute.run_end_decode(array))
    elif types.is_time(arrow_type):
        check_times(array)
    elif types.is_date64(arrow_type):
        check_days(array)
    elif types.is_string(arrow_type) or types.is_large_string(arrow_type):
        array.validate(full=True)
    elif types.is_string_view(arrow_type):
        array.cast(pyarrow.string()).validate(full=True)
    elif types.is_struct(arrow_type):
        for member in array.flatten():
            check_values(member)
    elif types.is_map(arrow_type):
        for part in _pairs(array):
            check_values(part)
    elif types.is_nested(arrow_type) and not types.is_union(arrow_type):
        check_values(array.flatten())


def has_no_rule(arrow_type: Any) -> bool:
    """Return whether a type is one whose values only the program that made them can read."""
    is_extension = isinstance(arrow_type, import_pyarrow().BaseExtensionType)
    return bool(is_extension and arrow_type.extension_name == "arrow.opaque")


def _integers(array: Any) -> list[int | None]:
    integers: list[int | None] = array.cast(import_pyarrow().int64()).to_pylist()
    return integers


def _structs(array: Any) -> list[dict[str, Any] | None]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    if len(set(names)) != len(names):
        raise TypeError("a struct names a field twice")
    members = [values_of(member) for member in array.flatten()]
    rows = zip(*members, strict=True) if members else ((),) * len(array)
    valid = array.is_valid().to_pylist()
    return [dict(zip(names, row, strict=True)) if is_valid else None for is_valid, row in zip(valid, rows, strict=True)]


def _lists(array: Any, items: list[Any]) -> list[Any]:
    """Cut the flat items of a list array into its lists."""
    lengths = import_pyarrow().compute.list_value_length(array).to_pylist()
    stream = iter(items)
    return [None if length is None else list(islice(stream, length)) for length in lengths]


def _pairs(array: Any) -> tuple[Any, Any]:
    """Return the keys and the items of an array of maps, end to end."""
    # A slice still refers to the keys and items of its whole array: only those between its offsets are its own.
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return array.keys.slice(first, last - first), array.items.slice(first, last - first)


def _mappings(array: Any) -> list[dict[Any, Any] | None]:
    bounds = array.offsets.to_pylist()
    first = bounds[0]
    keys, items = map(values_of, _pairs(array))
    mappings: list[dict[Any, Any] | None] = []
    for is_valid, begin, end in zip(array.is_valid().to_pylist(), bounds, bounds[1:], strict=False):
        begin, end = begin - first, end - first
        mapping = dict(zip(keys[begin:end], items[begin:end], strict=True))
        if is_valid and len(mapping) != end - begin:
            raise ValueError("a map has a key twice")
        mappings.append(mapping if is_valid else None)
    return mappings


def _shortest_half(value: float) -> float:
    """Return the double of the shortest text that still names the same 16 bit float; 5 digits always do."""
    for digits in range(1, 6):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.pack("e", shorter) == struct.pack("e", value):
                return shorter
        except OverflowError:
            continue
    return value


def _nano_timestamp(nanoseconds: int, zone: tzinfo | None) -> datetime | str:
    micros, rest = divmod(nanoseconds, 1000)
    timestamp = _EPOCH + timedelta(microseconds=micros)
    timestamp = timestamp.replace(tzinfo=None) if zone is None else timestamp.astimezone(zone)
    if not rest:
        return timestamp
    text = timestamp.isoformat(timespec="microseconds")
    # The offset, if any, begins behind the 26 characters of a timestamp such as 2024-01-31T12:00:00.123456.
    return f"{text[:26]}{rest:03d}{text[26:]}"


def _nano_time(nanoseconds: int) -> time | str:
    micros, rest = divmod(nanoseconds, 1000)
    of_day = (_EPOCH + timedelta(microseconds=micros)).time()
    return f"{of_day.isoformat(timespec='microseconds')}{rest:03d}" if rest else of_day


def _nano_duration(nanoseconds: int) -> timedelta | str:
    micros, rest = divmod(nanoseconds, 1000)
    return iso_duration(nanoseconds, 9) if rest else timedelta(microseconds=micros)
