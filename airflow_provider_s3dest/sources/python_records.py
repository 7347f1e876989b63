"""Turns what a task hands over (lists, streams, mapped results, data frames, mappings of tables) into tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, short
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.table import STREAM_WINDOW, Table
from airflow_provider_s3dest.sources.arrow_stream import open_stream
from airflow_provider_s3dest.sources.chunking import CHUNK_RECORDS, chunks_of
from airflow_provider_s3dest.sources.columns import table_of_known, table_of_list, table_of_stream
from airflow_provider_s3dest.sources.input_kinds import is_arrow, is_pandas, is_records
from airflow_provider_s3dest.sources.pandas_frame import open_pandas

_LAZY = ("LazyXComSequence", "LazySelectSequence")
"""Airflow's sequences of a mapped task's results, of 3.x and 2.11: of all that arrive, the only ones with slices."""


class NoRecordsError(S3DestinationError):
    """What was handed over is no records at all, such as None."""


def tables_of(records: Any, table: str | None) -> dict[str, Any]:
    """Sort records into tables, without reading any.

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
    wanted: tuple[str, ...] | None,
    counted: Callable[[Iterable[Any]], Iterator[Any]] = iter,
    bad: BadRecords | None = None,
) -> Table:
    """Open the records of one table.

    :param records: a list, tuple, iterator or generator of mappings; a lazy sequence of mappings or of lists of
        them; or anything with ``__arrow_c_stream__``.
    :param counted: passes records on as they come one by one, and counts them.
    :param bad: takes the records that can't be delivered; None: the first of them is an error.
    :raises NoRecordsError: for anything else.
    """
    if records is None:
        raise NoRecordsError(f"The records of table {name!r} are None. Return a list, an empty one for no records.")
    if is_arrow(records):
        pandas = is_pandas(records)
        kinds, chunks = open_pandas(records, name) if pandas else open_stream(records, name)
        return table_of_known(name, kinds, chunks, wanted, is_held=pandas, types=partial(_told, kinds), bad=bad)
    if isinstance(records, (list, tuple)):
        return table_of_list(name, records, wanted, bad)
    if not is_records(records):
        raise NoRecordsError(
            f"The records of table {name!r} are no list of mappings but {type(records).__name__}: {short(records)}. "
            "Hand over the output of a task (task.output) or a list; a Jinja string gives a list only with "
            "render_template_as_native_obj=True."
        )
    if isinstance(records, Sequence):
        return table_of_stream(name, chunks_of(counted(flattened(_items(records)))), wanted, bad=bad)
    return table_of_stream(name, chunks_of(counted(records)), wanted, bad=bad)


def _told(kinds: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    return {column: kinds[column] for column in columns if kinds.get(column) is not None}


_NOTHING = "ArgNotSet"
"""What Airflow 3.1 puts in the place of an instance of a mapped task group that was skipped or failed."""


def flattened(items: Iterable[Any]) -> Iterator[Any]:
    """Give the records of results that are each a record or a list of records."""
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from item
        elif isinstance(item, Sequence) and not isinstance(item, (str, bytes, bytearray)):
            yield from flattened(_items(item))  # a mapped task's results among those of other tasks
        elif type(item).__name__ != _NOTHING:
            yield item


def _items(sequence: Sequence[Any]) -> Iterable[Any]:
    if any(base.__name__ in _LAZY and base.__module__.startswith("airflow.") for base in type(sequence).__mro__):
        return _by_slices(sequence)
    if type(sequence).__iter__ is Sequence.__iter__:
        # That would take an IndexError of the function that .map() was given for the end of the records.
        return (sequence[position] for position in range(len(sequence)))
    return sequence


def _by_slices(sequence: Sequence[Any]) -> Iterator[Any]:
    """Read a mapped task's results in few requests: one by one would be a request each."""
    start, size = 0, 1
    while items := sequence[start : start + size]:
        yield from items
        start += len(items)
        longest = max(len(item) if isinstance(item, (list, tuple)) else 1 for item in items)
        size = max(1, min(CHUNK_RECORDS, STREAM_WINDOW // max(1, longest)))
