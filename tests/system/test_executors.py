"""Other executors and another metadata database than the rest of these tests have."""

from __future__ import annotations

from collections.abc import Iterator

import psutil  # type: ignore[import-untyped,unused-ignore]  # comes with Airflow
import pytest

from tests.integration.loading import records_in
from tests.servers import Bucket
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.system.airflow_server import AirflowServer
from tests.system.conftest import DAGS, SETTINGS
from tests.system.gate import Gate

pytestmark = pytest.mark.slow

WORKERS = ("first", "second")


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
            "AIRFLOW__CORE__EXECUTOR": executor,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database.address}",
            "AIRFLOW__CELERY__BROKER_URL": broker.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database.address}",
        }
        workers = WORKERS if executor == "CeleryExecutor" else ()
        with AirflowServer.running(tmp_path_factory.mktemp("airflow"), DAGS, settings, workers) as server:
            yield server


def assert_all_tables_are_whole(lake: Bucket) -> None:
    """See that each table of the DAG ``spread`` holds its records once."""
    for number in range(8):
        records = sorted(record["id"] for record in records_in(lake, f"out/t{number}/"))
        assert records == list(range(20))


def test_mapped_loads_run_wherever_the_executor_puts_them(
    on_postgresql: AirflowServer, executor: str, lake: Bucket, proxy: FaultProxy
) -> None:
    run = on_postgresql.trigger("spread", {"bucket": lake.name})

    assert run.wait() == "success"
    assert_all_tables_are_whole(lake)
    assert len(lake.keys()) == 8 * 10
    if executor == "CeleryExecutor":
        assert all("spread" in on_postgresql.worker_log(name) for name in WORKERS)


def test_what_a_worker_had_in_hand_when_it_died_is_loaded_by_another(
    on_postgresql: AirflowServer, executor: str, lake: Bucket, proxy: FaultProxy
) -> None:
    gate = Gate(proxy, "PutObject", after=20)
    run = on_postgresql.trigger("spread", {"bucket": lake.name})
    gate.wait_for(8)
    if executor == "CeleryExecutor":
        on_postgresql.kill_worker(WORKERS[1])
    else:
        psutil.Process(run.wait_for_task("load/0", "running")["pid"]).kill()
    gate.open()

    assert run.wait() == "success"
    assert_all_tables_are_whole(lake)
    assert len(lake.keys()) == 8 * 10
