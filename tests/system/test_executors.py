"""Other executors and another metadata database than the rest of these tests have."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # comes with Airflow
import pytest

from tests.integration.loading import records_in
from tests.servers import Bucket
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.system.airflow_server import PARALLELISM, AirflowServer, wait_for
from tests.system.conftest import DAGS, EXAMPLES, SETTINGS
from tests.system.gate import Gate

pytestmark = pytest.mark.slow

WORKERS = ("first", "second")
DESTINATION = {"bucket": "my-bucket", "path": "connection/{{TABLE}}/{{UUID}}.{{FORMAT}}", "format": "json"}


@pytest.fixture(scope="module", params=["LocalExecutor", "CeleryExecutor"])
def executor(request: pytest.FixtureRequest) -> str:
    """The executor of the test's Airflow."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def on_postgresql(executor: str, way: FaultProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """An Airflow whose metadata database is PostgreSQL; with Celery, of two workers."""
    with PostgreSQL.running() as database, Redis.running() as broker:
        settings = {
            **SETTINGS,
            "AIRFLOW_CONN_AWS_DEFAULT": way.connection(),
            "AIRFLOW_CONN_S3_DESTINATION_DEFAULT": json.dumps({"conn_type": "s3_destination", "extra": DESTINATION}),
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database.address}",
            "AIRFLOW__CELERY__BROKER_URL": broker.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database.address}",
        }
        workers = WORKERS if executor == "CeleryExecutor" else ()
        home = tmp_path_factory.mktemp("airflow")
        with AirflowServer.running(home, _dags(home), settings, workers) as server:
            yield server


def _dags(home: Path) -> Path:
    """Make a folder of the DAGs of these tests and the examples."""
    dags = home / "dags"
    dags.mkdir()
    for folder in (DAGS, EXAMPLES):
        (dags / folder.name).symlink_to(folder)
    return dags


def assert_all_tables_are_whole(lake: Bucket) -> None:
    """Check that each table of the DAG ``spread`` holds its records once."""
    for number in range(8):
        records = sorted(record["id"] for record in records_in(lake, f"out/t{number}/"))
        assert records == list(range(20))


EXPECTED = {
    "raw/2026-02-03/orders/": 25_000,
    "raw/2026-02-03/events/": 250_000 + 1,
    "raw/readings/2026-02-03/": 2 * (1440 + 1),
    "sync/accounts/2026-02-03/": 2 + 1,
    "sync/regions/2026-02-03/": 1 + 1,
    "connection/orders/": 3,
    "connection/items/": 3,
    "raw/clicks/": 3200,
    "raw/views/": 3200,
}
"""What the main examples write: the lines below each prefix, of which no two are the same but headers of CSV."""


def lines_in(lake: Bucket, prefix: str) -> list[bytes]:
    """Read the lines of all objects below a prefix, of which none may be there twice but a header."""
    contents = lake.objects(prefix).items()
    bodies = [gzip.decompress(body) if key.endswith(".gz") else body for key, body in contents]
    lines = [line for body in bodies for line in body.splitlines()]
    headers = {body.partition(b"\n")[0] for body in bodies}
    assert len({*lines} - headers) == len([line for line in lines if line not in headers])
    return lines


def test_mapped_loads_run_wherever_the_executor_puts_them(
    on_postgresql: AirflowServer, executor: str, lake: Bucket, proxy: FaultProxy
) -> None:
    run = on_postgresql.trigger("spread", {"bucket": lake.name})

    assert run.wait() == "success"
    assert_all_tables_are_whole(lake)
    assert len(lake.keys()) == 8 * 10
    if executor == "CeleryExecutor":
        assert all("spread" in on_postgresql.worker_log(name) for name in WORKERS)


@pytest.mark.parametrize("executor", ["CeleryExecutor"], indirect=True)
def test_the_main_examples_run_on_two_workers(
    on_postgresql: AirflowServer, my_bucket: Bucket, tmp_path: Path, proxy: FaultProxy
) -> None:
    confs: dict[str, dict[str, Any]] = {
        "": {},
        "_staging": {"staging": str(tmp_path / "staged")},
        "_decorator": {},
        "_cloudquery": {},
        "_connection": {},
        "_shards": {"staging": str(tmp_path / "sharded"), "records": 100},
    }
    names = {name: f"example_s3_destination{name}" for name in confs}
    runs = {
        name: on_postgresql.trigger(names[name], conf, logical_date="2026-02-03T00:00:00Z")
        for name, conf in confs.items()
    }

    assert {name: run.wait() for name, run in runs.items()} == dict.fromkeys(confs, "success")
    assert {prefix: len(lines_in(my_bucket, prefix)) for prefix in EXPECTED} == EXPECTED
    for worker in WORKERS:
        assert any(name in on_postgresql.worker_log(worker) for name in names.values())


def test_what_a_worker_had_in_hand_when_it_died_is_loaded_by_another(
    on_postgresql: AirflowServer, executor: str, lake: Bucket, proxy: FaultProxy
) -> None:
    gate = Gate(proxy, "PutObject", after=5)  # too few for a load of ten objects to come to its end
    run = on_postgresql.trigger("spread", {"bucket": lake.name})
    wait_for(lambda: len(run.running("load")) == PARALLELISM, "every slot to be taken by a load")
    gate.wait_for(8)
    if executor == "CeleryExecutor":
        on_postgresql.kill_worker(WORKERS[1])
    else:
        psutil.Process(run.running("load")[0]["pid"]).kill()
    gate.open()

    assert run.wait() == "success"
    assert_all_tables_are_whole(lake)
    assert len(lake.keys()) == 8 * 10
