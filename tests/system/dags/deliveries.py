"""Loads that the tests interrupt: with records from an upstream task, and with records that come as they are read.

A run's conf names the bucket and a file of JSON, the input, which a test may change between two attempts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

CHUNK = 1 + 10 + 100 + 1000
"""Records of a stream that fill the first chunks, each of which is larger than the one before."""


def source() -> Path:
    return Path((get_current_context()["dag_run"].conf or {})["input"])


def stream() -> Iterator[dict[str, Any]]:
    """Yield the records; in the first attempt, wait after the first chunk until the test lets go on."""
    for number, record in enumerate(json.loads(source().read_text())):
        if number == CHUNK and get_current_context()["ti"].try_number == 1:
            while not source().with_suffix(".go").exists():
                time.sleep(0.05)
        yield record


def load(**how: Any) -> S3DestinationOperator:
    return S3DestinationOperator(
        task_id="load",
        table="t",
        columns=["id", "input"],
        bucket="{{ dag_run.conf['bucket'] }}",
        path="out/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
        format="json",
        **how,
    )


for mode in ("plain", "atomic"):
    atomic = mode == "atomic"
    arguments: dict[str, Any] = {
        "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "default_args": {"retries": 2, "retry_delay": timedelta(0)},
    }

    @task
    def extract() -> Any:
        return json.loads(source().read_text())

    with DAG(f"handed_over_{mode}", schedule=None, **arguments):
        load(records=extract(), batch_size=2, atomic=atomic)

    with DAG(f"timed_{mode}", schedule=None, **arguments):
        load(records=extract(), batch_size=2, atomic=atomic, execution_timeout=timedelta(seconds=30))

    with DAG(f"streamed_{mode}", schedule=None, **arguments):
        load(records=stream(), batch_size=100, atomic=atomic)
