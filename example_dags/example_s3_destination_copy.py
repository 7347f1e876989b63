"""A load that ends with a manifest, and a task that copies into a warehouse exactly what the manifest lists.

The warehouse is a DuckDB file, that of the ``warehouse`` parameter, so that the DAG runs anywhere with ``pip install
duckdb``; Redshift takes the same manifest. The load writes to the bucket of the ``bucket`` parameter, and both tasks
use the AWS connection ``aws_default``.
"""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG(
    dag_id="example_s3_destination_copy",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket", "warehouse": str(Path(tempfile.gettempdir(), "s3_destination.duckdb"))},
    tags=["example", "s3"],
    doc_md=__doc__,
):
    # [START howto_operator_s3_destination_copy]
    @task
    def extract() -> list[dict[str, Any]]:
        """Return payments: the note of some is empty, that of others is not known."""
        return [{"id": number, "note": ("", None, "in parts, late")[number % 3]} for number in range(25)]

    load = S3DestinationOperator(
        task_id="load",
        records=extract(),
        table="payments",
        bucket="{{ params.bucket }}",
        path="copied/{{TABLE}}/{{SYNC_ID}}/{{UUID}}.{{FORMAT}}",
        format="csv",
        compression="gzip",
        batch_size=10,
        manifest="redshift",
    )

    @task
    def copy(loaded: Any, warehouse: str) -> int:
        """Copy what the manifest lists, in place of what an earlier attempt copied, and return the number of records.

        What is done here with each object, Redshift does with all of them in one statement:
        ``COPY arrived FROM '<manifest>' IAM_ROLE '...' MANIFEST CSV GZIP IGNOREHEADER 1``.
        """
        import duckdb
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook

        hook = S3Hook()
        bucket, key = hook.parse_s3_url(loaded["manifest"])
        entries = json.loads(hook.read_key(key, bucket))["entries"]
        with tempfile.TemporaryDirectory() as folder, duckdb.connect(warehouse) as database:
            database.execute("CREATE TEMP TABLE arrived (id BIGINT, note VARCHAR)")
            file = Path(folder, "object.csv.gz")
            for entry in entries:
                bucket, key = hook.parse_s3_url(entry["url"])
                hook.get_conn().download_file(bucket, key, str(file))
                database.execute(f"COPY arrived FROM '{file}' (FORMAT csv, HEADER, ALLOW_QUOTED_NULLS false)")
            database.execute("BEGIN")
            database.execute("CREATE TABLE IF NOT EXISTS payments AS FROM arrived LIMIT 0")
            database.execute("DELETE FROM payments WHERE id IN (SELECT id FROM arrived)")
            database.execute("INSERT INTO payments FROM arrived")
            database.execute("COMMIT")
            return len(database.execute("FROM arrived").fetchall())

    copy(load.output, "{{ params.warehouse }}")
    # [END howto_operator_s3_destination_copy]
