"""Runs of partitions, started by a real scheduler: the dates of keys are those of the partition."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from tests.servers import Bucket
from tests.system.airflow_server import AirflowServer, wait_for

pytestmark = pytest.mark.slow


def test_the_dates_of_a_cron_partition_and_of_its_asset_are_those_of_the_partition(
    airflow: AirflowServer, lake: Bucket
) -> None:
    airflow.call("POST", "/variables", {"key": "partitions_bucket", "value": lake.name})
    for dag_id in ("asset_partition", "cron_partition"):
        airflow.wait_for_dag(dag_id)
        airflow.call("PATCH", f"/dags/{dag_id}", {"is_paused": False})
    last_year = f"{datetime.now(timezone.utc).year - 1}-01-01T0000"

    for dag_id in ("cron_partition", "asset_partition"):
        wait_for(lambda dag_id=dag_id: airflow.runs(dag_id), f"a run of {dag_id}")  # type: ignore[misc]
        (run,) = airflow.runs(dag_id)
        row = airflow.call("GET", run.path)
        assert run.wait() == "success", run.log("load")
        assert row["logical_date"] is None
        assert not row["run_after"].startswith(last_year[:10])
        assert [key.split("/")[1] for key in lake.keys(f"{dag_id}/")] == [last_year]
