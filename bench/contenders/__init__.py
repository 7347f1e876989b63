"""Who is measured. Each is prepared for a case, its source and its target, and then run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.cases import Case, Target
from bench.contenders import floor, others, ours

Prepare = Callable[[Case, Any, Target], Callable[[], object]]

OURS, ENCODE, UPLOAD, FLOOR = "this provider", "encode alone", "upload alone", "floor"
OTHERS: Mapping[str, Prepare] = {
    "pandas": others.prepare_pandas,
    "awswrangler": others.prepare_awswrangler,
    "polars": others.prepare_polars,
    "duckdb": others.prepare_duckdb,
    "standard library": others.prepare_standard_library,
}
ORJSON, POLARS_WRITER = "orjson.dumps", "polars' writer"

CONTENDERS: Mapping[str, Prepare] = {
    OURS: ours.prepare_load,
    ENCODE: ours.prepare_encode,
    UPLOAD: ours.prepare_upload,
    FLOOR: floor.prepare_put,
    **OTHERS,
    ORJSON: floor.prepare_orjson,
    POLARS_WRITER: floor.prepare_polars_writer,
}

TAKES_OBJECTS = {UPLOAD, FLOOR}
"""These are given objects instead of records."""
