"""Opens a list or a stream of data frames, record batches, tables or readers as the records of one table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.many_records import is_frame
from airflow_provider_s3dest.sources.arrow_stream import open_stream
from airflow_provider_s3dest.sources.input_kinds import is_pandas

_REMEDY = "Yield frames of one schema: cast them, or give the column's type with `schema=`."


def open_frame(frame: Any, table: str) -> tuple[dict[str, Any], Iterator[ArrowChunk]]:
    """Open one frame, or anything else that exports its data as an Arrow stream.

    :return: the ``pyarrow.DataType`` of each column, None for a column of Python objects, and the chunks.
    :raises SpecError: if it has no form in Arrow, or two columns have the same name.
    """
    # pandas exports a stream as well, but would convert the Python objects in it on the way.
    if is_pandas(frame):
        from airflow_provider_s3dest.sources.pandas_frame import open_pandas

        return open_pandas(frame, table)
    return open_stream(frame, table)


def open_frames(
    first: Any, others: Iterable[Any], table: str, columns: Collection[str] | None, typed: Collection[str]
) -> tuple[dict[str, Any], Iterator[ArrowChunk]]:
    """Open frames, one after the other, as one stream of chunks. The first frame tells the schema.

    :param columns: the columns that are written; None: all, so that no further frame may have another one.
    :param typed: the columns whose types a schema gives, and which may differ from frame to frame.
    :return: the columns of the first frame with their types, and the chunks.
    :raises SpecError: for the first frame as `open_frame` does; from the chunks, at a frame that differs from it.
    """
    types, chunks = open_frame(_own(first), table)

    def all_chunks() -> Iterator[ArrowChunk]:
        records = 0
        for number, (of_frame, frame_chunks) in enumerate(chain([(types, chunks)], _opened(others, table))):
            _check_same(table, types, of_frame, number, columns, typed)
            for chunk in frame_chunks:
                yield replace(chunk, origins=replace(chunk.origins, start=records))
                records += len(chunk)

    return types, all_chunks()


def _opened(frames: Iterable[Any], table: str) -> Iterator[tuple[dict[str, Any], Iterator[ArrowChunk]]]:
    for number, frame in enumerate(frames, 1):
        if not is_frame(frame):
            problem = f"item {number} of table {table!r} is no frame but {type(frame).__name__}."
            raise SpecError([Fault("records", problem, "Yield frames only, or single records only.")])
        yield open_frame(_own(frame), table)


def _own(frame: Any) -> Any:
    """Return a frame that does not change when its producer changes the one that it gave."""
    # Chunks share the memory of a frame, and some wait until an object is full. Frames of others don't change.
    return frame.copy() if is_pandas(frame) else frame


def _check_same(
    table: str,
    first: Mapping[str, Any],
    types: Mapping[str, Any],
    number: int,
    columns: Collection[str] | None,
    typed: Collection[str],
) -> None:
    for name in {**first, **types} if columns is None else columns:
        if (name in first) != (name in types):
            one, other = (0, number) if name in types else (number, 0)
            problem = f"frame {one} of table {table!r} has no column {name!r}, and frame {other} has one."
            raise SpecError([Fault("records", problem, "Yield frames with the same columns.")])
        known, arrow_type = first.get(name), types.get(name)
        # Python objects have no type in common, and are written by their own types as those of single records are.
        if known != arrow_type and None not in (known, arrow_type) and name not in typed:
            problem = (
                f"the column {name!r} of table {table!r} is {arrow_type} in frame {number}, and {known} in frame 0."
            )
            raise SpecError([Fault("records", problem, _REMEDY)])
