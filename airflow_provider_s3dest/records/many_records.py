"""Recognizes values that hold many records, which are never one bad record, without importing a data frame library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import GeneratorType
from typing import Any

_LOOKED_AT = 100
"""Members of a value that are looked at: some iterate without end."""

_LOOKED_INTO = 10_000
"""Values inside a record that are looked at, of those in lists and mappings."""


def is_frame(value: Any) -> bool:
    """Return whether a value exports columns as an Arrow stream, and not one column, which may be a row of pandas."""
    return hasattr(type(value), "__arrow_c_stream__") and type(value).__name__ not in ("Series", "ChunkedArray")


def is_cursor(value: Any) -> bool:
    """Return whether a value is a cursor of DB-API (PEP 249)."""
    return hasattr(value, "fetchmany") and hasattr(value, "description")


def holds_many(value: Any) -> bool:
    """Return whether a value that is no mapping holds many records, such as a frame or a list of records.

    A list, set or array of scalars does not: it holds the values of one record.
    """
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return False
    if isinstance(value, Iterator) or _is_result(value):
        return True
    try:
        members = list(islice(value, _LOOKED_AT))
    except Exception:  # it has no members, or its own methods raise anything
        return False
    # Without a length it may be one record that yields pairs of name and value, as models of pydantic do.
    is_record = _is_record if hasattr(type(value), "__len__") else _is_mapping
    return any(map(_is_result, members)) or (bool(members) and all(map(is_record, members)))


def column_with_many(record: Any) -> tuple[str, Any] | None:
    """Return the first column of a record with a frame or another result inside, at any level, and that result."""
    if not isinstance(record, Mapping):
        return None
    looked_at = 0
    try:
        for column, value in record.items():
            inside = [value]
            while inside and looked_at < _LOOKED_INTO:
                looked_at += 1
                member = inside.pop()
                if isinstance(member, Mapping):
                    inside += islice(member.values(), _LOOKED_INTO)
                elif isinstance(member, (list, tuple)):
                    inside += member[:_LOOKED_INTO]
                elif isinstance(member, GeneratorType) or _is_result(member) or _is_series_of_records(member):
                    return str(column), member
    except Exception:  # the record's own methods may raise anything
        return None
    return None


def _is_result(value: Any) -> bool:
    return is_frame(value) or is_cursor(value) or hasattr(type(value), "__dataframe__")


def _is_series_of_records(value: Any) -> bool:
    return type(value).__name__ in ("Series", "ChunkedArray") and holds_many(value)


def _is_mapping(member: Any) -> bool:
    return isinstance(member, Mapping)


def _is_record(member: Any) -> bool:
    """Return whether a member of a value may be a record by itself: a mapping, a row, a row of a numpy array."""
    is_row = isinstance(member, (Mapping, tuple, list)) or type(member).__name__ == "void"
    return is_row or bool(getattr(type(member), "ndim", None) is not None and getattr(member, "ndim", 0))
