"""What the instances of mapped upstream tasks return arrives, and what they do not return is an error, in DAG runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task, task_group

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DEFAULTS: dict[str, Any] = {"format": "json", "path": "{{TABLE}}/{{UUID}}"}


@task
def extract(number: int) -> Any:
    """Return a record; return nothing for 2, skip 3 and fail for 4."""
    if number == 3:
        raise AirflowSkipException
    if number == 4:
        raise ConnectionError
    return None if number == 2 else {"id": number}


@task
def numbers() -> list[int]:
    """Return numbers."""
    return [1, 5]


@task(multiple_outputs=True)
def several(number: int) -> dict[str, Any]:
    """Return two outputs; one for 2."""
    return {"a": [{"id": number}], **({} if number == 2 else {"b": [{"id": number}]})}


def mapped(*given: int) -> Any:
    """Return the output of a task that is mapped over numbers."""
    return extract.expand(number=list(given))


def of_group(*given: int) -> Any:
    """Return the output of a task group that is mapped over numbers."""

    @task_group
    def group(number: int) -> Any:
        return extract(number)

    return group.expand(number=list(given))


def output_b() -> Any:
    """Return one of two outputs of a mapped task."""
    several_mapped: Any = several.expand(number=[1, 2])
    return several_mapped["b"]


SILENT: dict[str, Callable[[], Any]] = {
    "mapped": lambda: mapped(1, 2, 5),
    "all": lambda: mapped(2, 2),
    "beside skipped and failed": lambda: mapped(1, 2, 3, 4),
    "group": lambda: of_group(1, 2, 5),
    "map": lambda: mapped(1, 2, 5).map(lambda record: record),
    "zip": lambda: mapped(1, 2, 5).zip(numbers()),
    "concat": lambda: numbers().map(lambda number: {"id": number}).concat(mapped(1, 2)),
    "a list of outputs": lambda: [mapped(1, 2), {"id": 5}],
    "one of its keys": lambda: output_b(),
}


@pytest.mark.parametrize("how", SILENT)
def test_an_instance_that_returned_none_is_told_and_nothing_is_written(run_dag: RunDag, lake: Bucket, how: str) -> None:
    with DAG(f"up_silent_{how.replace(' ', '_')}", schedule=None, start_date=START) as dag:
        S3DestinationOperator(
            task_id="load", records=SILENT[how](), table="t", bucket=lake.name, trigger_rule="all_done", **DEFAULTS
        )
    run = run_dag(dag)

    assert run.task_states["load", -1] == "failed"
    counted = (
        "2 of the 2" if how == "all" else "1 of the 3" if how in ("mapped", "group", "map", "zip") else "1 of the 2"
    )
    task_id = {"group": "group.extract", "one of its keys": "several"}.get(how, "extract")
    if how == "all" and "is None for table 't'" in run.log:
        assert "'extract' returned nothing" in run.log
    else:
        assert f"{counted} instances of the mapped task {task_id!r} that succeeded returned nothing (None)" in run.log
    assert ("under the key 'b'" in run.log) == (how == "one of its keys")
    assert lake.objects() == {}


@pytest.mark.parametrize("make", [mapped, of_group])
def test_skipped_and_failed_instances_are_passed_over(run_dag: RunDag, lake: Bucket, make: Callable[..., Any]) -> None:
    with DAG(f"up_skipped_{make.__name__}", schedule=None, start_date=START) as dag:
        S3DestinationOperator(
            task_id="load", records=make(1, 3, 4, 5), table="t", bucket=lake.name, trigger_rule="all_done", **DEFAULTS
        )
    run = run_dag(dag)

    assert run.task_states["load", -1] == "success", run.log
    assert [json.loads(line)["id"] for data in lake.objects().values() for line in data.splitlines()] == [1, 5]


def test_none_takes_an_element_out_of_what_is_mapped_over_as_in_airflow(run_dag: RunDag, lake: Bucket) -> None:
    """See "Filtering items from a mapped task" in Airflow's documentation."""
    common: dict[str, Any] = {"table": "t", "bucket": lake.name, **DEFAULTS}
    with DAG("up_filter", schedule=None, start_date=START) as dag:

        @task
        def tables(number: int) -> Any:
            return None if number == 2 else [{"id": number}]

        @task_group
        def group(records: Any) -> None:
            S3DestinationOperator(task_id="load", records=records, **common)

        records = tables.expand(number=[1, 2, 5])
        S3DestinationOperator.partial(task_id="load", **common).expand(records=records)
        group.expand(records=records)
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert sorted(name for name in run.task_states if "load" in name[0]) == [
        ("group.load", 0),
        ("group.load", 1),
        ("load", 0),
        ("load", 1),
    ]


def test_a_load_beside_its_upstream_in_a_mapped_group_is_told_of_its_own_instance(
    run_dag: RunDag, lake: Bucket
) -> None:
    with DAG("up_inside", schedule=None, start_date=START) as dag:

        @task_group
        def group(number: int) -> None:
            S3DestinationOperator(task_id="load", records=[extract(number)], table="t", bucket=lake.name, **DEFAULTS)

        group.expand(number=[1, 2])
    run = run_dag(dag)

    assert (run.task_states["group.load", 0], run.task_states["group.load", 1]) == ("success", "failed"), run.log
    assert "is None for table 't': 'group.extract' returned nothing" in run.log


def test_the_paths_that_a_mapped_task_staged_arrive(run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    def stage(folder: str, number: int) -> Any:
        path = Path(folder, f"{number}.ndjson")
        path.write_text(json.dumps({"id": number}))
        return None if number == 2 else str(path)

    with DAG("up_staged", schedule=None, start_date=START) as dag:
        for task_id, given in (("good", [1, 5]), ("silent", [1, 2])):
            paths = task(task_id=task_id)(stage).partial(folder=str(tmp_path)).expand(number=given)
            S3DestinationOperator(
                task_id=f"load_{task_id}", staging_path=paths, table=task_id, bucket=lake.name, **DEFAULTS
            )
    run = run_dag(dag)

    assert run.task_states["load_good", -1] == "success", run.log
    assert run.xcom("load_good")["records"] == 2
    assert run.task_states["load_silent", -1] == "failed"
    assert "`staging_path`: 1 of the 2 instances of the mapped task 'silent'" in run.log
    assert lake.objects("silent/") == {}
