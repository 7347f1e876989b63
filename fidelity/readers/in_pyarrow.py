"""PyArrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from fidelity.kinds import Type
from fidelity.readers.from_text import converted
from fidelity.readers.reader import Column

_TYPES: dict[Type, pa.DataType] = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "decimal(38,0)": pa.decimal128(38, 0),
    "decimal(38,10)": pa.decimal128(38, 10),
    "float": pa.float64(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}
"""Of its CSV reader; what has none is text, which Python converts. Its JSON reader takes fewer of them from strings."""


class PyArrow:
    """Reads with ``pyarrow.csv`` and ``pyarrow.json``, the types given."""

    name = "PyArrow"
    version = pa.__version__

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        if format_ == "parquet":
            table = pa.parquet.read_table(path)
        elif format_ == "csv":
            table = pa.csv.read_csv(
                path,
                parse_options=pa.csv.ParseOptions(newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(
                    column_types={"id": pa.string(), "value": _TYPES.get(column.type, pa.string())},
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        else:
            fields = {"id": pa.string()}
            if column.type != "json" or column.is_text:
                fields["value"] = pa.string() if column.is_text else _TYPES[column.type]
            options = pa.json.ParseOptions(explicit_schema=pa.schema(fields), newlines_in_values=False)
            table = pa.json.read_json(path, parse_options=options)
            # Of a list that begins with null, its own guess of the type drops the nulls but counts them
            # (https://github.com/apache/arrow/issues/51305): whoever reads the items reads foreign memory.
            table.validate(full=True)
        return converted(table.sort_by("id")["value"].to_pylist(), column.type)
