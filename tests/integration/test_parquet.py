"""Parquet objects reach S3 as they were written, in one request or many, the same on every attempt."""

from __future__ import annotations

import io
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.loading import load
from tests.servers import Bucket


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_large_object_goes_by_parts_and_reads_back_equal(moto_bucket: Bucket, atomic: bool) -> None:
    numbers = numpy.random.default_rng(0).integers(0, 2**62, 9_000_000)
    table = pa.table({"x": numbers})
    how: dict[str, Any] = {"format": "parquet", "compression": "none", "path": "out/{{TABLE}}", "no_rotate": True}
    report = load(moto_bucket, table, atomic=atomic, **how)
    ((_, first),) = moto_bucket.objects("out/").items()
    assert (report.records, report.bytes) == (len(numbers), len(first))
    file = pq.ParquetFile(io.BytesIO(first))
    assert file.metadata.num_row_groups > 1
    assert file.read().equals(table)
    load(moto_bucket, table.combine_chunks().slice(0), atomic=atomic, **how)
    ((_, second),) = moto_bucket.objects("out/").items()
    assert first == second


def test_a_dry_run_tells_the_sizes_that_a_load_stores(moto_bucket: Bucket) -> None:
    records = [{"id": number, "name": "x" * (number % 9)} for number in range(5_000)]
    how: dict[str, Any] = {"format": "parquet", "batch_size": 700}
    planned, report = load(moto_bucket, records, dry_run=True, **how), load(moto_bucket, records, **how)
    assert planned.as_dict() == report.as_dict()
    assert report.objects == 8
