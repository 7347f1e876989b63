"""Reads files with Python, DuckDB, polars and pyarrow; nothing of the provider takes part."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Original:
    """What a file holds.

    :param rows: values in the order of the columns.
    :param is_csv: whether all values are texts, and null is an empty one.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_csv: bool = False


def read(content: bytes, ending: str, home: Path) -> Original:
    """Read the content of a file, by the ending of its name."""
    if ending in (".csv", ".tsv"):
        return _csv(content, "\t" if ending == ".tsv" else ",")
    if ending in (".json", ".ndjson", ".jsonl"):
        return _json(content)
    path = home / f"original{ending}"
    path.write_bytes(content)
    return _parquet(path) if ending == ".parquet" else _arrow(path)


def _csv(content: bytes, delimiter: str) -> Original:
    csv.field_size_limit(2**30)
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    rows = list(csv.reader(text, delimiter=delimiter, strict=True))
    header = next((row for row in rows if row), [])
    behind = rows[rows.index(header) + 1 :] if header else []
    if len(header) == 1:  # a blank line is a record of one column
        return Original(header, [row or [""] for row in behind], is_csv=True)
    return Original(header, [row for row in behind if row], is_csv=True)


def _json(content: bytes) -> Original:
    text = content.decode("utf-8-sig")

    def parsed(piece: str) -> Any:
        return json.loads(piece, parse_float=Decimal, parse_constant=_no_json)

    if text.lstrip(" \t\r\n").startswith("["):
        records = parsed(text)
    else:
        records = [parsed(line) for line in text.split("\n") if line.strip(" \t\r")]
    columns = list(dict.fromkeys(name for record in records for name in dict.keys(record)))
    return Original(columns, [[record.get(name) for name in columns] for record in records])


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _parquet(path: Path) -> Original:
    columns = pq.ParquetFile(path).schema_arrow.names
    try:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)"
        return Original(columns, connection.execute(query).fetchall())
    except Exception:  # DuckDB lacks some types and encodings
        return _of_table(pq.read_table(path))


def _arrow(path: Path) -> Original:
    content = path.read_bytes()
    try:
        frame = (polars.read_ipc if content.startswith(b"ARROW1") else polars.read_ipc_stream)(content)
        return Original(frame.columns, frame.rows())
    except BaseException as error:  # polars lacks some types, and panics
        if isinstance(error, KeyboardInterrupt):
            raise
    opened = pa.ipc.open_file if content.startswith(b"ARROW1") else pa.ipc.open_stream
    return _of_table(opened(content).read_all())


def _of_table(table: pa.Table) -> Original:
    columns = [column.to_pylist() for column in table.columns]
    return Original(table.column_names, list(zip(*columns, strict=True)))
