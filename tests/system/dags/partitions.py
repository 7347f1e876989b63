"""Loads of partitions: of a cron timetable, and of the asset that those update. A variable names the bucket."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, Asset, CronPartitionTimetable, PartitionedAssetTimetable

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

YEARS = Asset("s3://years/of/partitions")


def load(**arguments: Any) -> None:
    """Load one record to a key with the dates of the run."""
    S3DestinationOperator(
        task_id="load",
        records=[{"id": 1}],
        table="t",
        bucket="{{ var.value.partitions_bucket }}",
        path="{{ dag.dag_id }}/{{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}{{MINUTE}}/{{UUID}}.{{FORMAT}}",
        format="json",
        **arguments,
    )


def dag_of(name: str, schedule: Any) -> DAG:
    """Make a DAG that waits until the test names the bucket."""
    start = datetime(2020, 1, 1, tzinfo=timezone.utc)
    return DAG(name, schedule=schedule, start_date=start, catchup=False, is_paused_upon_creation=True)


# The last partition of a year, when its run is due long after: the latest year begun, for the year before.
with dag_of("cron_partition", CronPartitionTimetable("0 0 1 1 *", timezone="UTC", run_offset=-1, run_immediately=True)):
    load(outlets=[YEARS])

with dag_of("asset_partition", PartitionedAssetTimetable(assets=YEARS)):
    load()
