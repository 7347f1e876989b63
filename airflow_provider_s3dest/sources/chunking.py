"""Cuts a stream of Python records into chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from airflow_provider_s3dest.records.chunks import Origins, RowChunk

CHUNK_RECORDS = 1000
"""Records in a chunk of Python records, at most: enough to encode fast."""

CHUNK_BYTES = 4 * 2**20
"""Bytes up to which a chunk of more than one record is to grow, as JSON: few enough to hold."""


def chunks_of(records: Iterable[Any]) -> Iterator[RowChunk]:
    """Cut a stream of mappings into chunks."""
    stream, start, size = iter(records), 0, 1
    # Copied, for a generator may change one dict over and over and yield it each time.
    while rows := [row.copy() if type(row) is dict else row for row in islice(stream, size)]:
        yield RowChunk.of(rows, Origins(start, originals=rows))
        start, size = start + len(rows), _next_size(rows)


def _next_size(rows: Sequence[Any]) -> int:
    """Tell how many records the chunk after these should have: more and more of them, unless they are large."""
    try:
        weight = len(orjson.dumps(rows[-1], str))
    except orjson.JSONEncodeError:
        weight = 1
    return max(1, min(10 * len(rows), CHUNK_RECORDS, CHUNK_BYTES // weight))
