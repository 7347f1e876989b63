"""Tasks that say what they write, and leave where and how to a connection.

The DAG needs the connection ``s3_destination_default`` of the type S3 Destination, with bucket, path and format in its
form, or ``s3-destination://?bucket=my-bucket&path=raw/{{TABLE}}/{{UUID}}.{{FORMAT}}&format=json`` as its URI, and the
AWS connection that it names, else ``aws_default``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG(
    dag_id="example_s3_destination_connection",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["example", "s3"],
    doc_md=__doc__,
):
    # [START howto_operator_s3_destination_connection]
    @task
    def extract(table: str) -> list[dict[str, Any]]:
        """Return a few records."""
        return [{"table": table, "id": number} for number in range(3)]

    for name in ("orders", "items"):
        S3DestinationOperator(
            task_id=f"load_{name}",
            records=extract.override(task_id=f"extract_{name}")(name),
            table=name,
            s3_destination_conn_id="s3_destination_default",
        )
    # [END howto_operator_s3_destination_connection]
