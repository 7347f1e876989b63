"""A table: the records of one name, as a stream of chunks that all have the same columns in the same order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk

STREAM_WINDOW = 10_000
"""Number of a stream's first records that decide its columns and, if needed, their types."""


@dataclass(frozen=True, slots=True)
class Table:
    """The records of one table, ready to be encoded: ``columns`` holds for every chunk.

    :param is_held: whether all records are in memory, so that all of them can be read once before they are written.
    :param types: maps column names to ``pyarrow.DataType``; columns whose type the source does not know are left out.
    :param without_type: why a column has no type although its values could not decide it, by the names of such columns.
    :param schema: the ``pyarrow.Schema`` of every chunk, each of which is then an ``ArrowChunk``; None: none yet.
    :param bad: quarantines the records that can't be delivered; None: the first of them ends the load.
    :param stated: the columns that the source states: of a data frame, a cursor, or headers and schemas of files; none
        if its records are mappings.
    """

    name: str
    columns: tuple[str, ...]
    chunks: Iterator[Chunk | PassthroughChunk]
    is_held: bool = False
    types: Callable[[Sequence[str]], Mapping[str, Any]] | None = None
    schema: Any = None
    bad: BadRecords | None = None
    without_type: Mapping[str, str] = field(default_factory=dict)
    stated: Collection[str] = ()

    def __post_init__(self) -> None:
        # The names themselves: orjson takes no instance of a subclass, such as a StrEnum or SQLAlchemy's quoted_name.
        object.__setattr__(self, "columns", tuple(map(str.__str__, self.columns)))
