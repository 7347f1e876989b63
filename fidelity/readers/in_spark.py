"""Spark, on local files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import Row, SparkSession

from fidelity.kinds import Type
from fidelity.readers.reader import Column

_TYPES: dict[Type, str] = {
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "float": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
    "timestamptz": "TIMESTAMP",
    "decimal(38,0)": "DECIMAL(38,0)",
    "decimal(38,10)": "DECIMAL(38,10)",
}
"""Types that its readers of text take; all else is text, which SQL casts."""

_STANDARD = {"DOUBLE PRECISION": "DOUBLE", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TEXT": "STRING"}
"""Its names of types of standard SQL."""

_NULL = "\x01null"
"""Text that does not occur: where it is empty, which is the default, quoted empty fields are taken for null too."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Spark:
    """Reads with a schema in the mode that fails at what does not fit it."""

    name = "Spark"
    formats = ("csv", "json", "parquet")
    version = pyspark.__version__

    def __init__(self) -> None:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        builder: Any = SparkSession.builder
        self.session = (
            builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.timeType.enabled", "true")
            .getOrCreate()
        )
        self.session.sparkContext.setLogLevel("OFF")

    def frame(self, paths: list[str], format_: str, schema: str) -> Any:
        """Open files as a frame.

        :param schema: of text formats, in DDL.
        """
        if format_ == "parquet":
            return self.session.read.parquet(*paths)
        read = self.session.read.schema(schema).option("mode", "FAILFAST")
        if format_ == "csv":
            options = {"header": "true", "multiLine": "true", "escape": '"', "lineSep": "\n"}
            options["nullValue"] = _NULL
            return read.options(**options).csv(paths)
        return read.json(paths)

    def rows(self, paths: Sequence[Path], format_: str, columns: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
        """Give the records of files."""
        schema = ", ".join(f"`{name}` {_STANDARD.get(type_, type_)}" for name, type_ in columns.items())
        table = self.frame([str(path) for path in paths], format_, schema).toArrow()
        for batch in table.to_batches(max_chunksize=20_000):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        type_ = "STRING" if column.is_text else _TYPES.get(column.type, "STRING")
        frame = self.frame([str(path)], format_, f"id STRING, value {type_}")
        if column.is_base64(format_):
            frame = frame.selectExpr("id", "unbase64(value) AS value")
        elif format_ != "parquet":
            cast = "TIME(6)" if column.type == "time" else _TYPES.get(column.type, "STRING")
            frame = frame.selectExpr("id", f"CAST(value AS {cast}) AS value")
        if column.type == "timestamptz":  # Python's own conversion goes by the clock of this machine
            frame = frame.selectExpr("id", "unix_micros(value) AS value")
        found = [row[0] for row in frame.orderBy("id").select("value").collect()]
        return [_plain(value, column.type) for value in found]


def _plain(value: Any, type_: Type) -> Any:
    if type_ == "timestamptz" and value is not None:
        return _EPOCH + timedelta(microseconds=value)
    if isinstance(value, Row):
        return value.asDict(recursive=True)
    return bytes(value) if isinstance(value, bytearray) else value
