"""What users would take instead: each reads the same source, and writes objects of as many records to that store."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from bench.cases import Case, Target
from bench.inputs import as_json

Run = Callable[[], object]


class NotPossible(Exception):
    """The contender has no way to do this."""


def _put(case: Case, target: Target, number: int, content: bytes) -> None:
    body = gzip.compress(content, mtime=0) if case.gzip else content
    target.client().put_object(Bucket=target.bucket, Key=f"{target.prefix}/{number:06}", Body=body)


def prepare_standard_library(case: Case, source: Any, target: Target) -> Run:
    """Prepare csv.DictWriter or json.dumps, record by record, and put_object."""

    def encoded(records: list[dict[str, Any]]) -> str:
        if case.format == "json":
            return "".join(as_json(record) + "\n" for record in records)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, records[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_csv_record, records))
        return text.getvalue()

    def run() -> None:
        records = iter(_records(case, source))
        number = 0
        while batch := list(islice(records, case.object_records)):
            _put(case, target, number, encoded(batch).encode())
            number += 1

    return run


def _csv_record(record: dict[str, Any]) -> dict[str, Any]:
    return {name: as_json(value) if isinstance(value, (list, dict)) else value for name, value in record.items()}


def _records(case: Case, source: Any) -> Iterator[dict[str, Any]]:
    if case.source == "dicts":
        yield from source
        return
    for path in source:
        if case.source == "parquet":
            import pyarrow.parquet as pq

            for batch in pq.ParquetFile(path).iter_batches(case.object_records):
                yield from (_json_ready(record) for record in batch.to_pylist())
            continue
        with open(path, encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file) if case.source == "csv" else map(json.loads, file)


def _json_ready(record: dict[str, Any]) -> dict[str, Any]:
    from decimal import Decimal

    return {name: float(value) if isinstance(value, Decimal) else value for name, value in record.items()}


def prepare_pandas(case: Case, source: Any, target: Target) -> Run:
    """Prepare pandas as SqlToS3Operator uses it: frames of a chunk into a buffer, and put_object."""

    def run() -> None:
        for number, frame in enumerate(_frames(case, source)):
            buffer = io.BytesIO()
            if case.format == "csv":
                frame.to_csv(buffer, index=False)
            else:
                frame.to_json(buffer, orient="records", lines=True, date_format="iso", force_ascii=False)
            _put(case, target, number, buffer.getvalue())

    return run


def prepare_awswrangler(case: Case, source: Any, target: Target) -> Run:
    """Prepare awswrangler: frames of a chunk, each written to its own object."""
    import awswrangler as wr

    packed = {"compression": "gzip"} if case.gzip else {}

    def run() -> None:
        for number, frame in enumerate(_frames(case, source)):
            path = f"{target.url}/{number:06}.{case.format}{'.gz' if case.gzip else ''}"
            if case.format == "csv":
                wr.s3.to_csv(frame, path, index=False, **packed)
            else:
                wr.s3.to_json(frame, path, orient="records", lines=True, date_format="iso", force_ascii=False, **packed)

    return run


def _frames(case: Case, source: Any) -> Iterator[Any]:
    import pandas as pd

    if case.source == "dicts":
        for begin in range(0, len(source), case.object_records):
            yield pd.DataFrame(source[begin : begin + case.object_records])
        return
    for path in source:
        if case.source == "csv":
            yield from pd.read_csv(path, dtype=str, keep_default_na=False, chunksize=case.object_records)
        elif case.source == "ndjson":
            yield from pd.read_json(path, lines=True, convert_dates=False, chunksize=case.object_records)
        else:
            frame = pd.read_parquet(path)
            for begin in range(0, len(frame), case.object_records):
                yield frame.iloc[begin : begin + case.object_records]


def prepare_polars(case: Case, source: Any, target: Target) -> Run:
    """Prepare polars, which reads lazily and writes to S3 itself."""
    import polars as pl

    # It asks the environment for neither the certificate nor the endpoint.
    options: Any = {
        "aws_endpoint_url": target.endpoint_url,
        "aws_allow_http": "false",
        "allow_invalid_certificates": "true",
    }

    def frame() -> Any:
        if case.source == "dicts":
            return pl.from_dicts(source).lazy()
        if case.source == "parquet":
            return pl.scan_parquet(source)
        return pl.scan_csv(source, infer_schema=False) if case.source == "csv" else pl.scan_ndjson(source)

    def run() -> None:
        parts = pl.PartitionBy(f"{target.url}/", max_rows_per_file=case.object_records, approximate_bytes_per_file=None)
        packed: Any = {"compression": "gzip"} if case.gzip else {}
        if case.format == "csv":
            frame().sink_csv(parts, storage_options=options, **packed)
        else:
            frame().sink_ndjson(parts, storage_options=options, **packed)

    return run


def prepare_duckdb(case: Case, source: Any, target: Target) -> Run:
    """Prepare DuckDB's COPY, which writes to S3 itself; it cuts by bytes alone, so that it writes one object a load."""
    import duckdb
    import duckdb_extension_httpfs

    if case.source == "dicts":
        raise NotPossible("takes no records of Python")
    [extension] = _files_of(duckdb_extension_httpfs, "httpfs.duckdb_extension")
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{extension}'")
    database.execute(f"SET ca_cert_file = '{target.certificate}'")
    host = target.endpoint_url.removeprefix("https://")
    database.execute(
        "CREATE SECRET (TYPE s3, KEY_ID 'bulk', SECRET 'bulk-secret', REGION 'us-east-1', URL_STYLE 'path', "
        f"ENDPOINT '{host}')"
    )
    reading = {"parquet": "read_parquet(?)", "csv": "read_csv(?, all_varchar = true)", "ndjson": "read_json(?)"}
    written = "FORMAT csv, HEADER" if case.format == "csv" else "FORMAT json"
    packed = ", COMPRESSION gzip" if case.gzip else ""
    copy = f"COPY (FROM {reading[case.source]}) TO '{target.url}/all.{case.format}' ({written}{packed})"
    return lambda: database.execute(copy, [source])


def _files_of(package: Any, name: str) -> Iterable[str]:
    from pathlib import Path

    return [str(path) for path in Path(package.__path__[0]).rglob(name)]
