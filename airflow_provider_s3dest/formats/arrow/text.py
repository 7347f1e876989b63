"""Spells Arrow arrays as text, a whole column in one step, each value as :mod:`.values` spells it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.records.arrow.values import PYTHON_TYPES

types = pa.types

_FEW, _SAMPLE = 128, 1024
"""So many distinct values in so large a sample of a column are few: each is then spelled once."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The years 1 to 9999, in days since 1970."""

_DAY = 86_400
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Decimal digits of a second, by the name of the unit."""

_TABLED_INTS = range(10_000)

_TABLED_DAYS = range(-25_567, 47_482)
"""The years 1900 to 2099."""


def distinct(array: Any) -> tuple[Any, Any]:
    """Give what is to be spelled of an array, and which of it each record takes; None: each its own.

    Where values repeat, each of them is spelled once.
    """
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        is_stored = kind.extension_name not in {*PYTHON_TYPES, "pandas.period"}
        return distinct(array.storage) if is_stored else (array, None)
    if types.is_run_end_encoded(kind):
        return distinct(pc.run_end_decode(array))
    if types.is_dictionary(kind):
        members = array.dictionary
        if 0 < len(members) <= len(array):
            return members, array.indices
        return (members.cast(pa.string()) if is_text(kind.value_type) else members).take(array.indices), None
    if len(array) > _SAMPLE and _is_slow(kind) and pc.count_distinct(array[:_SAMPLE]).as_py() <= _FEW:
        return distinct(array.dictionary_encode())
    return array, None


def plain_text(array: Any) -> Any:
    """Spell what has the same text in CSV as in JSON, but for quotes; None for other types.

    :raises pyarrow.ArrowException, ValueError, TypeError: if a value has no form in text, or Arrow can't spell it.
    """
    kind = array.type
    if is_text(kind):
        texts = array if types.is_string(kind) else array.cast(pa.string())
        if not content(texts).isascii():
            texts.validate(full=True)
        return texts
    if types.is_integer(kind):
        return _integers(array)
    if types.is_boolean(kind) or types.is_null(kind):
        return array.cast(pa.string())
    if types.is_decimal(kind):
        texts = array.cast(pa.string())
        return None if b"E" in content(texts) else texts
    if types.is_date(kind):
        return _dates(array.cast(pa.date32()))
    if types.is_time(kind) or (types.is_timestamp(kind) and kind.tz in (None, "UTC")):
        return _moments(array)
    return None


def float_text(array: Any) -> Any:
    """Spell floats of 64 or 32 bits as JSON does, what is not finite as ``null``; None for other types."""
    if types.is_float32(array.type):
        array = array.cast(pa.string()).cast(pa.float64())  # the double of the same shortest text
    if not types.is_float64(array.type):
        return None
    text = orjson.dumps(_numbers(array, np.float64), option=orjson.OPT_SERIALIZE_NUMPY).translate(None, b"[]")
    # Before the comma of each value stood those of others.
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(","))
    commas -= np.arange(len(commas))
    text = text.replace(b",", b"")
    return _texts_of(array, text, np.append(commas, len(text)))


def is_text(kind: Any) -> bool:
    """Say whether a type is one of text, of any length."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def finite(array: Any) -> Any:
    """Tell which values of an array of 64 or 32 bit floats are finite."""
    return np.isfinite(array.fill_null(0).to_numpy())


def content(texts: Any) -> bytes:
    """Give the texts of a string array end to end."""
    data = texts.buffers()[2]
    ends = offsets(texts)
    return b"" if data is None else data[int(ends[0]) : int(ends[-1])].to_pybytes()


def offsets(texts: Any) -> Any:
    """Give the places where the texts of a string array begin, and where the last ends."""
    found = texts.buffers()[1]
    return _view(found, np.int32, texts.offset, len(texts) + 1) if len(texts) else np.zeros(1, np.int32)


def holders(data: bytes, character: bytes, bounds: Any) -> Any:
    """Tell which texts hold a character, by their places.

    :param data: the texts end to end.
    :param bounds: where the texts begin, and where the last ends.
    """
    begins = np.flatnonzero(np.frombuffer(data, np.uint8) == character[0])
    if len(character) > 1:
        begins = begins[[data.startswith(character, begin) for begin in begins.tolist()]]
    return np.searchsorted(bounds, begins + bounds[0], "right") - 1


def encoded(lines: Any) -> Encoded:
    """Make what was encoded of an array of lines, each of which is a record and ends with its line end."""
    _, ends, data = lines.buffers()
    bounds = memoryview(ends).cast("B").cast("i")[lines.offset : lines.offset + len(lines) + 1]
    return Encoded(memoryview(data)[: bounds[-1]], len(lines), tuple, bounds[1:])


def joined(parts: Sequence[Any], between: str, null: str) -> Any:
    """Join arrays of text, and texts that are the same in every record, to one array."""
    return pc.binary_join_element_wise(*parts, between, null_handling="replace", null_replacement=null)


def _is_slow(kind: Any) -> bool:
    return not (is_text(kind) or types.is_integer(kind) or types.is_boolean(kind) or types.is_floating(kind)) and bool(
        types.is_primitive(kind) or types.is_decimal(kind)
    )


def _dates(array: Any) -> Any:
    days = array.view(pa.int32())
    first, last = _bounds(days)
    if first < _FIRST_DAY or last > _LAST_DAY:
        return None
    is_tabled = first in _TABLED_DAYS and last in _TABLED_DAYS
    return _tabled(days, _TABLED_DAYS, pa.date32()) if is_tabled else array.cast(pa.string())


def _integers(array: Any) -> Any:
    first, last = _bounds(array)
    is_tabled = first in _TABLED_INTS and last in _TABLED_INTS
    return _tabled(array, _TABLED_INTS, pa.int64()) if is_tabled else array.cast(pa.string())


def _bounds(numbers: Any) -> tuple[int, int]:
    bounds = pc.min_max(numbers)
    return bounds["min"].as_py() or 0, bounds["max"].as_py() or 0


def _tabled(numbers: Any, table: range, kind: Any) -> Any:
    """Spell numbers by a table of those that are usual."""
    return _spelled(table, kind).take(pc.subtract(numbers, table.start) if table.start else numbers)


@cache
def _spelled(numbers: range, kind: Any) -> Any:
    return pa.array(numbers, pa.int64() if kind == pa.int64() else pa.int32()).view(kind).cast(pa.string())


def _moments(array: Any) -> Any:
    """Spell timestamps and times of day."""
    kind = array.type
    is_timestamp = types.is_timestamp(kind)
    first, end = (_FIRST_DAY, _LAST_DAY + 1) if is_timestamp else (0, 1)
    digits = _DIGITS[kind.unit]
    numbers = _numbers(array, np.int32 if types.is_time32(kind) else np.int64)
    if numbers.min() < first * _DAY * 10**digits or numbers.max() >= end * _DAY * 10**digits:
        return None
    if digits == 3:  # of seconds, ISO 8601 as Python writes it has no digits, or six
        digits, numbers = 6, numbers.astype(np.int64) * 1000
    unit = {0: "s", 6: "us", 9: "ns"}[digits]
    spelled = pa.timestamp(unit) if is_timestamp else pa.time32("s") if unit == "s" else pa.time64(unit)
    texts = pa.Array.from_buffers(spelled, len(numbers), [None, pa.py_buffer(numbers)]).cast(pa.string())
    cells = np.frombuffer(content(texts), np.uint8).reshape(len(numbers), -1)
    whole = 8
    if is_timestamp:
        whole, zone = 19, np.frombuffer(b"+00:00" if kind.tz else b"", np.uint8)
        cells = np.hstack([cells, np.broadcast_to(zone, (len(numbers), len(zone)))])
        cells[:, 10] = ord("T")
    fraction = numbers % 10**digits
    keep = np.ones(cells.shape, bool)
    if digits:
        keep[:, whole : whole + 7] = (fraction != 0)[:, None]
    if digits == 9:
        keep[:, whole + 7 : whole + 10] = (fraction % 1000 != 0)[:, None]
    return _texts_of(array, cells[keep].tobytes(), np.cumsum(keep.sum(axis=1)))


def _numbers(array: Any, width: Any) -> Any:
    """Give the numbers of an array, zero where it has none."""
    if array.null_count:
        array = array.view(pa.from_numpy_dtype(width)).fill_null(0)
    return _view(array.buffers()[1], width, array.offset, len(array))


def _view(buffer: Any, width: Any, start: int, size: int) -> Any:
    return np.frombuffer(buffer, width, size, start * np.dtype(width).itemsize)


def _texts_of(array: Any, text: bytes, ends: Any) -> Any:
    """Make a string array of texts that stand end to end, with the nulls of an array."""
    bounds = np.append(0, ends).astype(np.int32)
    texts = pa.StringArray.from_buffers(len(ends), pa.py_buffer(bounds), pa.py_buffer(text))
    return pc.if_else(array.is_valid(), texts, None) if array.null_count else texts
