"""Recognizes the kinds of the ``records`` argument, without reading a record or importing a data frame library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_s3dest.records.many_records import is_cursor


def is_arrow(value: Any) -> bool:
    """Return whether a value exports its data as an Arrow stream (pandas, polars, pyarrow, duckdb)."""
    return hasattr(value, "__arrow_c_stream__")


def is_pandas(value: Any) -> bool:
    """Return whether a value is a pandas frame."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def is_records(value: Any) -> bool:
    """Return whether a value can be the records of one table."""
    if is_arrow(value) or is_cursor(value):
        return True
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))
