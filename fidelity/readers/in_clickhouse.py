"""ClickHouse, within this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import chdb

from fidelity.kinds import Type
from fidelity.readers.reader import Column

_TYPES: dict[Type, str] = {
    "bool": "Bool",
    "int64": "Int64",
    "decimal(38,0)": "Decimal(38, 0)",
    "decimal(38,10)": "Decimal(38, 10)",
    "float": "Float64",
    "date": "Date32",
    "time": "Time64(6)",
    "timestamp": "DateTime64(6, \\'UTC\\')",
    "timestamptz": "DateTime64(6, \\'UTC\\')",
    "uuid": "UUID",
}
"""Its types; what has none is a ``String``."""

_SETTINGS = (
    "format_csv_null_representation = '', input_format_csv_empty_as_default = 0, "
    "input_format_csv_trim_whitespaces = 0, date_time_input_format = 'best_effort', "
    "enable_time_time64_type = 1, input_format_json_read_objects_as_strings = 1, "
    "input_format_json_read_arrays_as_strings = 1"
)

_FROM_TEXT: dict[Type, Callable[[str], Any]] = {
    "bool": lambda text: {"true": True, "false": False}[text],
    "int64": int,
    "decimal(38,0)": Decimal,
    "decimal(38,10)": Decimal,
    "float": float,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": lambda text: datetime.fromisoformat(text).replace(tzinfo=timezone.utc),
    "bytes": bytes.fromhex,
}
"""What it writes of its own values, as Python values: as text they come unchanged out of the engine."""


class ClickHouse:
    """Reads with the table function ``file``, its structure declared, in chdb."""

    name = "ClickHouse"

    def __init__(self) -> None:
        self.version = f"{chdb.engine_version} (chdb {chdb.__version__})"

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        in_string = column.type == "bool" and column.is_text  # of which it takes no bool
        type_ = "String" if in_string else _TYPES.get(column.type, "String")
        # Of times it makes moments of 1970 unless it is told.
        structure = f", 'id String, value Nullable({type_})'" if column.type == "time" else ""
        source = {
            "csv": f"file('{path}', 'CSVWithNames', 'id String, value Nullable({type_})')",
            "json": f"file('{path}', 'JSONEachRow', 'id String, value Nullable({type_})')",
            "parquet": f"file('{path}', 'Parquet'{structure})",
        }[format_]
        value = "toString(CAST(value AS Nullable(Bool)))" if in_string else "toString(value)"
        if column.type == "bytes":
            value = "hex(base64Decode(value))" if column.is_base64(format_) else "hex(value)"
        if column.type == "json" and format_ == "parquet" and not column.is_text:
            value = "toJSONString(value)"
        query = f"SELECT {value} AS value FROM {source} ORDER BY id SETTINGS {_SETTINGS}"
        lines = chdb.query(query, "JSONCompactEachRow").bytes().decode().rstrip("\n").split("\n")
        convert = _FROM_TEXT.get(column.type, str)
        return [None if value is None else convert(value) for (value,) in map(json.loads, lines)]
