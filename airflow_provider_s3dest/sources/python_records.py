"""Opens the ``records`` argument (lists, streams, mapped results, data frames, mappings of tables) as tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, short
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.many_records import is_cursor, is_frame
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.sources.chunking import CHUNK_RECORDS, chunks_of
from airflow_provider_s3dest.sources.columns import table_of_known, table_of_list, table_of_stream
from airflow_provider_s3dest.sources.frame_stream import open_frame, open_frames
from airflow_provider_s3dest.sources.input_kinds import is_arrow, is_pandas, is_records
from airflow_provider_s3dest.sources.sql.cursor_table import open_cursor
from airflow_provider_s3dest.sources.xcom_values import explained

_LAZY = ("LazyXComSequence", "LazySelectSequence")
"""Airflow's sequences of a mapped task's results, in Airflow 3 and 2.11: the only lazy ones that can be sliced."""

_SKIPPED = "ArgNotSet"
"""The type of what Airflow 3.1 passes for an instance of a mapped task group that was skipped or failed."""


class NoRecordsError(S3DestinationError):
    """The argument is no records at all, such as None."""


def tables_of(records: Any, table: str | None) -> dict[str, Any]:
    """Return the records of each table, without reading any.

    :param records: the records of ``table``, or a mapping of table name to records.
    :raises SpecError: if ``table`` is missing, or given beside a mapping.
    """
    if isinstance(records, Mapping) and not is_arrow(records):
        if table is not None:
            problem = f"is {table!r} beside a mapping of tables."
            raise SpecError([Fault("table", problem, "Leave it out, or hand over a list of records.")])
        return dict(records)
    if table is None:
        raise SpecError([Fault("table", "is missing.", "Name the table of the records.")])
    return {table: records}


def open_records(
    name: str,
    records: Any,
    columns: tuple[str, ...] | None,
    counted: Callable[[Iterable[Any]], Iterator[Any]] = iter,
    bad: BadRecords | None = None,
    *,
    typed: Collection[str] = (),
) -> Table:
    """Open the records of one table.

    :param records: a list, tuple, iterator or generator of mappings; a lazy sequence of mappings or of lists of
        them; anything with ``__arrow_c_stream__``; a list or stream of such frames; a cursor, or a stream of cursors.
    :param columns: the columns to write, in order; None: those of the records.
    :param counted: yields the records of an iterable one by one, and counts them.
    :param bad: quarantines the records that can't be delivered; None: the first of them ends the load.
    :param typed: the columns whose types a schema gives.
    :raises NoRecordsError: for anything else.
    """
    if records is None:
        raise NoRecordsError(f"The records of table {name!r} are None. Return a list, an empty one for no records.")
    if is_arrow(records):
        types, chunks = open_frame(records, name)
        is_held = is_pandas(records)
        return table_of_known(name, types, chunks, columns, is_held=is_held, types=partial(_known, types), bad=bad)
    if is_cursor(records):
        return open_cursor(name, records, columns, bad)
    if isinstance(records, (list, tuple)) and not (records and is_frame(records[0])):
        return table_of_list(name, records, columns, bad)
    if not is_records(records):
        raise NoRecordsError(
            f"The records of table {name!r} must be a list of mappings, not {type(records).__name__}: "
            f"{short(records)}. Hand over the output of a task (task.output) or a list. "
            "A Jinja string gives a list only with render_template_as_native_obj=True."
        )
    stream = flattened(_items(records)) if isinstance(records, Sequence) else iter(records)
    for first in stream:
        if is_frame(first):
            types, chunks = open_frames(first, stream, name, columns, typed)
            return table_of_known(name, types, chunks, columns, types=partial(_known, types), bad=bad)
        if is_cursor(first):
            return open_cursor(name, first, columns, bad, stream)
        stream = chain([first], stream)
        break
    return table_of_stream(name, chunks_of(counted(stream)), columns, bad=bad)


def _known(types: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    return {column: types[column] for column in columns if types.get(column) is not None}


def flattened(items: Iterable[Any]) -> Iterator[Any]:
    """Yield the records of results, each of which is a record or a list of records."""
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from item
        elif isinstance(item, Sequence) and not isinstance(item, (str, bytes, bytearray)):
            yield from flattened(_items(item))  # a mapped task's results among those of other tasks
        elif type(item).__name__ != _SKIPPED:
            yield item


def _items(sequence: Sequence[Any]) -> Iterable[Any]:
    return explained(_read(sequence))


def _read(sequence: Sequence[Any]) -> Iterable[Any]:
    if any(base.__name__ in _LAZY and base.__module__.startswith("airflow.") for base in type(sequence).__mro__):
        return _by_slices(sequence)
    if type(sequence).__iter__ is Sequence.__iter__:
        # The inherited iterator takes any IndexError for the end of the sequence, even one that the function of .map()
        # raises, and so would lose the records behind it.
        return (sequence[position] for position in range(len(sequence)))
    return sequence


def _by_slices(sequence: Sequence[Any]) -> Iterator[Any]:
    """Yield a mapped task's results, read in few requests to Airflow; one by one would need a request for each."""
    start, size = 0, 1
    while items := sequence[start : start + size]:
        yield from items
        start += len(items)
        # As many results as hold a window of records, if they all were as long as the longest of these.
        longest = max(map(_length, items))
        size = max(1, min(CHUNK_RECORDS, STREAM_WINDOW // max(1, longest)))


def _length(result: Any) -> int:
    """Return the number of records of a result, as far as it tells."""
    holds_records = isinstance(result, (list, tuple)) or (is_frame(result) and hasattr(result, "__len__"))
    return len(result) if holds_records else 1
