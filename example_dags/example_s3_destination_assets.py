"""A load that announces what it wrote, and a DAG that runs whenever it did.

Both use the bucket ``my-bucket`` and the AWS connection ``aws_default``; before Airflow 3 an asset is called dataset.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

# [START howto_operator_s3_destination_assets]
BUCKET = "my-bucket"
ORDERS = Asset(f"s3://{BUCKET}/raw/orders")  # the part of the path that no run changes, without a slash at its end

with DAG(
    dag_id="example_s3_destination_assets",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["example", "s3"],
    doc_md=__doc__,
):
    S3DestinationOperator(
        task_id="load",
        records=[{"id": number} for number in range(25)],
        table="orders",
        bucket=BUCKET,
        path="raw/{{TABLE}}/{{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.json",
        format="json",
        batch_size=10,
        asset=True,
    )

with DAG(
    dag_id="example_s3_destination_assets_consumer",
    schedule=[ORDERS],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["example", "s3"],
    doc_md=__doc__,
):

    @task(inlets=[ORDERS])
    def count_orders(inlet_events: Any = None) -> int:
        """Read the objects that the last load announced, and count their lines."""
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook()
        lines = 0
        for uri in inlet_events[ORDERS][-1].extra["uris"]:
            bucket, key = hook.parse_s3_url(uri)
            lines += hook.read_key(key, bucket).count("\n")
        return lines

    count_orders()
# [END howto_operator_s3_destination_assets]
