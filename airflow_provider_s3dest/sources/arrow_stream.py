"""Opens what hands its data over as an Arrow stream: pandas, polars, pyarrow, duckdb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, ArrowValues, BatchRows, cut
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Origins


def open_stream(frame: Any, table: str) -> tuple[dict[str, Any], Iterator[ArrowChunk]]:
    """Open whatever gives an Arrow stream: its columns with their types, and its chunks.

    :raises SpecError: if it has no form in Arrow, or two columns have the same name.
    """
    pyarrow = import_pyarrow()
    try:
        if type(frame).__module__.partition(".")[0] == "polars":
            _refuse_polars_objects(frame)
        reader = pyarrow.RecordBatchReader.from_stream(frame)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        problem = f"table {table!r} has no form in Arrow: {error}."
        raise SpecError([Fault("records", problem, "Hand over a frame whose columns each have one type.")]) from error
    names = unique_names(reader.schema.names, table)
    return dict(zip(names, reader.schema.types, strict=True)), arrow_chunks(reader, table)


def _refuse_polars_objects(frame: Any) -> None:
    lost = [name for name, kind in getattr(frame, "schema", {}).items() if str(kind).startswith("Object")]
    if lost:
        raise TypeError(f"the columns {lost} hold Python objects, of which polars hands over only the addresses")


def unique_names(names: Sequence[str], table: str, path: str | None = None) -> list[str]:
    """Give the names of columns, having seen that no two are the same.

    :raises SpecError: if two are.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        where = f"table {table!r}" + (f", {path}" if path else "")
        raise SpecError([Fault("records", f"{where} has the columns {twice} twice.", "Give each a name of its own.")])
    return list(names)


def arrow_chunks(batches: Iterable[Any], table: str, path: str | None = None) -> Iterator[ArrowChunk]:
    """Make chunks of record batches.

    :param path: the file that they come from; None: they have none.
    """
    start = 0
    for batch in batches:
        for part in cut(batch):
            origins = Origins(start if path is None else start + 1, path, unit="row", originals=BatchRows(part, {}))
            yield ArrowChunk(ArrowValues(part, {}, origins, table), origins, part.num_rows)
            start += part.num_rows
