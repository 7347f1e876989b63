"""Opens the result of a query as a table: a cursor that somebody executed, or a query that is executed now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import Fault, QueryError, SpecError, short
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import Origins, RowChunk
from airflow_provider_s3dest.records.many_records import is_cursor
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources.chunking import CHUNK_RECORDS, next_size
from airflow_provider_s3dest.sources.columns import table_of_known
from airflow_provider_s3dest.sources.sql.column import Column, types_of
from airflow_provider_s3dest.sources.sql.drivers import driver_of_cursor
from airflow_provider_s3dest.sources.sql.session import QueryCursor

log = safe_logger(__name__)

_Record = dict[str, Any]

FETCH_ROWS = 10_000
"""Rows that are fetched at a time from a cursor that somebody else executed, at most."""


def open_cursor(
    name: str, cursor: Any, columns: tuple[str, ...] | None, bad: BadRecords | None = None, further: Iterable[Any] = ()
) -> Table:
    """Open the result of a query. Its columns are known even if it has no rows.

    :param columns: the columns to write, in order; None: all of the result.
    :param further: cursors whose rows follow, with the same columns.
    :raises QueryError: if the database refuses the query, or the cursor has no result.
    :raises SpecError: if two columns have the same name.
    """
    known, pieces = _opened(name, cursor)
    names = tuple(column.name for column in known)
    chunks = _chunks(names, chain(pieces, _further(name, names, further)))
    table = table_of_known(name, names, chunks, columns, types=types_of({one.name: one for one in known}), bad=bad)
    return replace(table, without_type={one.name: one.without_type for one in known if one.without_type})


def _opened(table: str, cursor: Any) -> tuple[Sequence[Column], Iterator[list[_Record]]]:
    """Return the columns of a result and its rows, in pieces whose sizes follow from the rows alone."""
    if isinstance(cursor, QueryCursor):
        most, fetch = cursor.fetch_size, cursor.fetchmany
        rows = fetch(1)
        columns = cursor.columns
    else:
        most, fetch = FETCH_ROWS, partial(_fetched, table, cursor)
        driver = driver_of_cursor(cursor)
        is_exact = driver.read_exactly(cursor)
        rows = fetch(1)
        columns = driver.columns(cursor) if cursor.description else ()
        if spoiled := [one for one in columns if one.spoiled and not is_exact]:
            log.warning(
                "Table %s: %s gave the values of %s as Python objects, which may have lost %s. Cast them to text in "
                "the query, or use SqlToS3DestinationOperator, which reads the text of the server.",
                table,
                driver.name,
                ", ".join(repr(one.name) for one in spoiled),
                ", ".join(dict.fromkeys(one.spoiled for one in spoiled)),
            )
    if not columns:
        raise QueryError(f"The query of table {table!r} returns no columns. Give one that returns rows.", final=True)
    names = [column.name for column in columns]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        problem = f"the query of table {table!r} has the columns {twice} twice."
        raise SpecError([Fault("records", problem, "Give each a name of its own, with AS.")])

    def pieces(rows: Sequence[Any]) -> Iterator[list[_Record]]:
        while rows:
            for start in range(0, len(rows), CHUNK_RECORDS):
                records = _records(names, rows[start : start + CHUNK_RECORDS])
                yield records
            size = next_size(records, most, len(rows))
            del rows, records
            rows = fetch(size)

    return columns, pieces(rows)


def _fetched(table: str, cursor: Any, size: int) -> Sequence[Any]:
    try:
        rows: Sequence[Any] = cursor.fetchmany(size)
    except Exception as error:
        problem = f"{type(error).__name__}: {driver_of_cursor(cursor).problem(error)}"
        raise QueryError(f"The cursor of table {table!r} can't be read: {problem}") from None
    return rows


def _records(names: Sequence[str], rows: Sequence[Any]) -> list[_Record]:
    if isinstance(rows[0], Mapping):  # a cursor of dicts
        return [{name: row[name] for name in names} for row in rows]
    return [dict(zip(names, row)) for row in rows]  # noqa: B905 - quicker; a driver has as many values as columns


def _further(table: str, names: tuple[str, ...], cursors: Iterable[Any]) -> Iterator[list[_Record]]:
    for cursor in cursors:
        if not is_cursor(cursor):
            problem = f"of table {table!r} begin with a cursor, and go on with {short(cursor)}."
            raise SpecError([Fault("records", problem, "Yield cursors alone.")])
        columns, pieces = _opened(table, cursor)
        if (others := tuple(column.name for column in columns)) != names:
            problem = f"table {table!r} has the columns {list(names)} in one cursor and {list(others)} in the next."
            raise SpecError([Fault("records", problem, "Select the same columns, or give each cursor its own table.")])
        yield from pieces


def _chunks(names: tuple[str, ...], pieces: Iterable[list[_Record]]) -> Iterator[RowChunk]:
    start = 0
    for records in pieces:
        yield RowChunk(records, Origins(start, originals=records), names)
        start += len(records)
        del records
