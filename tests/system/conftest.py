"""Fixtures of the system tests: one real Airflow, whose AWS connection leads through a proxy to SeaweedFS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Bucket, SeaweedFS
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgresql import PostgreSQL
from tests.system.airflow_server import AirflowServer

DAGS = Path(__file__).parent / "dags"
EXAMPLES = Path(__file__).parents[2] / "example_dags"

SETTINGS = {
    # A task whose supervisor is stopped is soon found dead, yet not one on a machine that is merely slow.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


@pytest.fixture(scope="session")
def way(seaweedfs: SeaweedFS) -> Iterator[FaultProxy]:
    """The way of all tasks to SeaweedFS."""
    with FaultProxy.before(seaweedfs) as between:
        yield between


@pytest.fixture
def proxy(way: FaultProxy) -> FaultProxy:
    """The way of all tasks to SeaweedFS, with no requests seen yet and no faults."""
    way.mend()
    return way


@pytest.fixture(scope="session")
def database() -> Iterator[PostgreSQL]:
    """Airflow's metadata database: with SQLite its API server may wait for itself for a minute while tasks run."""
    with PostgreSQL.running() as server:
        yield server


@pytest.fixture(scope="session")
def airflow(way: FaultProxy, database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """A real Airflow for the whole session."""
    ways = {
        "AIRFLOW_CONN_AWS_DEFAULT": way.connection(),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database.address}",
    }
    with AirflowServer.running(tmp_path_factory.mktemp("airflow"), DAGS, {**SETTINGS, **ways}) as server:
        yield server


@pytest.fixture(scope="module")
def my_bucket(seaweedfs: SeaweedFS) -> Iterator[Bucket]:
    """The bucket that the examples write to unless told otherwise."""
    bucket = Bucket("my-bucket", seaweedfs)
    seaweedfs.client().create_bucket(Bucket=bucket.name)
    yield bucket
    bucket.remove()


@pytest.fixture
def lake(seaweedfs_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket, looked at past the proxy."""
    yield seaweedfs_bucket
    seaweedfs_bucket.remove()
