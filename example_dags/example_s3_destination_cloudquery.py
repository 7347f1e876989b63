"""A destination as it stands in a CloudQuery document, used by a task.

The DAG writes to the bucket of its ``bucket`` parameter, which wins over the document's, with the AWS connection
``aws_default``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

# [START howto_operator_s3_destination_document]
DESTINATION = """
kind: destination
spec:
  name: s3
  path: cloudquery/s3
  registry: cloudquery
  version: v7.10.2
  write_mode: append
  spec:
    bucket: my-bucket
    path: "sync/{{TABLE}}/{{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}"
    format: csv
    format_spec:
      delimiter: "|"
"""

with DAG(
    dag_id="example_s3_destination_cloudquery",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket"},
    tags=["example", "s3"],
    doc_md=__doc__,
):

    @task(multiple_outputs=False)
    def extract() -> dict[str, list[dict[str, Any]]]:
        """Return two tables: a mapping of table name to records."""
        return {
            "accounts": [{"id": 1, "name": "main"}, {"id": 2, "name": None}],
            "regions": [{"name": "eu-central-1", "enabled": True}],
        }

    S3DestinationOperator(task_id="load", records=extract(), spec=DESTINATION, bucket="{{ params.bucket }}")
# [END howto_operator_s3_destination_document]
