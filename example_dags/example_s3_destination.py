"""Records of an upstream task in S3, handed over through XCom and through a staging path.

Both DAGs write to the bucket of their ``bucket`` parameter with the AWS connection ``aws_default``. Start them with a
logical date (the button in the UI sends one): ``{{ ds }}`` has no value without.
"""

from __future__ import annotations

import csv
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG(
    dag_id="example_s3_destination",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket"},
    tags=["example", "s3"],
    doc_md="A few thousand records through XCom to gzipped JSON, in batches of the default size.",
):
    # [START howto_operator_s3_destination_records]
    @task
    def extract() -> list[dict[str, Any]]:
        """Return the records: one mapping of column name to value each."""
        return [{"id": number, "name": f"order {number}", "paid": number % 2 == 0} for number in range(25_000)]

    S3DestinationOperator(
        task_id="load",
        records=extract(),
        table="orders",
        bucket="{{ params.bucket }}",
        path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        format="json",
        compression="gzip",
        aws_conn_id="aws_default",
    )
    # [END howto_operator_s3_destination_records]


with DAG(
    dag_id="example_s3_destination_staging",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket", "staging": str(Path(tempfile.gettempdir(), "s3_destination_staging"))},
    tags=["example", "s3"],
    doc_md="More records than XCom should carry: files in a staging path, and objects of a size that suits a lake.",
):
    # [START howto_operator_s3_destination_staging]
    @task
    def export(staging: str) -> str:
        """Leave files where the next task can read them, and return the place.

        With workers on several machines that place is shared storage, or S3: ``s3://staging/...``.
        """
        directory = Path(staging)
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "events.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["id", "kind"])
            rows.writerows([number, "click" if number % 3 else "view"] for number in range(250_000))
        return staging

    S3DestinationOperator(
        task_id="load",
        staging_path=export("{{ params.staging }}/{{ run_id }}"),
        table="events",
        bucket="{{ params.bucket }}",
        path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        format="csv",
        batch_size=1_000_000,
        batch_size_bytes=128 * 1024 * 1024,
        aws_conn_id="aws_default",
    )
    # [END howto_operator_s3_destination_staging]
