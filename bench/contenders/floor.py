"""What can't be done without: sending bytes that are encoded already, and encoding by the fastest library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.cases import Case, Target
from bench.contenders.ours import client_for

_THREADS = 8


def prepare_put(case: Case, source: Sequence[bytes], target: Target) -> Callable[[], object]:
    """Prepare to send the objects with the client of the load, by nothing but put_object."""
    client = client_for(target.bucket)

    def put(numbered: tuple[int, bytes]) -> None:
        number, content = numbered
        client.put_object(Bucket=target.bucket, Key=f"{target.prefix}/{number:06}", Body=content)

    def run() -> None:
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(put, enumerate(source)))

    return run


def prepare_orjson(case: Case, source: Any, target: Target) -> Callable[[], object]:
    """Prepare orjson.dumps of the whole list."""
    import orjson

    return lambda: orjson.dumps(source)


def prepare_polars_writer(case: Case, source: Any, target: Target) -> Callable[[], object]:
    """Prepare polars' own writer on the Parquet file, its bytes let go."""
    import polars as pl

    frame = pl.scan_parquet(source)
    if case.format == "csv":
        return lambda: frame.sink_csv("/dev/null")
    return lambda: frame.sink_ndjson("/dev/null")
