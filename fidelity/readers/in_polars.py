"""Polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from fidelity.kinds import Type
from fidelity.readers.reader import Column

_TYPES: dict[Type, pl.DataType] = {
    "bool": pl.Boolean(),
    "int64": pl.Int64(),
    "float": pl.Float64(),
}
"""What its readers of text take; all else is text, which expressions convert."""

_CONVERSIONS: dict[Type, pl.Expr] = {
    "bool": pl.col("value").replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean()),
    "int64": pl.col("value").cast(pl.Int64()),
    "float": pl.col("value").cast(pl.Float64()),
    "decimal(38,0)": pl.col("value").str.to_decimal(scale=0).cast(pl.Decimal(38, 0)),
    "decimal(38,10)": pl.col("value").str.to_decimal(scale=10).cast(pl.Decimal(38, 10)),
    "date": pl.col("value").str.to_date("%Y-%m-%d"),
    "time": pl.col("value").str.to_time("%H:%M:%S%.f"),
    "timestamp": pl.col("value").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us"),
    "timestamptz": pl.col("value").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us"),
    "bytes": pl.col("value").str.decode("base64"),
}
"""From text."""


class Polars:
    """Reads with ``read_csv`` and ``read_ndjson``, the schema given."""

    name = "Polars"
    version = pl.__version__

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        if format_ == "parquet":
            frame = pl.read_parquet(path)
            if column.is_base64(format_):
                frame = frame.with_columns(_CONVERSIONS["bytes"])
            return frame.sort("id")["value"].to_list()
        read_type = pl.String() if column.is_text else _TYPES.get(column.type, pl.String())
        schema: dict[str, Any] = {"id": pl.String(), "value": read_type}
        if format_ == "csv":
            frame = pl.read_csv(path, schema=schema)
        elif column.type == "json" and not column.is_text:
            frame = pl.read_ndjson(path, infer_schema_length=None)
        else:
            frame = pl.read_ndjson(path, schema=schema)
        if read_type == pl.String() and column.type in _CONVERSIONS:
            frame = frame.with_columns(_CONVERSIONS[column.type])
        return frame.sort("id")["value"].to_list()
