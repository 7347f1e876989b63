"""Finds the columns of a table, and checks that every record fits them.

All objects of a table have the same columns in the same order. So the columns must be known before the first record is
written: from a header or schema, from a look at all records of a list, or from the first 10,000 records of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from functools import partial
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import Place, RecordError, short
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk, ColumnChunk, LazyChunk, Origins, PassthroughChunk, RowChunk
from airflow_provider_s3dest.records.many_records import holds_many
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.records.values import json_bytes
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources.chunking import next_size

log = safe_logger(__name__)

_ParsedChunk = RowChunk | ColumnChunk | ArrowChunk
_StreamChunk = _ParsedChunk | LazyChunk

_NAMES_KEPT = 1000
"""Names of columns that are kept for a warning, besides those that `columns` names."""


def table_of_known(
    name: str,
    known: Iterable[str],
    chunks: Iterable[Chunk],
    columns: tuple[str, ...] | None,
    *,
    is_held: bool = False,
    types: Callable[[Sequence[str]], Mapping[str, Any]] | None = None,
    bad: BadRecords | None = None,
) -> Table:
    """Make a table whose columns are known beforehand, as those of typed files, CSV headers and data frames are.

    :param known: the columns of the source.
    :param columns: the columns to write, in order; None: those of the source.
    """
    stated = tuple(known)
    return Table(name, columns or stated, iter(chunks), is_held, types, bad=bad, stated=stated)


def table_of_list(
    name: str, records: Sequence[Any], columns: tuple[str, ...] | None, bad: BadRecords | None = None
) -> Table:
    """Make a table of a list of mappings. All of them are looked at for their columns first.

    :param columns: the columns to write, in order; None: all columns of the records.
    """
    chunks: list[RowChunk] = []
    seen: dict[str, None] = {}
    start, size = 0, 1

    def collected(chunk: RowChunk) -> RowChunk:
        _collect(name, _with_dicts(name, chunk), seen, must_be_writable=bad is not None and not columns)
        return chunk

    while rows := records[start : start + size]:
        chunks += isolate_bad_records(collected, RowChunk.of(rows, Origins(start, originals=rows)), bad)
        start, size = start + len(rows), next_size(rows)
    # Made dicts again one chunk at a time, so that a list of other mappings is not held twice.
    dicts = chain.from_iterable(isolate_bad_records(partial(_with_dicts, name), chunk, bad) for chunk in chunks)
    _warn_of_missing(name, columns, seen)
    return Table(name, columns or tuple(seen), dicts, is_held=True, bad=bad)


def table_of_stream(
    name: str,
    chunks: Iterable[_StreamChunk],
    columns: tuple[str, ...] | None,
    *,
    passes: bool = False,
    bad: BadRecords | None = None,
) -> Table:
    """Make a table of a stream.

    A column that first occurs after the 10,000th record is a RecordError, since objects without it may be written.

    :param columns: the columns to write, in order; None: those of the first 10,000 records.
    :param passes: whether text that is not parsed yet may be passed through as it stands.
    """
    stream = iter(chunks)
    if columns:
        return Table(name, columns, _checked_stream(name, stream, columns, bad), bad=bad)
    head: list[_StreamChunk] = []
    seen: dict[str, None] = {}
    records = 0

    def collected(chunk: _StreamChunk) -> tuple[_StreamChunk, int]:
        if isinstance(chunk, RowChunk):
            chunk = _with_dicts(name, chunk)
        # Text that may pass has exactly the columns seen so far.
        passed = _passed(chunk, seen) if passes and seen else None
        if passed is None:
            limit = max(0, STREAM_WINDOW - records)
            _collect(name, _read(chunk), seen, limit=limit, must_be_writable=bad is not None)
        return chunk, len(_read(chunk) if passed is None else passed)

    for chunk in stream:
        for part, count in isolate_bad_records(collected, chunk, bad):
            head.append(part)
            records += count
        if records >= STREAM_WINDOW:
            break
    checked = _without_late_columns(name, _emptied(head, stream), seen, passes, bad)
    return Table(name, tuple(seen), checked, bad=bad)


def _emptied(head: list[Any], stream: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of a list and then of a stream, and hold none that was yielded."""
    head.reverse()
    while head:
        yield head.pop()
    yield from stream


def _passed(chunk: _StreamChunk, columns: Iterable[str]) -> PassthroughChunk | None:
    return None if isinstance(chunk, _ParsedChunk) else chunk.passed(tuple(columns))


def _read(chunk: _StreamChunk) -> _ParsedChunk:
    return chunk if isinstance(chunk, _ParsedChunk) else chunk.rows


def _warn_of_missing(table: str, columns: tuple[str, ...] | None, seen: Mapping[str, None]) -> None:
    """Log a warning about columns that are named and that no record has.

    :param seen: the columns of the records.
    """
    missing = [name for name in columns or () if name not in seen]
    if not missing or not seen:
        return
    left_out = [name for name in seen if name not in (columns or ())]
    log.warning(
        "Table %s: no record has the columns %s that `columns` or `schema` names; they are null.%s%s",
        table,
        missing,
        guesses(missing, left_out),
        f" Columns of the records that are left out: {', '.join(map(repr, left_out[:20]))}." if left_out else "",
    )


def guesses(missing: Iterable[str], known: Sequence[str]) -> str:
    """Return a question that names a column for each missing one that is like it; empty if there is none."""
    near = [(name, get_close_matches(name, known, n=1)) for name in missing]
    pairs = [f"{found[0]!r} for {name!r}" for name, found in near if found]
    return f" Did you mean {', '.join(pairs)}?" if pairs else ""


def _collect(
    table: str,
    chunk: _ParsedChunk,
    columns: dict[str, None],
    limit: int | None = None,
    *,
    must_be_writable: bool = False,
) -> None:
    """Add the columns of a chunk's records in the order in which they occur.

    :param limit: number of the records to look at; None: all.
    :param must_be_writable: whether to refuse a record with new columns if it holds a value that can't be written: a
        column that occurs only in bad records must not be added.
    """
    if not isinstance(chunk, RowChunk):
        columns.update(dict.fromkeys(chunk.names))
        return
    if chunk.shape is not None and limit != 0:
        if columns.keys() != set(chunk.shape):
            _check_names(table, chunk.shape, chunk.origins, 0)
            if must_be_writable:
                _check_writable(table, chunk, 0)
            columns.update(dict.fromkeys(chunk.shape))
        return
    # Keys that equal those of the record before need no second check.
    last: Any = None
    for position, row in enumerate(chunk.rows[:limit] if limit is not None else chunk.rows):
        keys = _keys(table, row, chunk.origins, position)
        if keys != last:
            _check_names(table, keys, chunk.origins, position)
            if must_be_writable and not keys <= columns.keys():
                _check_writable(table, chunk, position)
            columns.update(dict.fromkeys(keys))
            last = keys


def _check_writable(table: str, chunk: RowChunk, position: int) -> None:
    """Check that a record holds no value that can't be written."""
    for name, value in chunk.rows[position].items():
        try:
            json_bytes(value)  # a value that can be written as JSON can be written in every format
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


def _checked_stream(
    table: str,
    chunks: Iterable[_StreamChunk],
    columns: tuple[str, ...],
    bad: BadRecords | None,
) -> Iterator[_ParsedChunk]:
    """Yield parsed chunks, and warn at the end of columns that no record has."""
    seen: dict[str, None] = {}
    for chunk in chunks:
        names: dict[str, None] = {}
        yield from isolate_bad_records(partial(_checked, table, names), chunk, bad)
        # Each record may have columns of its own: only some of those that are left out are kept.
        seen.update({name: None for name in names if name in columns or len(seen) < _NAMES_KEPT})
    _warn_of_missing(table, columns, seen)


def _checked(table: str, seen: dict[str, None], unread: _StreamChunk) -> _ParsedChunk:
    """Parse a chunk, and check that each record is a mapping whose keys can be names of columns.

    :param seen: takes the columns of the records.
    """
    chunk = _read(unread)
    if isinstance(chunk, RowChunk):
        chunk = _with_dicts(table, chunk)
    _collect(table, chunk, seen)
    return chunk


def _without_late_columns(
    table: str,
    chunks: Iterable[_StreamChunk],
    columns: Mapping[str, None],
    passes: bool,
    bad: BadRecords | None,
) -> Iterator[Chunk | PassthroughChunk]:
    """Yield parsed and passed chunks; refuse each record that has a column beside these."""

    def checked(unread: _StreamChunk) -> Chunk | PassthroughChunk:
        if passes and (passed := _passed(unread, columns)):
            return passed
        chunk = _read(unread)
        if isinstance(chunk, RowChunk):
            chunk = _with_dicts(table, chunk)
        if late := _late_column(table, chunk, columns.keys()):
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


def _late_column(table: str, chunk: _ParsedChunk, known: Set[str]) -> tuple[int, str] | None:
    """Find the first record with a column that is not known."""
    names = chunk.shape if isinstance(chunk, RowChunk) else chunk.names
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


def _with_dicts(table: str, chunk: RowChunk) -> RowChunk:
    """Make dicts of all records that are none, by one look at each: their own methods may raise anything."""
    if chunk.shape is not None or set(map(type, chunk.rows)) <= {dict}:
        return chunk
    rows = []
    for position, row in enumerate(chunk.rows):
        keys = _keys(table, row, chunk.origins, position)
        try:
            rows.append(row if type(row) is dict else {key: row.get(key) for key in keys})
        except Exception as error:  # the record's own methods may raise anything
            raise _unreadable("values", row, error, table, chunk.origins[position]) from error
    return RowChunk.of(rows, chunk.origins)


def _unreadable(what: str, row: Any, error: Exception, table: str, place: Place) -> RecordError:
    problem = f"the {what} of the {type(row).__name__} can't be read: {type(error).__name__}: {error}."
    return RecordError(problem, "Make a dict of it upstream.", table=table, place=place)


def _keys(table: str, row: Any, origins: Origins, position: int) -> Any:
    if isinstance(row, dict):
        return dict.keys(row)  # a subclass may return something else
    if isinstance(row, Mapping):
        try:
            # Sets of keys of other classes can't be trusted to be comparable: SQLAlchemy's fail beside None.
            return dict.fromkeys(row).keys()
        except Exception as error:  # the record's own methods may raise anything
            raise _unreadable("keys", row, error, table, origins[position]) from error
    if holds_many(row):
        # Not separable: what holds many records is never one bad record.
        raise RecordError(
            f"a record must be a mapping of column to value, not {type(row).__name__}, which holds many records.",
            "Flatten a list of lists of records, `yield from page`; hand over frames only, or single records only.",
            table=table,
            place=origins[position],
            separable=False,
        )
    raise RecordError(
        f"a record must be a mapping of column to value, not {type(row).__name__}: {short(row)}.",
        "Yield or return dicts, such as dict(zip(names, row)) of a row; flatten a list of lists of records.",
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
