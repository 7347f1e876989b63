"""Records of a function in S3, as it yields them, with no XCom in between.

The DAG writes to the bucket of its ``bucket`` parameter with the AWS connection ``aws_default``. Start it with a
logical date (the button in the UI sends one): ``{{ ds }}`` has no value without.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

with DAG(
    dag_id="example_s3_destination_decorator",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket"},
    tags=["example", "s3"],
    doc_md=__doc__,
):
    # [START howto_decorator_s3_destination]
    @task.s3_destination(
        table="readings",
        bucket="{{ params.bucket }}",
        path="raw/{{TABLE}}/{{ ds }}/{{ ti.map_index }}-{{UUID}}.{{FORMAT}}",
        format="csv",
        compression="gzip",
        batch_size=100_000,
    )
    def readings(sensor: str, day: str) -> Iterator[dict[str, Any]]:
        """Yield one record after the other; no more than a batch or two of them is ever held."""
        for minute in range(24 * 60):
            yield {"sensor": sensor, "at": f"{day}T{minute // 60:02}:{minute % 60:02}", "value": minute % 17}

    readings.partial(day="{{ ds }}").expand(sensor=["attic", "cellar"])
    # [END howto_decorator_s3_destination]
