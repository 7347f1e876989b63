"""PostgreSQL's COPY, of which Redshift's descends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg2

from fidelity.kinds import Type
from fidelity.readers.reader import Column
from tests.servers.postgresql import PostgreSQL

_TYPES: dict[Type, str] = {
    "int64": "bigint",
    "float": "double precision",
    "duration": "interval",
    "bytes": "text",
    "json": "json",
}
"""Types of other names than ours."""


_HOW = {"csv": "HEADER true", "json": r"DELIMITER E'\x01', QUOTE E'\x02'"}
"""Options of COPY. Delimiter and quote are characters that JSON has nowhere unescaped: a line is one field."""


class Copy:
    """Copies CSV into typed columns, and lines of JSON into one column that is cast from."""

    name = "PostgreSQL"
    formats = ("csv", "json")

    def __init__(self, server: PostgreSQL) -> None:
        self._connection = psycopg2.connect(f"postgresql://{server.address}")
        self._connection.autocommit = True
        self.version = str(self._one("SHOW server_version")).split(" ")[0]

    def _one(self, query: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    def rows(self, paths: Sequence[Path], format_: str, columns: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
        """Give the records of files."""
        typed = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        with self._connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute(f"CREATE TEMP TABLE copied ({typed if format_ == 'csv' else 'line json'})")
            try:
                for path in paths:
                    with path.open("rb") as file:
                        cursor.copy_expert(f"COPY copied FROM STDIN (FORMAT csv, {_HOW[format_]})", file)
                fields = "*" if format_ == "csv" else "record.*"
                # json_to_record takes the fields of a line apart by name and type.
                record = "" if format_ == "csv" else f", json_to_record(line) AS record ({typed})"
                cursor.execute(f"SELECT {fields} FROM copied{record}")
                while rows := cursor.fetchmany(10_000):
                    yield from rows
            finally:
                cursor.execute("DROP TABLE copied")

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        if format_ == "parquet":
            raise NotImplementedError("COPY reads no Parquet")
        type_ = _TYPES.get(column.type, column.type)
        with self._connection.cursor() as cursor, path.open("rb") as file:
            cursor.execute("SET timezone = 'UTC'")
            if format_ == "csv":
                cursor.execute(f"CREATE TEMP TABLE copied (id text, value {type_})")
            else:
                cursor.execute("CREATE TEMP TABLE copied (line json)")
            try:
                cursor.copy_expert(f"COPY copied FROM STDIN (FORMAT csv, {_HOW[format_]})", file)
                value, by = ("value", "id") if format_ == "csv" else ("(line ->> 'value')", "line ->> 'id'")
                if column.type == "bytes":
                    value = f"decode({value}, 'base64')"
                cast = "bytea" if column.type == "bytes" else "text" if column.type == "json" else type_
                cursor.execute(f"SELECT ({value})::{cast} FROM copied ORDER BY {by}")
                return [bytes(row[0]) if isinstance(row[0], memoryview) else row[0] for row in cursor.fetchall()]
            finally:
                cursor.execute("DROP TABLE copied")
