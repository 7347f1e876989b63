"""DuckDB."""

from __future__ import annotations

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
    version = duckdb.__version__

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        type_ = "VARCHAR" if column.type == "json" and column.is_text else _TYPES.get(column.type, column.type)
        columns = f"columns = {{'id': 'VARCHAR', 'value': '{type_}'}}"
        source = {
            "csv": f"read_csv('{path}', auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
            f"nullstr = '', allow_quoted_nulls = false, {columns})",
            "json": f"read_json('{path}', format = 'newline_delimited', {columns})",
            "parquet": f"read_parquet('{path}')",
        }[format_]
        value = "from_base64(value)" if column.type == "bytes" and format_ != "parquet" else "value"
        rows = self._connection.execute(f"SELECT {value} FROM {source} ORDER BY id").fetchall()
        return [row[0] for row in rows]
