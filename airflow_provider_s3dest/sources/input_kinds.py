"""Recognizes the kinds of the ``records`` argument, without reading a record or importing a data frame library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any


def is_arrow(value: Any) -> bool:
    """Return whether a value exports its data as an Arrow stream (pandas, polars, pyarrow, duckdb)."""
    return hasattr(value, "__arrow_c_stream__")


def is_pandas(value: Any) -> bool:
    """Return whether a value is a pandas frame."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def is_frame(value: Any) -> bool:
    """Return whether a value exports columns as an Arrow stream, and not one column, which may be a row of pandas."""
    return hasattr(type(value), "__arrow_c_stream__") and type(value).__name__ not in ("Series", "ChunkedArray")


def holds_many(value: Any) -> bool:
    """Return whether a value that is no mapping holds many records, such as a frame or a list of records."""
    if isinstance(value, (str, bytes, bytearray)):
        return False
    if isinstance(value, (Sequence, ValuesView)):
        return len(value) > 0 and all(isinstance(member, Mapping) for member in value)
    return isinstance(value, Iterator) or is_frame(value) or is_cursor(value) or hasattr(type(value), "__dataframe__")


def is_cursor(value: Any) -> bool:
    """Return whether a value is a cursor of DB-API (PEP 249)."""
    return hasattr(value, "fetchmany") and hasattr(value, "description")


def is_records(value: Any) -> bool:
    """Return whether a value can be the records of one table."""
    if is_arrow(value) or is_cursor(value):
        return True
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))
