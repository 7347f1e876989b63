"""Staged files split into shards of about the same size, each loaded by a mapped task, and one report of all.

The DAG writes to the bucket of its ``bucket`` parameter with the AWS connection ``aws_default``.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

TABLES = ("clicks", "views")
FILES = 32
"""Files of each table."""

with DAG(
    dag_id="example_s3_destination_shards",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={
        "bucket": "my-bucket",
        "staging": str(Path(tempfile.gettempdir(), "s3_destination_shards")),
        "records": 1000,  # of each file
        "shards": 4,
    },
    tags=["example", "s3"],
    doc_md="Scales a load out: as many tasks as there are shards, under any executor.",
):

    @task
    def export(staging: str, records: str) -> None:
        """Leave 64 files where the next tasks can read them."""
        for table in TABLES:
            folder = Path(staging, table)
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(FILES):
                with (folder / f"{number:02}.csv").open("w", encoding="utf-8", newline="") as file:
                    rows = csv.writer(file, lineterminator="\n")
                    rows.writerow(["id", "page"])
                    first = number * int(records)
                    rows.writerows([record, f"/{table}/{record % 97}"] for record in range(first, first + int(records)))

    # [START howto_operator_s3_destination_shards]
    @task
    def list_shards(staging: str, shards: str) -> list[dict[str, Any]]:
        """Give the arguments of each load: its files, their table, and the columns of all files of that table."""
        from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

        return S3DestinationHook().list_shards(staging + "/{{TABLE}}/*.csv", int(shards))

    staging = "{{ params.staging }}/{{ run_id }}"
    shards = list_shards(staging, "{{ params.shards }}")
    load = S3DestinationOperator.partial(
        task_id="load",
        bucket="{{ params.bucket }}",
        path="raw/{{TABLE}}/{{SYNC_ID}}/{{UUID}}.{{FORMAT}}",
        format="json",
        batch_size=1_000_000,
        batch_size_bytes=128 * 1024 * 1024,
        aws_conn_id="aws_default",
    ).expand_kwargs(shards)

    @task
    def report(loads: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Make one report of those of all shards."""
        from airflow_provider_s3dest.report import LoadReport

        return LoadReport.merged(loads).as_dict()

    report(load.output)
    # [END howto_operator_s3_destination_shards]

    export(staging, "{{ params.records }}") >> shards
