"""Reads the objects that were written, with Python, DuckDB, polars and pyarrow."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow.parquet as pq

Table = tuple[Sequence[str] | None, Sequence[Sequence[Any]]]
"""The columns, None if the reader may rename them, and the rows."""


def _python_csv(body: bytes, _: Path) -> Table:
    csv.field_size_limit(2**30)
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
    return header, rows


def _duckdb_csv(body: bytes, home: Path) -> Table:
    options = "auto_detect = false, all_varchar = true, header = false, delim = ',', quote = '\"', escape = '\"'"
    columns = {f"c{number}": "VARCHAR" for number in range(len(_python_csv(body, home)[0] or ()))}
    nulls = f"nullstr = '', allow_quoted_nulls = {str(len(columns) == 1).lower()}"
    options = f"{options}, {nulls}, skip = 0, columns = {columns}, max_line_size = 100000000"
    return None, _duckdb(f"read_csv('{_put(body, home, 'object.csv')}', {options})")[1:]


def _python_json(body: bytes, _: Path) -> Table:
    return _records(body.decode().split("\n")[:-1])


def _duckdb_json(body: bytes, home: Path) -> Table:
    path = _put(body, home, "object.json")
    rows = _duckdb(f"read_ndjson_objects('{path}', maximum_object_size = 1000000000)") if body else []
    return _records([text for (text,) in rows])


def _records(lines: Sequence[str]) -> Table:
    records = [json.loads(line, parse_float=Decimal) for line in lines]
    columns = list(records[0]) if records else None
    return columns, [list(record.values()) for record in records if list(record) == columns]


def _pyarrow(body: bytes, _: Path) -> Table:
    table = pq.read_table(io.BytesIO(body))
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _duckdb_parquet(body: bytes, home: Path) -> Table:
    return None, _duckdb(f"read_parquet('{_put(body, home, 'object.parquet')}', hive_partitioning = false)")


def _polars(body: bytes, _: Path) -> Table:
    try:
        frame = polars.read_parquet(io.BytesIO(body))
    except BaseException as error:  # a panic of polars is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(str(error)) from error
    return frame.columns, frame.rows()


def _put(body: bytes, home: Path, name: str) -> Path:
    path = home / name
    path.write_bytes(body)
    return path


def _duckdb(source: str) -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.execute(f"SELECT * FROM {source}").fetchall()


READERS: Mapping[str, Mapping[str, Callable[[bytes, Path], Table]]] = {
    "csv": {"Python": _python_csv, "DuckDB": _duckdb_csv},
    "json": {"Python": _python_json, "DuckDB": _duckdb_json},
    "parquet": {"PyArrow": _pyarrow, "DuckDB": _duckdb_parquet, "Polars": _polars},
}
"""By format."""


def rows_of(tables: Sequence[Table]) -> Iterator[Sequence[Any]]:
    """Yield the rows of several objects."""
    for _, rows in tables:
        yield from rows
