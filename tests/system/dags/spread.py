"""Many loads at once: one of each table. A run's conf names the bucket."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG(
    "spread",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 2, "retry_delay": timedelta(0)},
):

    @task
    def tables() -> list[str]:
        return [f"t{number}" for number in range(8)]

    S3DestinationOperator.partial(
        task_id="load",
        records=[{"id": number} for number in range(20)],
        bucket="{{ dag_run.conf['bucket'] }}",
        path="out/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
        format="json",
        batch_size=2,
    ).expand(table=tables())
