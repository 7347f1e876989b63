"""The example DAGs in a real Airflow, looked at as its users do: by the REST API."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Bucket
from tests.servers.postgresql import PostgreSQL
from tests.servers.statsd import StatsD
from tests.system.airflow_server import AirflowServer, Run, wait_for
from tests.system.conftest import EXAMPLES

pytestmark = pytest.mark.slow

DATE = "2026-02-03"
CONSOLE = "https://s3.example.com/{bucket}/{prefix}"


@pytest.fixture(scope="module")
def lake(my_bucket: Bucket) -> Bucket:
    """The bucket of the examples."""
    return my_bucket


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of this module's Airflow, beside which lie the events of OpenLineage and what the examples stage."""
    return tmp_path_factory.mktemp("examples") / "airflow"


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    """The metadata database."""
    with PostgreSQL.running() as server:
        yield server


@pytest.fixture(scope="module")
def metrics() -> Iterator[StatsD]:
    """What Airflow's metrics are sent to."""
    with StatsD.running() as server:
        yield server


@pytest.fixture(scope="module")
def airflow(lake: Bucket, home: Path, metrics: StatsD, database: PostgreSQL) -> Iterator[AirflowServer]:
    """An Airflow of the examples, with connections in its database, OpenLineage's file transport and StatsD."""
    transport = {"type": "file", "log_file_path": str(home.parent / "lineage")}
    settings = {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        # With SQLite, an API server that starts a run while another of its requests writes may wait for itself.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database.address}",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(metrics.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # which tells the tags
    }
    with AirflowServer.running(home, EXAMPLES, settings) as server:
        server.create_connection("aws_default", json.loads(lake.server.connection()))
        server.create_connection("s3_destination_default", _destination())
        server.create_connection("shop", {"conn_type": "sqlite", "host": str(home.parent / "shop.db")})
        yield server


def _destination() -> dict[str, Any]:
    extra = {
        "bucket": "my-bucket",
        "path": "connection/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        "format": "json",
        "console_url": CONSOLE,
    }
    return {"conn_type": "s3_destination", "extra": extra}


@pytest.fixture(scope="module")
def runs(airflow: AirflowServer, home: Path) -> Mapping[str, Run]:
    """A run of each example that waits for no other, by what its id has behind the name that all share."""
    airflow.wait_for_dag("example_s3_destination_assets_consumer")  # it is to know the asset before its event
    confs: dict[str, dict[str, Any]] = {
        "": {},
        "_staging": {"staging": str(home.parent / "staged")},
        "_decorator": {},
        "_cloudquery": {},
        "_connection": {},
        "_assets": {},
        "_shards": {"staging": str(home.parent / "sharded"), "records": 100},
        "_copy": {"warehouse": str(home.parent / "warehouse.duckdb")},
        "_sql": {},
        "_nycflights": {"bucket": "my-bucket", "staging": str(home.parent / "flights")},
    }
    date = f"{DATE}T00:00:00Z"
    return {
        name: airflow.trigger(f"example_s3_destination{name}", conf, logical_date=date) for name, conf in confs.items()
    }


def lineage_of(run: Run, task_id: str) -> dict[str, Any]:
    """Return the event that OpenLineage gets at the end of a task, which is after Airflow has called it a success."""

    def look() -> dict[str, Any] | None:
        for file in run.server.home.parent.glob("lineage-*.json"):
            with suppress(ValueError):  # it is being written
                event: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                if event["job"]["name"] == f"{run.dag_id}.{task_id}" and event["eventType"] == "COMPLETE":
                    return event
        return None

    return wait_for(look, f"OpenLineage to be told of the end of {task_id} in {run}")


def outputs_of(run: Run, task_id: str) -> dict[str, tuple[int, int, list[str]]]:
    """Return the datasets that OpenLineage was told of, by URI: records, objects, and columns."""
    return {
        f"{output['namespace']}/{output['name']}": (
            output["outputFacets"]["outputStatistics"]["rowCount"],
            output["outputFacets"]["outputStatistics"]["fileCount"],
            [field["name"] for field in output["facets"]["schema"]["fields"]],
        )
        for output in lineage_of(run, task_id)["outputs"]
    }


def test_every_example_is_parsed_and_tried_here(airflow: AirflowServer, runs: Mapping[str, Run]) -> None:
    known = {dag["dag_id"] for dag in airflow.call("GET", "/dags?limit=100")["dags"]}

    assert airflow.call("GET", "/importErrors")["import_errors"] == []
    assert known == {run.dag_id for run in runs.values()} | {"example_s3_destination_assets_consumer"}


def test_records_through_xcom(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs[""]

    assert run.wait() == "success"
    report = run.xcom("load")
    stored = lake.objects(f"raw/{DATE}/orders/")
    assert report == {
        "records": 25_000,
        "objects": 3,
        "bytes": sum(map(len, stored.values())),
        "bucket": "my-bucket",
        "tables": {
            "orders": {
                "records": 25_000,
                "objects": 3,
                "bytes": report["bytes"],
                "columns": ["id", "name", "paid"],
                "prefix": f"raw/{DATE}/orders/",
                "bad_records": 0,
            }
        },
        "uris": report["uris"],
        "manifest": None,
        "bad_records": 0,
    }
    assert sorted(report["uris"]) == [f"s3://my-bucket/{key}" for key in stored]
    lines = [
        line
        for uri in report["uris"]
        for line in gzip.decompress(stored[uri.removeprefix("s3://my-bucket/")]).splitlines()
    ]
    assert [json.loads(line)["id"] for line in lines] == list(range(25_000))
    # The date stands before the table, so no more than this is the same in every run.
    assert outputs_of(run, "load") == {"s3://my-bucket/raw": (25_000, 3, ["id", "name", "paid"])}
    assert run.links("load") == {"Objects in S3": None, "Manifest in S3": None}  # nobody has said where its console is


def test_metrics_among_airflows_own(runs: Mapping[str, Run], metrics: StatsD) -> None:
    run = runs[""]
    assert run.wait() == "success"
    report = run.xcom("load")

    sent: dict[str, str] = {}
    for line in metrics.lines:
        series, _, value = line.partition(":")
        name, *tags = series.split(",")
        if name.startswith("airflow.s3_destination.") and {f"dag_id={run.dag_id}", "task_id=load"} <= {*tags}:
            sent[name.removeprefix("airflow.s3_destination.")] = value
    duration, kind = sent.pop("duration").split("|")

    assert sent == {
        "records": "25000|c",
        "objects": "3|c",
        "bytes": f"{report['bytes']}|c",
        "retries": "0|c",
        "bad_records": "0|c",
    }
    assert float(duration) > 0
    assert kind == "ms"


def test_records_through_a_staging_path(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_staging"]

    assert run.wait() == "success"
    (content,) = lake.objects(f"raw/{DATE}/events/").values()
    assert content.splitlines()[:3] == [b"id,kind", b"0,view", b"1,click"]
    assert content.count(b"\n") == run.xcom("load")["records"] + 1 == 250_001
    (staged,) = lineage_of(run, "load")["inputs"]
    assert (staged["namespace"], staged["name"]) == ("file", run.xcom("export"))
    assert outputs_of(run, "load") == {"s3://my-bucket/raw": (250_000, 1, ["id", "kind"])}


def test_a_decorated_function_of_which_each_instance_writes_its_own_objects(
    runs: Mapping[str, Run], lake: Bucket
) -> None:
    run = runs["_decorator"]

    assert run.wait() == "success"
    assert [run.xcom("readings", map_index=index)["records"] for index in range(2)] == [1440, 1440]
    lines = b"".join(map(gzip.decompress, lake.objects(f"raw/readings/{DATE}/").values())).decode().splitlines()
    assert Counter(line.split(",")[0] for line in lines) == {"sensor": 2, "attic": 1440, "cellar": 1440}


def test_a_document_of_cloudquery(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_cloudquery"]

    assert run.wait() == "success"
    assert {key.rpartition("/")[0]: data for key, data in lake.objects("sync/").items()} == {
        f"sync/accounts/{DATE}": b"id|name\n1|main\n2|\n",
        f"sync/regions/{DATE}": b"name|enabled\neu-central-1|true\n",
    }
    assert outputs_of(run, "load") == {
        "s3://my-bucket/sync/accounts": (2, 1, ["id", "name"]),
        "s3://my-bucket/sync/regions": (1, 1, ["name", "enabled"]),
    }


def test_a_connection_with_defaults_whose_console_the_task_links_to(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_connection"]

    assert run.wait() == "success"
    for table in ("orders", "items"):
        (content,) = lake.objects(f"connection/{table}/").values()
        assert [json.loads(line) for line in content.splitlines()] == [{"table": table, "id": n} for n in range(3)]
        console = f"https://s3.example.com/my-bucket/connection/{table}/"
        assert run.wait_for_link(f"load_{table}", "Objects in S3") == console
        assert run.links(f"load_{table}") == {"Objects in S3": console, "Manifest in S3": None}


def test_the_button_that_tests_the_connection_of_the_examples(airflow: AirflowServer, lake: Bucket) -> None:
    destination = _destination()
    body = {**destination, "connection_id": "tried", "extra": json.dumps(destination["extra"])}
    good = airflow.call("POST", "/connections/test", body)
    body["extra"] = json.dumps({**destination["extra"], "bucket": "nobodys-bucket"})
    bad = airflow.call("POST", "/connections/test", body)

    assert good["status"], good["message"]
    assert not bad["status"]
    assert "nobodys-bucket" in bad["message"]


def test_an_asset_event_that_starts_its_consumer_and_tells_it_what_to_read(
    airflow: AirflowServer, runs: Mapping[str, Run], lake: Bucket
) -> None:
    run = runs["_assets"]

    assert run.wait() == "success"
    report = run.xcom("load")
    assert {uri: extra["uris"] for uri, extra in run.asset_events().items()} == {
        "s3://my-bucket/raw/orders": report["uris"]
    }
    assert sorted(report["uris"]) == [f"s3://my-bucket/{key}" for key in lake.keys("raw/orders/")]
    (count,) = wait_for(lambda: airflow.runs("example_s3_destination_assets_consumer"), "the consumer to start")
    assert count.wait() == "success"
    assert count.xcom("count_orders") == report["records"] == 25


def test_shards_that_make_one_report(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_shards"]

    assert run.wait() == "success"
    report = run.xcom("report")
    assert {table: tally["records"] for table, tally in report["tables"].items()} == {"clicks": 3200, "views": 3200}
    assert len(run.xcom("list_shards")) == 4
    for table in ("clicks", "views"):
        lines = [line for content in lake.objects(f"raw/{table}/").values() for line in content.splitlines()]
        assert sorted(int(json.loads(line)["id"]) for line in lines) == list(range(3200))


def test_queries(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_sql"]

    assert run.wait() == "success"
    assert run.xcom("orders")["records"] == 2
    records = {table: report["records"] for table, report in run.xcom("both")["tables"].items()}
    assert records == {"example_orders": 3, "example_items": 3}
    (content,) = lake.objects(f"sql/{DATE}/orders/").values()
    assert content.splitlines()[0] == b"id,day,price"


def test_a_copy_of_what_the_manifest_lists(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_copy"]

    assert run.wait() == "success"
    report = run.xcom("load")
    assert run.xcom("copy") == report["records"] == 25
    manifest = json.loads(lake.read(report["manifest"].removeprefix("s3://my-bucket/")))
    assert [entry["url"] for entry in manifest["entries"]] == report["uris"]


def test_the_flights_of_new_york(runs: Mapping[str, Run], lake: Bucket) -> None:
    run = runs["_nycflights"]

    assert run.wait() == "success"
    counts = {"airlines": 16, "airports": 1458, "planes": 3322, "weather": 26_115}
    for task in ("small_tables_to_csv", "small_tables_to_json"):
        assert {table: tally["records"] for table, tally in run.xcom(task)["tables"].items()} == counts
    for task in ("flights_to_csv", "flights_to_json"):
        assert run.xcom(task)["records"] == 336_776
    for form in ("csv", "json"):
        assert {key.split("/")[2] for key in lake.keys(f"nycflights/{form}/")} == {*counts, "flights"}
