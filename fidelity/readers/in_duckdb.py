"""DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from fidelity.kinds import Type
from fidelity.readers.reader import Column

_TYPES: dict[Type, str] = {
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "float": "DOUBLE",
    "text": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "duration": "VARCHAR",
    "bytes": "VARCHAR",
    "json": "JSON",
}
"""Types of other names than ours."""


class DuckDB:
    """Reads with ``read_csv`` and ``read_json``, all columns declared."""

    name = "DuckDB"
    formats = ("csv", "json", "parquet")
    version = duckdb.__version__

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        type_ = "VARCHAR" if column.type == "json" and column.is_text else _TYPES.get(column.type, column.type)
        value = "from_base64(value)" if column.is_base64(format_) else "value"
        source = self._source([path], format_, {"id": "VARCHAR", "value": type_})
        rows = self._connection.execute(f"SELECT {value} FROM {source} ORDER BY id").fetchall()
        return [row[0] for row in rows]

    def rows(self, paths: Sequence[Path], format_: str, columns: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
        """Give the records of files."""
        cursor = self._connection.execute(f"SELECT * FROM {self._source(paths, format_, columns)}")
        while rows := cursor.fetchmany(10_000):
            yield from rows

    @staticmethod
    def _source(paths: Sequence[Path], format_: str, types: Mapping[str, str]) -> str:
        files = [str(path) for path in paths]
        columns = f"columns = {dict(types)}"
        return {
            "csv": f"read_csv({files}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
            f"nullstr = '', allow_quoted_nulls = false, {columns})",
            "json": f"read_json({files}, format = 'newline_delimited', {columns})",
            "parquet": f"read_parquet({files})",
        }[format_]
