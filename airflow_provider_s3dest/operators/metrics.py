"""Counts a load in Airflow's own metrics.

===============================  =======  ====================================================
``s3_destination.records``       counter  records of loads that succeeded
``s3_destination.objects``       counter  objects of loads that succeeded
``s3_destination.bytes``         counter  bytes as stored, of loads that succeeded
``s3_destination.bad_records``   counter  records that were quarantined, of loads that succeeded
``s3_destination.retries``       counter  requests to S3 that were sent again, of all loads
``s3_destination.duration``      timer    time that an attempt took, of all loads
===============================  =======  ====================================================

All have the tags ``dag_id`` and ``task_id``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

if TYPE_CHECKING:
    from airflow_provider_s3dest.report import LoadReport


def count_attempt(ti: Any, seconds: float, retries: int, report: LoadReport | None) -> None:
    """Count one attempt of a load.

    :param report: what the load wrote; None if it failed or wrote nothing.
    """
    tags = {"dag_id": ti.dag_id, "task_id": ti.task_id}
    if report is not None:
        for name in ("records", "objects", "bytes", "bad_records"):
            Stats.incr(f"s3_destination.{name}", getattr(report, name), tags=tags)
    Stats.incr("s3_destination.retries", retries, tags=tags)
    Stats.timing("s3_destination.duration", timedelta(seconds=seconds), tags=tags)
