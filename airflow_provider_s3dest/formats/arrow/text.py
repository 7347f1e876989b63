"""Formats Arrow arrays as text, a whole column in one step, by the same rules as ``records.values``.

Arrow keeps the texts of a string array in two buffers: the bytes of all texts end to end, and the offset at which each
text begins. Several functions here read or build these buffers themselves: one pass over the bytes of a column costs a
fraction of a Python call for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.records.arrow.values import MEANT_TYPES, check_days

types = pa.types

_FEW, _SAMPLE = 128, 1024
"""A column whose first 1,024 values hold at most 128 distinct ones has few: each of them is formatted once."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The years 1 to 9999, in days since 1970: the dates that Python has. Others are no Python values, but errors."""

_DAY = 86_400
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Decimal digits of a second, by the name of the unit."""

_TABLE_INTS = range(10_000)
"""Usual numbers, whose texts are kept in a table: to look a text up is faster than to format the number."""

_TABLE_DAYS = range(-25_567, 47_482)
"""The same for usual dates: the years 1900 to 2099."""


def distinct(array: Any) -> tuple[Any, Any]:
    """Return the distinct values of an array and, for each record, the index of its value.

    Values that repeat are then formatted only once. The result is the array and None if that would not pay.
    """
    arrow_type = array.type
    if isinstance(arrow_type, pa.BaseExtensionType):
        return (array, None) if arrow_type.extension_name in MEANT_TYPES else distinct(array.storage)
    if types.is_run_end_encoded(arrow_type):
        return distinct(pc.run_end_decode(array))
    if types.is_dictionary(arrow_type):
        members = array.dictionary
        if 0 < len(members) <= len(array):
            return members, array.indices
        # A slice of an array keeps the whole dictionary, most members of which it may not use.
        return (members.cast(pa.string()) if is_text(arrow_type.value_type) else members).take(array.indices), None
    if len(array) > _SAMPLE and _is_slow(arrow_type) and pc.count_distinct(array[:_SAMPLE]).as_py() <= _FEW:
        return distinct(array.dictionary_encode())
    return array, None


def plain_text(array: Any) -> Any:
    """Format values whose text is the same in CSV and in JSON, apart from quotes; return None for other types.

    :raises pyarrow.ArrowException, ValueError, TypeError: if a value has no text, or if Arrow can't format it.
    """
    arrow_type = array.type
    if is_text(arrow_type):
        texts = array if types.is_string(arrow_type) else array.cast(pa.string())
        if not content(texts).isascii():
            texts.validate(full=True)  # Arrow takes bytes from other programs as they are: they may be no UTF-8
        return texts
    if types.is_integer(arrow_type):
        return _integers(array)
    if types.is_boolean(arrow_type) or types.is_null(arrow_type):
        return array.cast(pa.string())
    if types.is_decimal(arrow_type):
        texts = array.cast(pa.string())
        return None if b"E" in content(texts) else texts  # our rules write no exponents
    if types.is_date(arrow_type):
        if types.is_date64(arrow_type):
            check_days(array)
        return _dates(array.cast(pa.date32()))
    if types.is_time(arrow_type) or (types.is_timestamp(arrow_type) and arrow_type.tz in (None, "UTC")):
        return _times(array)
    return None


def float_text(array: Any) -> Any:
    """Format floats of 64 or 32 bits as JSON does, not finite ones as ``null``; return None for other types."""
    if types.is_float32(array.type):
        array = array.cast(pa.string()).cast(pa.float64())  # the double of the same shortest text
    if not types.is_float64(array.type):
        return None
    text = orjson.dumps(_numbers(array, np.float64), option=orjson.OPT_SERIALIZE_NUMPY).translate(None, b"[]")
    # Each value ends at its comma. But the commas are about to be removed, which moves the i-th of them by i.
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(","))
    commas -= np.arange(len(commas))
    text = text.replace(b",", b"")
    return _texts_of(array, text, np.append(commas, len(text)))


def is_text(arrow_type: Any) -> bool:
    """Return whether a type is one of Arrow's types of text."""
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type))


def finite(array: Any) -> Any:
    """Return for each value of an array of 64 or 32 bit floats whether it is finite; null counts as finite."""
    return np.isfinite(array.fill_null(0).to_numpy())


def content(texts: Any) -> bytes:
    """Return the bytes of all texts of a string array, end to end."""
    data = texts.buffers()[2]
    ends = offsets(texts)
    return b"" if data is None else data[int(ends[0]) : int(ends[-1])].to_pybytes()


def offsets(texts: Any) -> Any:
    """Return the offset at which each text of a string array begins, and the one at which the last ends."""
    buffer = texts.buffers()[1]
    return _view(buffer, np.int32, texts.offset, len(texts) + 1) if len(texts) else np.zeros(1, np.int32)


def indices_with(data: bytes, character: bytes, bounds: Any) -> Any:
    """Return the indices of the texts that hold a character; an index may come several times.

    :param data: the bytes of all texts, end to end, as :func:`content` returns them.
    :param character: the character in UTF-8.
    :param bounds: the offsets of the texts, as :func:`offsets` returns them.
    """
    begins = np.flatnonzero(np.frombuffer(data, np.uint8) == character[0])
    if len(character) > 1:
        begins = begins[[data.startswith(character, begin) for begin in begins.tolist()]]
    # The offsets are sorted: a binary search finds the text that a byte belongs to.
    return np.searchsorted(bounds, begins + bounds[0], "right") - 1


def encoded_array(lines: Any) -> Encoded:
    """Wrap a string array of lines, one record each, with their line ends; its buffers are used without a copy."""
    _, ends, data = lines.buffers()
    bounds = memoryview(ends).cast("B").cast("i")[lines.offset : lines.offset + len(lines) + 1]
    return Encoded(memoryview(data)[: bounds[-1]], len(lines), tuple, bounds[1:])


def joined(parts: Sequence[Any], between: str, null: str) -> Any:
    """Join arrays of text, and texts that are the same in every record, to one array of text.

    :param between: the text between two parts.
    :param null: the text for null.
    """
    return pc.binary_join_element_wise(*parts, between, null_handling="replace", null_replacement=null)


def _is_slow(arrow_type: Any) -> bool:
    """Return whether formatting values of a type takes longer than looking for equal ones: decimals, dates, times."""
    is_fast = (
        is_text(arrow_type)
        or types.is_integer(arrow_type)
        or types.is_boolean(arrow_type)
        or types.is_floating(arrow_type)
    )
    return not is_fast and bool(types.is_primitive(arrow_type) or types.is_decimal(arrow_type))


def _dates(array: Any) -> Any:
    days = array.view(pa.int32())
    first, last = _bounds(days)
    if first < _FIRST_DAY or last > _LAST_DAY:
        return None
    in_table = first in _TABLE_DAYS and last in _TABLE_DAYS
    return _looked_up(days, _TABLE_DAYS, pa.date32()) if in_table else array.cast(pa.string())


def _integers(array: Any) -> Any:
    first, last = _bounds(array)
    in_table = first in _TABLE_INTS and last in _TABLE_INTS
    return _looked_up(array, _TABLE_INTS, pa.int64()) if in_table else array.cast(pa.string())


def _bounds(numbers: Any) -> tuple[int, int]:
    bounds = pc.min_max(numbers)
    return bounds["min"].as_py() or 0, bounds["max"].as_py() or 0


def _looked_up(numbers: Any, table: range, arrow_type: Any) -> Any:
    """Format numbers by a table of texts.

    :param table: the numbers in the table; all of ``numbers`` are in this range.
    :param arrow_type: what the numbers mean: integers, or dates in days since 1970.
    """
    return _text_table(table, arrow_type).take(pc.subtract(numbers, table.start) if table.start else numbers)


@cache
def _text_table(numbers: range, arrow_type: Any) -> Any:
    width = pa.int64() if arrow_type == pa.int64() else pa.int32()
    return pa.array(numbers, width).view(arrow_type).cast(pa.string())


def _times(array: Any) -> Any:
    """Format timestamps and times of day as Python's ``isoformat`` does; return None if one is none that Python has.

    Arrow's own text differs: it has a space for the ``T``, as many digits of a second as the unit has, and no zone. So
    Arrow's texts, which all have the same length, are laid out as a matrix of characters, a row for each value. The
    characters that Python would not write are masked, and what is left is read row by row.
    """
    arrow_type = array.type
    is_timestamp = types.is_timestamp(arrow_type)
    first, end = (_FIRST_DAY, _LAST_DAY + 1) if is_timestamp else (0, 1)
    digits = _DIGITS[arrow_type.unit]
    numbers = _numbers(array, np.int32 if types.is_time32(arrow_type) else np.int64)
    if numbers.min() < first * _DAY * 10**digits or numbers.max() >= end * _DAY * 10**digits:
        return None
    if digits == 3:  # Python writes six digits of a second, or none
        digits, numbers = 6, numbers.astype(np.int64) * 1000
    unit = {0: "s", 6: "us", 9: "ns"}[digits]
    written_type = pa.timestamp(unit) if is_timestamp else pa.time32("s") if unit == "s" else pa.time64(unit)
    texts = pa.Array.from_buffers(written_type, len(numbers), [None, pa.py_buffer(numbers)]).cast(pa.string())
    characters = np.frombuffer(content(texts), np.uint8).reshape(len(numbers), -1)
    seconds_end = len("00:00:00")
    if is_timestamp:
        seconds_end, zone = len("1970-01-01T00:00:00"), np.frombuffer(b"+00:00" if arrow_type.tz else b"", np.uint8)
        characters = np.hstack([characters, np.broadcast_to(zone, (len(numbers), len(zone)))])
        characters[:, len("1970-01-01")] = ord("T")
    fraction = numbers % 10**digits
    keep = np.ones(characters.shape, bool)
    if digits:  # the point and six digits
        keep[:, seconds_end : seconds_end + 7] = (fraction != 0)[:, None]
    if digits == 9:  # the three digits of nanoseconds, which Python does not have, only if they are not zero
        keep[:, seconds_end + 7 : seconds_end + 10] = (fraction % 1000 != 0)[:, None]
    return _texts_of(array, characters[keep].tobytes(), np.cumsum(keep.sum(axis=1)))


def _numbers(array: Any, width: Any) -> Any:
    """Return the numbers of an array, zero for null."""
    if array.null_count:
        array = array.view(pa.from_numpy_dtype(width)).fill_null(0)
    return _view(array.buffers()[1], width, array.offset, len(array))


def _view(buffer: Any, width: Any, start: int, size: int) -> Any:
    return np.frombuffer(buffer, width, size, start * np.dtype(width).itemsize)


def _texts_of(array: Any, text: bytes, ends: Any) -> Any:
    """Build a string array from texts end to end, with the nulls of another array.

    :param array: null where the result is to be null.
    :param text: the bytes of all texts.
    :param ends: where each text ends.
    """
    bounds = np.append(0, ends).astype(np.int32)
    texts = pa.StringArray.from_buffers(len(ends), pa.py_buffer(bounds), pa.py_buffer(text))
    return pc.if_else(array.is_valid(), texts, None) if array.null_count else texts
