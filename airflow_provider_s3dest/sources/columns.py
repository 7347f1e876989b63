"""What every source gives: tables, each a stream of chunks with the same columns in the same order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk, ColumnChunk, LazyChunk, Origins, PassthroughChunk, RowChunk
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.records.values import json_bytes
from airflow_provider_s3dest.sources.chunking import _next_size

log = logging.getLogger(__name__)


def table_of_known(
    name: str,
    known: Iterable[str],
    chunks: Iterable[Chunk],
    wanted: tuple[str, ...] | None,
    *,
    is_held: bool = False,
    types: Callable[[Sequence[str]], Mapping[str, Any]] | None = None,
    bad: BadRecords | None = None,
) -> Table:
    """Make a table of chunks whose columns are known beforehand (typed files, headers, data frames)."""
    return Table(name, _chosen(name, tuple(known), wanted), iter(chunks), is_held, types, bad=bad)


def table_of_list(
    name: str, records: Sequence[Any], wanted: tuple[str, ...] | None, bad: BadRecords | None = None
) -> Table:
    """Make a table of a list of mappings, all of which are looked through for their columns first."""
    chunks: list[RowChunk] = []
    columns: dict[str, None] = {}
    start, size = 0, 1

    def collected(chunk: RowChunk) -> RowChunk:
        _collect(name, chunk, columns, proves=bad is not None and not wanted)
        return chunk

    while rows := records[start : start + size]:
        chunks += isolate_bad_records(collected, RowChunk.of(rows, Origins(start, originals=rows)), bad)
        start, size = start + len(rows), _next_size(rows)
    return Table(name, _chosen(name, tuple(columns), wanted), iter(chunks), is_held=True, bad=bad)


def table_of_stream(
    name: str,
    chunks: Iterable[RowChunk | ColumnChunk | LazyChunk],
    wanted: tuple[str, ...] | None,
    *,
    passes: bool = False,
    bad: BadRecords | None = None,
) -> Table:
    """Make a table of a stream: its columns are ``wanted``, or those of its first 10,000 records.

    A column that turns up later is a RecordError, since objects already written lack it.

    :param passes: whether text that is not yet read may be let through as it stands.
    """
    stream = iter(chunks)
    if wanted:
        named = chain.from_iterable(isolate_bad_records(partial(_checked_keys, name), chunk, bad) for chunk in stream)
        return Table(name, wanted, named, bad=bad)
    head: list[RowChunk | ColumnChunk | LazyChunk] = []
    columns: dict[str, None] = {}
    seen = 0

    def looked_at(chunk: RowChunk | ColumnChunk | LazyChunk) -> tuple[RowChunk | ColumnChunk | LazyChunk, int]:
        # Text that may pass has just the columns that are known already.
        passed = _passed(chunk, columns) if passes and columns else None
        if passed is None:
            _collect(name, _read(chunk), columns, limit=max(0, STREAM_WINDOW - seen), proves=bad is not None)
        return chunk, len(_read(chunk) if passed is None else passed)

    for chunk in stream:
        for part, records in isolate_bad_records(looked_at, chunk, bad):
            head.append(part)
            seen += records
        if seen >= STREAM_WINDOW:
            break
    checked = _without_late_columns(name, _emptied(head, stream), columns, passes, bad)
    return Table(name, tuple(columns), checked, bad=bad)


def _emptied(head: list[Any], stream: Iterator[Any]) -> Iterator[Any]:
    """Give the head and then the stream, without holding what was given."""
    head.reverse()
    while head:
        yield head.pop()
    yield from stream


def _passed(chunk: RowChunk | ColumnChunk | LazyChunk, columns: Iterable[str]) -> PassthroughChunk | None:
    return None if isinstance(chunk, (RowChunk, ColumnChunk)) else chunk.passed(tuple(columns))


def _read(chunk: RowChunk | ColumnChunk | LazyChunk) -> RowChunk | ColumnChunk:
    return chunk if isinstance(chunk, (RowChunk, ColumnChunk)) else chunk.rows


def _chosen(table: str, known: tuple[str, ...], wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    found = {*known}
    missing = [name for name in wanted or () if name not in found]
    if missing and known:
        log.warning("Table %s: no record has the columns %s that `columns` names; they are null.", table, missing)
    return wanted or known


def _collect(
    table: str,
    chunk: RowChunk | ColumnChunk,
    columns: dict[str, None],
    limit: int | None = None,
    *,
    proves: bool = False,
) -> None:
    """Add the columns of a chunk's records, of its first ``limit`` if given, in the order in which they turn up.

    :param proves: whether a record whose columns are added must hold nothing but what can be written, as columns that
        only bad records have are none.
    """
    if isinstance(chunk, ColumnChunk):
        columns.update(dict.fromkeys(chunk.values))
        return
    if chunk.shape is not None and limit != 0:
        if columns.keys() != set(chunk.shape):
            _check_names(table, chunk.shape, chunk.origins, 0)
            if proves:
                _prove(table, chunk, 0)
            columns.update(dict.fromkeys(chunk.shape))
        return
    last: Any = None
    for position, row in enumerate(chunk.rows[:limit] if limit is not None else chunk.rows):
        keys = _keys(table, row, chunk.origins, position)
        if keys != last:
            _check_names(table, keys, chunk.origins, position)
            if proves and not keys <= columns.keys():
                _prove(table, chunk, position)
            columns.update(dict.fromkeys(keys))
            last = keys


def _prove(table: str, chunk: RowChunk, position: int) -> None:
    """See that a record holds nothing that can't be written."""
    for name, value in chunk.rows[position].items():
        try:
            json_bytes(value)  # what JSON has a form for, other formats have one for
        except Exception as error:
            remedy = "Convert it upstream, to text if need be."
            raise RecordError(
                f"{error}: {short(value)}.",
                remedy,
                table=table,
                place=chunk.origins[position],
                column=name,
                value=value,
            ) from error


def _checked_keys(table: str, unread: RowChunk | ColumnChunk | LazyChunk) -> RowChunk | ColumnChunk:
    chunk = _read(unread)
    if isinstance(chunk, RowChunk):
        if chunk.shape is not None:
            _check_names(table, chunk.shape, chunk.origins, 0)
            return chunk
        last: Any = None
        for position, row in enumerate(chunk.rows):
            keys = _keys(table, row, chunk.origins, position)
            if keys != last:
                _check_names(table, keys, chunk.origins, position)
                last = keys
    return chunk


def _without_late_columns(
    table: str,
    chunks: Iterable[RowChunk | ColumnChunk | LazyChunk],
    columns: Mapping[str, None],
    passes: bool,
    bad: BadRecords | None,
) -> Iterator[Chunk | PassthroughChunk]:
    known = columns.keys()

    def checked(unread: RowChunk | ColumnChunk | LazyChunk) -> Chunk | PassthroughChunk:
        if passes and (passed := _passed(unread, columns)):
            return passed
        chunk = _read(unread)
        if late := _late_column(table, chunk, known):
            position, name = late
            raise RecordError(
                f"a new column after the first {STREAM_WINDOW:,} records of a stream.",
                "Name all columns with `columns=`, or hand over a list, which is looked through first.",
                table=table,
                place=chunk.origins[position],
                column=name,
            )
        return chunk

    for chunk in chunks:
        yield from isolate_bad_records(checked, chunk, bad)


def _late_column(table: str, chunk: RowChunk | ColumnChunk, known: Set[str]) -> tuple[int, str] | None:
    """Find the first record with a column that is not known."""
    names = chunk.values if isinstance(chunk, ColumnChunk) else chunk.shape
    if names is not None:
        late = next((name for name in names if name not in known), None)
        if late is not None and isinstance(chunk, RowChunk):
            _check_names(table, names, chunk.origins, 0)
        return None if late is None else (0, late)
    assert isinstance(chunk, RowChunk)
    for position, row in enumerate(chunk.rows):
        keys = _keys(table, row, chunk.origins, position)
        if keys != known and not keys <= known:
            _check_names(table, keys, chunk.origins, position)
            return position, next(name for name in keys if name not in known)
    return None


def _keys(table: str, row: Any, origins: Origins, position: int) -> Any:
    if isinstance(row, Mapping):
        return row.keys()
    raise RecordError(
        f"a record must be a mapping of column to value, not {type(row).__name__}: {short(row)}.",
        "Yield or return dicts; for a list of lists, flatten it first.",
        table=table,
        place=origins[position],
    )


def _check_names(table: str, keys: Iterable[Any], origins: Origins, position: int) -> None:
    for key in keys:
        if not isinstance(key, str):
            raise RecordError(
                f"the key {short(key)} is no string but {type(key).__name__}.",
                "Turn the keys into strings upstream.",
                table=table,
                place=origins[position],
                column=short(key),
            )
        try:
            key.encode()
        except UnicodeEncodeError as error:
            raise RecordError(
                f"the key {short(key)} holds half of a surrogate pair and is no Unicode.",
                "Decode it properly upstream.",
                table=table,
                place=origins[position],
                column=short(key),
            ) from error
