"""Fixtures for tests in a real Airflow: its database, DAG runs, connections to the S3 servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.airflow import dag_runs
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket, S3Endpoint


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Make the metadata database, in the temporary home that `tests/isolation.py` has set."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(airflow_database: None) -> RunDag:
    """Run an in-memory DAG: `run_dag(dag, logical_date=..., conf=...)`."""
    return dag_runs.run_dag


@pytest.fixture
def connect_aws(monkeypatch: pytest.MonkeyPatch) -> ConnectAws:
    """Let an AWS connection lead to a server: `connect_aws(bucket.server)`."""

    def connect(server: S3Endpoint, conn_id: str = "aws_default", **extra: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", server.connection(**extra))

    return connect


@pytest.fixture
def lake(moto_bucket: Bucket, connect_aws: ConnectAws) -> Bucket:
    """An empty bucket that the AWS connection of the tests leads to."""
    connect_aws(moto_bucket.server)
    return moto_bucket
