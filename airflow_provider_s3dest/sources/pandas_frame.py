"""Reads a pandas frame: typed columns through Arrow, columns of Python objects as these objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, BatchRows, chunk_rows
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Origins
from airflow_provider_s3dest.sources.arrow_stream import meant_fields, unique_names


def open_pandas(frame: Any, table: str) -> tuple[dict[str, Any], Iterator[ArrowChunk]]:
    """Open a pandas frame.

    An index that has a name becomes a column, behind the others. One without a name is no data and is left out.

    :return: the ``pyarrow.DataType`` of each column, None for a column of Python objects, and the chunks.
    :raises SpecError: if two columns have the same name, or a column has no form in Arrow.
    """
    pyarrow = import_pyarrow()
    indexes = [name for name in frame.index.names if name is not None]
    names = unique_names([str(name) for name in (*frame.columns, *indexes)], f"table {table!r}")
    plain = frame.reset_index(level=indexes) if indexes else frame
    plain = plain[[*frame.columns, *indexes]].reset_index(drop=True).set_axis(names, axis=1)
    # Arrow takes no sparse columns. By the name, since pandas need not be installed.
    sparse = {name: dtype.subtype for name, dtype in plain.dtypes.items() if type(dtype).__name__ == "SparseDtype"}
    plain = plain.astype(sparse) if sparse else plain
    # Arrow would convert all objects of a column to one type, and change some on the way.
    objects = [name for name in names if plain[name].dtype == object]
    try:
        # A table: a column of strings may lie in several pieces or in none, as pandas.concat and pyarrow leave it.
        typed = pyarrow.Table.from_pandas(plain.drop(columns=objects), preserve_index=False)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        problem = f"table {table!r} has no form in Arrow: {error}."
        raise SpecError([Fault("records", problem, "Hand over columns that each have one type.")]) from error

    meant = meant_fields(typed.schema, f"table {table!r}")

    def chunks() -> Iterator[ArrowChunk]:
        rows = chunk_rows(len(names))
        for start in range(0, len(plain), rows):
            part = plain.iloc[start : start + rows]
            batch, values = (
                meant.read(_batch(typed.slice(start, rows))),
                {name: _objects(part[name]) for name in objects},
            )
            origins = Origins(start, originals=BatchRows(batch, values))
            yield ArrowChunk(batch, origins, len(part), table, values)

    types = dict(zip(meant.schema.names, meant.schema.types, strict=True))
    return {name: types.get(name) for name in names}, chunks()


def _batch(table: Any) -> Any:
    """Return a table of few rows as one record batch."""
    pyarrow = import_pyarrow()
    columns = [
        column.chunk(0) if column.num_chunks == 1 else pyarrow.concat_arrays(column.chunks) for column in table.columns
    ]
    return pyarrow.RecordBatch.from_arrays(columns, schema=table.schema)


def _objects(series: Any) -> list[Any]:
    """Return the objects of a column, None for each that pandas counts as missing."""
    return [None if missing else value for value, missing in zip(series.tolist(), series.isna().tolist(), strict=True)]
