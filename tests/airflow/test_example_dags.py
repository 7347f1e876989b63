"""The example DAGs, each run as it stands."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from airflow.providers.common.compat.sdk import DAG

import airflow_provider_s3dest
from tests.airflow import versions
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

EXAMPLES = Path(airflow_provider_s3dest.__file__).parents[1] / "example_dags"


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    """The example DAGs, parsed as Airflow does."""
    bag = versions.parsed(str(EXAMPLES))
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_records_through_xcom(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket) -> None:
    run = run_dag(dags["example_s3_destination"], conf={"bucket": lake.name})

    assert run.state == "success", run.log
    lines = b"".join(map(gzip.decompress, lake.objects("raw/2026-02-03/orders/").values())).splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(range(25_000))


def test_records_through_a_staging_path(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    conf = {"bucket": lake.name, "staging": str(tmp_path)}
    run = run_dag(dags["example_s3_destination_staging"], conf=conf)

    assert run.state == "success", run.log
    assert run.xcom("load")["records"] == 250_000
    assert sum(data.count(b"\n") for data in lake.objects("raw/2026-02-03/events/").values()) == 250_001


def test_a_decorated_function(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket) -> None:
    run = run_dag(dags["example_s3_destination_decorator"], conf={"bucket": lake.name})

    assert run.state == "success", run.log
    lines = b"".join(map(gzip.decompress, lake.objects("raw/readings/2026-02-03/").values())).decode().splitlines()
    sensors = Counter(line.split(",")[0] for line in lines)
    assert sensors == {"sensor": 2, "attic": 1440, "cellar": 1440}
    assert "attic,2026-02-03T23:59,11" in lines


def test_a_document_of_cloudquery(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket) -> None:
    run = run_dag(dags["example_s3_destination_cloudquery"], conf={"bucket": lake.name})

    assert run.state == "success", run.log
    assert {key.rpartition("/")[0]: data for key, data in lake.objects().items()} == {
        "sync/accounts/2026-02-03": b"id|name\n1|main\n2|\n",
        "sync/regions/2026-02-03": b"name|enabled\neu-central-1|true\n",
    }


def test_a_connection_with_defaults(
    dags: dict[str, DAG], run_dag: RunDag, lake: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3-destination://?bucket={lake.name}&path=raw/{{{{TABLE}}}}/{{{{UUID}}}}.{{{{FORMAT}}}}&format=json"
    monkeypatch.setenv("AIRFLOW_CONN_S3_DESTINATION_DEFAULT", uri)
    run = run_dag(dags["example_s3_destination_connection"])

    assert run.state == "success", run.log
    assert sorted(key.rpartition("/")[0] for key in lake.objects()) == ["raw/items", "raw/orders"]
    assert all(key.endswith(".json") for key in lake.objects())


def test_queries(
    dags: dict[str, DAG], run_dag: RunDag, lake: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("airflow.providers.sqlite", reason="the provider of SQLite is not installed")
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "shop.db")}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    run = run_dag(dags["example_s3_destination_sql"], conf={"bucket": lake.name})

    assert run.state == "success", run.log
    objects = {key.split("/")[2]: data for key, data in lake.objects("sql/2026-02-03/").items()}
    assert objects["orders"].splitlines()[:2] == [b"id,day,price", b"1,2026-02-03,1.1"]
    assert len(objects["example_items"].splitlines()) == 3


def test_a_consumer_of_an_asset(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket) -> None:
    of_example = Bucket("my-bucket", lake.server)
    of_example.server.client().create_bucket(Bucket=of_example.name)
    consumer: Any = dags["example_s3_destination_assets_consumer"]
    versions.await_assets(consumer)
    load = run_dag(dags["example_s3_destination_assets"])
    due = versions.due_for_assets()
    count = run_dag(consumer)

    assert load.state == count.state == "success", load.log + count.log
    assert load.xcom("load")["objects"] == 3
    assert [uri for _, uri, _ in load.asset_events()] == ["s3://my-bucket/raw/orders"]
    assert due == [consumer.dag_id]
    assert count.xcom("count_orders") == 25


def test_a_copy_of_what_the_manifest_lists(dags: dict[str, DAG], run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    warehouse = str(tmp_path / "warehouse.duckdb")
    conf = {"bucket": lake.name, "warehouse": warehouse}
    for _ in range(2):  # the second run replaces what the first copied
        lake.write("copied/payments/stray.csv.gz", b"what no manifest lists is not copied")
        run = run_dag(dags["example_s3_destination_copy"], conf=conf)

        assert run.state == "success", run.log
        assert run.xcom("load")["objects"] == 3
        assert run.xcom("copy") == 25
        with duckdb.connect(warehouse) as database:
            copied = database.execute("SELECT id, note FROM payments ORDER BY id").fetchall()
        assert copied == [(number, ("", None, "in parts, late")[number % 3]) for number in range(25)]
