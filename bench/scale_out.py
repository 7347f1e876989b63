"""Scaling out: the example DAG of shards under a real Airflow with its LocalExecutor, one and two tasks at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.document import number, table
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3
from tests.system.airflow_server import AirflowServer

_DAG = "example_s3_destination_shards"
_DAGS = Path(__file__).parents[1] / "example_dags"
_FILES = 64
_RECORDS = 50_000
"""Of each file."""
_SHARDS = 4
_AT_A_TIME = (1, 2)

_HEAD = f"""\
[The example DAG](../example_dags/{_DAG}.py) loads {_FILES} CSV files with {_FILES * _RECORDS:,} records in
{_SHARDS} shards to JSON, under Airflow with its LocalExecutor. Wall time from the start of the first mapped task to
the end of the last, their start-up included:"""


def scale_out_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Run the DAG in turns with one and with two slots of the pool, and write a table of the wall times."""
    walls: dict[int, list[float]] = {slots: [] for slots in _AT_A_TIME}
    with tempfile.TemporaryDirectory(prefix="shards-") as folder:
        settings = {"AIRFLOW_CONN_AWS_DEFAULT": os.environ["AIRFLOW_CONN_AWS_DEFAULT"]}
        say("starting Airflow")
        with AirflowServer.running(Path(folder, "airflow"), _DAGS, settings) as airflow:
            for _ in range(1 if short else 3):
                for slots in _AT_A_TIME:
                    say(f"{_FILES} files in {_SHARDS} shards, {slots} at a time")
                    walls[slots].append(_wall(airflow, Path(folder, "staged"), slots))
    lines = [[str(slots), number(median(walls[slots]))] for slots in _AT_A_TIME]
    return f"{_HEAD}\n\n{table(['tasks at a time', 'seconds'], lines)}"


def _wall(airflow: AirflowServer, staged: Path, slots: int) -> float:
    airflow.wait_for_dag(_DAG)
    airflow.call("PATCH", "/pools/default_pool?update_mask=slots", {"slots": slots})
    conf = {"bucket": FORGOTTEN, "staging": str(staged), "records": _RECORDS, "shards": _SHARDS}
    run = airflow.trigger(_DAG, conf)
    if run.wait() != "success":
        raise RuntimeError(f"{run} failed: {run.log('load')[-2000:]}")
    if run.xcom("report")["records"] != _FILES * _RECORDS:
        raise RuntimeError(f"{run} lost records: {run.xcom('report')}")
    return _spread(airflow.call("GET", f"{run.path}/taskInstances?limit=1000")["task_instances"])


def _spread(instances: list[dict[str, Any]]) -> float:
    own = [instance for instance in instances if instance["task_id"] == "load"]
    begins = [datetime.fromisoformat(instance["start_date"].replace("Z", "+00:00")) for instance in own]
    ends = [datetime.fromisoformat(instance["end_date"].replace("Z", "+00:00")) for instance in own]
    return (max(ends) - min(begins)).total_seconds()
