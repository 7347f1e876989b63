"""A DAG of Airflow that loads 25 records to wherever the connection says that the run's conf names."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG("connected", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    S3DestinationOperator(
        task_id="load",
        records=[{"id": number, "name": f"name {number}"} for number in range(25)],
        table="orders",
        s3_destination_conn_id="{{ dag_run.conf['connection'] }}",
    )
