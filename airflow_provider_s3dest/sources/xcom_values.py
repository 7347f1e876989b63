"""Tells of values that Airflow's XCom changes, or can't read back, before they get here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk, RowChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.safe_text import safe_logger

log = safe_logger(__name__)

_MAY_HOLD_DECIMALS = (Decimal, Mapping, list, tuple)

_FIXED_OFFSET = "ZoneInfo keys must be normalized"
"""The beginning of what Airflow 2.11 and 3 raise when they read a datetime whose offset has no name, as of +02:00."""


def warning_of_decimals(table: Table) -> Table:
    """Return a table of records that came through XCom. It warns once, of the first column with Decimals.

    XCom stores a Decimal with digits behind the point as a float, and makes a Decimal of the float's shortest text.
    That a Decimal came that way is known; what its digits were before is not.
    """
    return replace(table, chunks=_watched(table.name, table.chunks))


def _watched(table: str, chunks: Iterator[Chunk | PassthroughChunk]) -> Iterator[Chunk | PassthroughChunk]:
    for chunk in chunks:
        column = _column_with_decimals(chunk.rows) if isinstance(chunk, RowChunk) else None
        if column is not None:
            log.warning(
                "Table %s, column %r: its Decimals came through XCom, where Airflow makes each a float: digits after "
                "the 15th and zeros at the end may be lost. Return them as text, str(value), or write them with "
                "@task.s3_destination, which needs no XCom.",
                table,
                column,
            )
        yield chunk
        if column is not None:
            break
    yield from chunks


def _column_with_decimals(rows: Sequence[Any]) -> str | None:
    # The types first: most chunks hold none of these, and have many values.
    types = set(map(type, chain.from_iterable(row.values() for row in rows)))
    if not any(issubclass(cls, _MAY_HOLD_DECIMALS) for cls in types):
        return None
    return next((str(column) for row in rows for column, value in row.items() if _was_float(value)), None)


def _was_float(value: Any) -> bool:
    """Return whether a value is a Decimal that was not stored as an integer, or holds one."""
    if isinstance(value, Decimal):
        return value.is_finite() and value.as_tuple().exponent != 0
    if isinstance(value, Mapping):
        return any(map(_was_float, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_was_float, value))


def explained(items: Iterable[Any]) -> Iterator[Any]:
    """Yield what Airflow reads of XComs, with an error that tells what to do about what it can't read.

    :raises SpecError: at a datetime with an offset that has no name.
    """
    try:
        yield from items
    except ValueError as error:
        raise fixed_offset_error(error) or error from error


def fixed_offset_error(error: ValueError, outputs: Sequence[str] = ()) -> SpecError | None:
    """Return the error that explains why Airflow could not read an XCom; None for any other error.

    :param outputs: ids of the tasks whose outputs were read.
    """
    if _FIXED_OFFSET not in str(error):
        return None
    of_tasks = f" of {', '.join(map(repr, outputs))}" if outputs else " of a task"
    return SpecError(
        [
            Fault(
                "records",
                f"holds the output{of_tasks} with a datetime at a fixed offset, such as +02:00, which Airflow stores "
                f"and can't read back ({_FIXED_OFFSET} ...).",
                "Return value.astimezone(timezone.utc) or value.isoformat() in that task, and clear it.",
            )
        ]
    )
