"""DataFusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datafusion
import pyarrow as pa

from fidelity.kinds import Type
from fidelity.readers.reader import Column

_TYPES: dict[Type, str] = {
    "bool": "Boolean",
    "int64": "Int64",
    "decimal(38,0)": "Decimal128(38, 0)",
    "decimal(38,10)": "Decimal128(38, 10)",
    "float": "Float64",
    "date": "Date32",
    "time": "Time64(µs)",
    "timestamp": "Timestamp(µs)",
    "timestamptz": 'Timestamp(µs, "UTC")',
}
"""To which text is cast; what has none stays text."""

_NATIVE: dict[Type, pa.DataType] = {"bool": pa.bool_(), "int64": pa.int64(), "float": pa.float64()}


class DataFusion:
    """Reads text with a schema, and casts."""

    name = "DataFusion"
    version = datafusion.__version__

    def __init__(self) -> None:
        self._context = datafusion.SessionContext()

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        context = self._context
        is_text = column.is_text or column.type not in _NATIVE
        schema = pa.schema({"id": pa.string(), "value": pa.string() if is_text else _NATIVE[column.type]})
        if format_ == "parquet":
            frame = context.read_parquet(path)
        elif format_ == "csv":
            frame = context.read_csv(path, options=datafusion.CsvReadOptions(schema=schema, newlines_in_values=True))
        elif column.type == "json" and not column.is_text:
            frame = context.read_json(path, schema_infer_max_records=1000)
        else:
            frame = context.read_json(path, schema=schema)
        value = "value"
        if column.is_base64(format_):
            value = "decode(value, 'base64')"
        elif format_ != "parquet" and is_text and column.type in _TYPES:
            value = f"arrow_cast(value, '{_TYPES[column.type]}')"
        if context.table_exist("t"):
            context.deregister_table("t")
        context.register_view("t", frame)
        table = context.sql(f"SELECT {value} AS value FROM t ORDER BY id").to_arrow_table()
        return list(table["value"].to_pylist())
