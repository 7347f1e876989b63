"""A table: the records of one name, as a stream of chunks that all have the same columns in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk

STREAM_WINDOW = 10_000
"""Records of a stream that are looked at for its columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """The records of one table, ready to be encoded: ``columns`` holds for every chunk.

    :param is_held: whether all records are in memory, so that they can be looked through first.
    :param types: gives the ``pyarrow.DataType`` of those of some columns that the source tells the types of.
    :param schema: the ``pyarrow.Schema`` that every chunk, then an ``ArrowChunk``, has.
    :param bad: takes the records that can't be delivered; None: the first of them ends the load.
    """

    name: str
    columns: tuple[str, ...]
    chunks: Iterator[Chunk | PassthroughChunk]
    is_held: bool = False
    types: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    schema: Any = None
    bad: BadRecords | None = None
