"""Cuts a stream of Python records into chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from airflow_provider_s3dest.records.chunks import Origins, RowChunk
from airflow_provider_s3dest.records.nesting import record_problem

CHUNK_RECORDS = 1000
"""Records of a chunk of Python records, at most. More would not be encoded faster."""

CHUNK_BYTES = 4 * 2**20
"""Bytes of a chunk of more than one record, as JSON, about: few enough to be held in memory several times over."""

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME
"""orjson ends the process when a time zone raises an error."""


def chunks_of(records: Iterable[Any]) -> Iterator[RowChunk]:
    """Cut a stream of mappings into chunks."""
    stream, start, size = iter(records), 0, 1
    # Copied, as a generator may change one mapping over and over and yield it each time.
    while rows := [row.copy() if type(row) is dict else _copied(row) for row in islice(stream, size)]:
        yield RowChunk.of(rows, Origins(start, originals=rows))
        start, size = start + len(rows), next_size(rows)


def _copied(row: Any) -> Any:
    """Return the columns of a mapping as a dict; all else as it is, for the check of the records to refuse.

    Nested values are not copied: to look at every value for them would take longer than to write it.
    """
    try:
        if isinstance(row, dict):
            return {name: row.get(name) for name in dict.keys(row)}  # a subclass may return other keys
        if isinstance(row, Mapping):
            return {name: row.get(name) for name in row}
    except Exception:  # the record's own methods may raise anything; the check raises it again with the place
        return row
    return row


def next_size(rows: Sequence[Any], most: int = CHUNK_RECORDS, count: int = 0) -> int:
    """Return how many records the next chunk should have, given the rows of this one.

    The first chunk has one record, and each further one up to ten times as many, unless the records are large: the
    weight of the last record caps the next chunk. A cap by the bytes of a chunk itself would come too late, with all of
    its records in memory. The sizes depend on the records alone, so that every attempt cuts the same chunks.

    :param most: the most records of a chunk.
    :param count: how many rows this chunk has, if only the last of them are given.
    """
    try:
        weight = 1 if record_problem(rows[-1:]) else len(orjson.dumps(rows[-1], _as_text, _OPTIONS))
    except Exception:  # the record's own methods may raise anything; whoever reads the record raises the error for it
        weight = 1
    return max(1, min(10 * (count or len(rows)), most, CHUNK_BYTES // weight))


def _as_text(value: Any) -> str:
    return str(bytes(value)) if isinstance(value, memoryview) else str(value)
