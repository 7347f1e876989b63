"""Shards of a staging path, loaded by mapped tasks in real DAG runs: each record once, and one report of all."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.errors import SpecError, StagingError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import versions
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
EXAMPLES = Path(__file__).parents[2] / "example_dags"


def test_the_example_loads_64_files_by_mapped_tasks_each_record_once_and_reports_them_together(
    run_dag: RunDag, lake: Bucket, tmp_path: Path
) -> None:
    dag = versions.parsed(str(EXAMPLES)).dags["example_s3_destination_shards"]
    run = run_dag(dag, conf={"bucket": lake.name, "staging": str(tmp_path), "records": 100})

    assert run.state == "success", run.log
    assert {index for name, index in run.task_states if name == "load"} == {0, 1, 2, 3}
    shards = run.xcom("list_shards")
    assert Counter(shard["table"] for shard in shards) == {"clicks": 2, "views": 2}
    assert sum(len(shard["staging_path"]) for shard in shards) == 64
    report = run.xcom("report")
    assert (report["records"], report["objects"], report["bucket"]) == (6400, 4, lake.name)
    assert sorted(report["uris"]) == [f"s3://{lake.name}/{key}" for key in lake.objects()]
    for table, own in report["tables"].items():
        stored = lake.objects(own["prefix"]).values()
        assert own["prefix"].startswith(f"raw/{table}/")
        assert (own["records"], own["columns"]) == (3200, ["id", "page"])
        assert own["bytes"] == sum(map(len, stored))
        ids = [json.loads(line)["id"] for content in stored for line in content.splitlines()]
        assert sorted(map(int, ids)) == list(range(3200))


def test_shards_of_files_on_s3_are_named_apart_and_a_clear_replaces_them(run_dag: RunDag, lake: Bucket) -> None:
    for number, name in enumerate(["a.csv", "b[1].csv", "c.csv"]):
        lake.write(f"in/{name}", f"n\n{number}\n".encode())
    with DAG("shards_of_s3", schedule=None, start_date=START) as dag:

        @task
        def shards() -> list[dict[str, Any]]:
            return S3DestinationHook().list_shards(f"s3://{lake.name}/in/", 2, table="t")

        S3DestinationOperator.partial(
            task_id="load", bucket=lake.name, path="out/{{TABLE}}/{{UUID}}", format="csv"
        ).expand_kwargs(shards())

    for _ in range(2):
        run = run_dag(dag)
        assert run.state == "success", run.log
        assert sorted(lake.objects("out/t/").values()) == [b"n\n0\n2\n", b"n\n1\n"]


def test_text_of_another_form_is_loaded_by_mapped_tasks_and_by_one_with_options_from_elsewhere(
    run_dag: RunDag, lake: Bucket
) -> None:
    lake.write("in/a.csv", "Umsätze\nä;;b\n1;;'x;y'\n".encode("cp1252"))
    lake.write("in/b.csv", "Umsätze\nä;;b\n2;;-\n".encode("cp1252"))
    lake.write("in_json/answer.json", b'{"data": {"items": [{"a": 1},\n {"a": 2}]}}')
    options = {"delimiter": ";", "encoding": "cp1252", "skip_lines": 1, "quote": "'", "null_values": ["-", ""]}
    options["duplicate_columns"] = "drop_empty"
    with DAG("staging_format", schedule=None, start_date=START, params={"path": "data.items"}) as dag:

        @task
        def shards() -> list[dict[str, Any]]:
            return S3DestinationHook().list_shards(f"s3://{lake.name}/in/", 2, table="t", staging_format=options)

        @task
        def names() -> list[str]:
            return ["n", "", "b"]

        target: dict[str, Any] = {"bucket": lake.name, "path": "{{ task.task_id }}/{{UUID}}", "format": "json"}
        S3DestinationOperator.partial(task_id="mapped", **target).expand_kwargs(shards())
        answer: Any = {"records_at": "{{ params.path }}"}
        path = f"s3://{lake.name}/in_json/answer.json"
        S3DestinationOperator(task_id="api", staging_path=path, table="t", staging_format=answer, **target)
        broken: Any = {"skip_lines": 2, "header": names()}
        S3DestinationOperator(
            task_id="late", staging_path=f"s3://{lake.name}/in/", table="t", staging_format=broken, **target
        )

    run = run_dag(dag)

    assert run.task_states[("late", -1)] == "failed"
    assert "`staging_format.header`: is ['n', '', 'b']" in run.log
    stored = [line for content in lake.objects("mapped/").values() for line in content.splitlines()]
    assert sorted(map(json.loads, stored), key=str) == [{"ä": "1", "b": "x;y"}, {"ä": "2", "b": None}]
    assert list(lake.objects("api/").values()) == [b'{"a":1}\n{"a":2}\n']


def test_a_path_that_matches_nothing_and_faults_in_the_arguments_are_those_of_a_load(lake: Bucket) -> None:
    hook = S3DestinationHook()
    with pytest.raises(StagingError, match=f"s3://{lake.name}/in/ matches no file"):
        hook.list_shards(f"s3://{lake.name}/in/", 2, table="t")
    with pytest.raises(SpecError, match="`table`: is missing"):
        hook.list_shards("in/*.csv", 2)
    with pytest.raises(SpecError, match="names \\['x'\\] twice"):
        hook.list_shards("in/*.csv", 2, table="t", columns=["x", "x"])
