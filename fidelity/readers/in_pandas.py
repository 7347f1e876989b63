"""pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from fidelity.kinds import Type
from fidelity.readers.from_text import converted
from fidelity.readers.reader import Column

_TYPES: dict[Type, str] = {"bool": "boolean", "int64": "Int64"}
"""Of its CSV reader; all else is read as text, and converted in Python, object by object."""


class Pandas:
    """Reads with ``read_csv`` and ``read_json``, without the guesses of either."""

    name = "pandas"
    version = pd.__version__

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        if format_ == "parquet":
            frame = pd.read_parquet(path, dtype_backend="pyarrow").sort_values("id")
            return converted(pa.array(frame["value"].array).to_pylist(), column.type)
        if format_ == "json" and column.type in ("int64", "float") and not column.is_text:
            # Its own parser makes floats of integers beside a null.
            frame = pd.read_json(path, lines=True, engine="pyarrow", dtype_backend="pyarrow")
        elif format_ == "csv":
            frame = pd.read_csv(
                path,
                dtype={"id": "object", "value": _TYPES.get(column.type, "object")},
                keep_default_na=False,
                na_values=[""],
                lineterminator="\n",
            )
        else:
            frame = pd.read_json(path, lines=True, dtype=False, convert_dates=False, precise_float=True)
        found = [_plain(value) for value in frame.sort_values("id")["value"].astype(object)]
        return converted(found, column.type)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return value
    return None if value is None or value is pd.NA or value != value else value
