"""Values that Airflow's XCom changes or can't read back: a load of them warns, or fails and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from airflow.providers.common.compat.sdk import task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow.dag_runs import dag_of
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

AT = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2)))


@task
def money(number: int = 0) -> list[dict[str, Any]]:
    """Return Decimals, the second nested."""
    return [{"id": Decimal(7), "more": None}, {"id": 8, "more": {"prices": [Decimal("1234567890123456.789")]}}]


@task
def pages() -> list[list[dict[str, Any]]]:
    """Return what a load can be mapped over."""
    return [[{"id": Decimal("1.10")}]]


@task
def fixed_offset(number: int = 0) -> list[dict[str, Any]]:
    """Return a datetime whose offset has no name."""
    return [{"at": AT}]


def test_decimals_that_came_through_xcom_are_warned_of_once_and_fixed_offsets_are_explained(
    run_dag: RunDag, lake: Bucket
) -> None:
    common: dict[str, Any] = {"bucket": lake.name, "path": "{{TABLE}}/{{UUID}}", "format": "csv"}

    with dag_of("xcom_values") as dag:
        S3DestinationOperator(task_id="load", records=money(), table="plain", **common)
        S3DestinationOperator(task_id="gathered", records=money.expand(number=[1, 2]), table="gathered", **common)
        S3DestinationOperator.partial(task_id="mapped", table="mapped", **common).expand(records=pages())
        S3DestinationOperator(task_id="literal", records=[{"id": Decimal("1.10")}], table="literal", **common)

        @task.s3_destination(table="function", **common)
        def in_process() -> Iterator[dict[str, Any]]:
            yield {"id": Decimal("1.10"), "at": AT}

        in_process()
        S3DestinationOperator(task_id="of_task", records=fixed_offset(), table="t", **common)
        S3DestinationOperator(task_id="of_many", records=fixed_offset.expand(number=[1]), table="t", **common)
    run = run_dag(dag)

    for table, column in {"plain": "more", "gathered": "more", "mapped": "id"}.items():
        assert run.log.count(f"Table {table}, column '{column}': its Decimals came through XCom") == 1, run.log
    assert run.log.count("its Decimals came through XCom") == 3
    assert b'1234567890123456.8""]' in lake.objects("plain/").popitem()[1]  # as the warning says
    assert lake.objects("function/").popitem()[1] == b"id,at\n1.10,2026-01-01T00:00:00+02:00\n"
    assert run.task_states["of_task", -1] == run.task_states["of_many", -1] == "failed"
    assert "holds the output of 'fixed_offset' with a datetime at a fixed offset, such as +02:00" in run.log
    assert "holds the output of a task with a datetime at a fixed offset" in run.log
