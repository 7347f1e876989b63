"""The README, taken at its word by a user who has nothing else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from io import BytesIO

import pyarrow
import pytest
from pyarrow import parquet

from tests.servers import Bucket, SeaweedFS
from tests.system.airflow_server import AirflowServer

pytestmark = pytest.mark.slow

DATE = "2026-02-03"


@pytest.fixture
def buckets(seaweedfs: SeaweedFS) -> Iterator[tuple[Bucket, Bucket]]:
    """The buckets of the README's DAG: the one it writes to, and that of its staged files."""
    both = Bucket("my-bucket", seaweedfs), Bucket("my-staging", seaweedfs)
    for bucket in both:
        seaweedfs.client().create_bucket(Bucket=bucket.name)
    yield both
    for bucket in both:
        bucket.remove()


def test_the_dag_of_the_readme_runs_as_it_stands(airflow: AirflowServer, buckets: tuple[Bucket, Bucket]) -> None:
    lake, staging = buckets
    for table in ("clicks", "views"):
        content = BytesIO()
        parquet.write_table(pyarrow.table({"id": [1, 2], "kind": [table, None]}), content)
        staging.write(f"{DATE}/{table}/part-0.parquet", content.getvalue())

    run = airflow.trigger("orders_to_s3", logical_date=f"{DATE}T00:00:00Z")

    assert run.wait() == "success"
    (orders,) = lake.objects(f"raw/{DATE}/orders/").values()
    records = [json.loads(line) for line in gzip.decompress(orders).splitlines()]
    assert records == [{"id": n, "name": f"order {n}", "paid": n % 2 == 0} for n in range(25_000)]
    assert run.xcom("orders")["records"] == 25_000
    for table in ("clicks", "views"):
        assert list(lake.objects(f"raw/{DATE}/{table}/").values()) == [f"id,kind\n1,{table}\n2,\n".encode()]
