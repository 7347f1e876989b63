"""What OpenLineage is told of a run, as its file transport writes it down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_s3dest.operators.lineage import _namespace_and_name
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import versions
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

Events = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Events]:
    """Let OpenLineage write its events to a file; gives those of a task at its end."""
    file = tmp_path / "events"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__DISABLED", "False")

    def of_task(task_id: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        ends = [one for one in found if one["eventType"] in ("COMPLETE", "FAIL")]
        return [one for one in ends if one["job"]["name"].endswith(f".{task_id}")]

    with versions.openlineage_listening():
        yield of_task


def test_one_dataset_a_table_with_schema_and_counts_however_many_objects(
    run_dag: RunDag, moto_bucket: Bucket, connect_aws: ConnectAws, tmp_path: Path, events: Events
) -> None:
    connect_aws(moto_bucket.server)
    for table in ("a", "b"):
        (tmp_path / "in" / table).mkdir(parents=True)
        (tmp_path / "in" / table / "1.csv").write_text("id,name\n1,x\n2,y\n3,z\n")
    with DAG("lineage", schedule=None, start_date=START) as dag:
        common: dict[str, Any] = {"bucket": moto_bucket.name, "format": "json", "batch_size": 1}
        path = "raw/{{TABLE}}/{{ ds }}/{{UUID}}"
        S3DestinationOperator(task_id="staged", staging_path=f"{tmp_path}/in/{{{{TABLE}}}}/*.csv", path=path, **common)
        S3DestinationOperator(
            task_id="shared", records={"a": [{"id": 1}], "b": []}, path="raw/{{ ds }}/{{TABLE}}/{{UUID}}", **common
        )
        S3DestinationOperator(
            task_id="fails", records={"c": iter([{"id": 1}, {"id": 2}, {"id": 3j}]), "d": []}, path=path, **common
        )
    run = run_dag(dag)

    assert {name: state for (name, _), state in run.task_states.items()} == {
        "staged": "success",
        "shared": "success",
        "fails": "failed",
    }, run.log
    [staged], [shared], [failed] = events("staged"), events("shared"), events("fails")
    assert [(one["namespace"], one["name"]) for one in staged["inputs"]] == [("file", f"{tmp_path}/in/")]
    assert [(one["namespace"], one["name"]) for one in staged["outputs"]] == [
        (f"s3://{moto_bucket.name}", "raw/a"),
        (f"s3://{moto_bucket.name}", "raw/b"),
    ]
    [of_a, _] = staged["outputs"]
    assert [field["name"] for field in of_a["facets"]["schema"]["fields"]] == ["id", "name"]
    statistics = of_a["outputFacets"]["outputStatistics"]
    table = run.xcom("staged")["tables"]["a"]
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (3, table["bytes"], 3)
    assert [one["name"] for one in shared["outputs"]] == ["raw/2026-02-03/a", "raw/2026-02-03/b"]
    assert failed["eventType"] == "FAIL"
    assert [one["name"] for one in failed["outputs"]] == ["raw/c", "raw/d"]
    assert shared["inputs"] == failed["inputs"] == []


@pytest.mark.parametrize("full", [False, True])
def test_the_value_of_a_bad_record_is_in_the_log_and_leaves_in_lineage_only_by_an_option(
    run_dag: RunDag, lake: Bucket, events: Events, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    value = uuid4().hex
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__INCLUDE_FULL_TASK_INFO", str(full))
    with DAG(f"lineage_value_{full}", schedule=None, start_date=START) as dag:
        records = iter([{"id": "1"}, {"id": value}])
        destination: dict[str, Any] = {"bucket": lake.name, "path": "t/{{UUID}}", "format": "json"}
        S3DestinationOperator(task_id="bad", records=records, table="t", schema={"id": "int64"}, **destination)
    run = run_dag(dag)

    assert value in run.log
    [failed] = events("bad")
    assert failed["eventType"] == "FAIL"
    assert (value in json.dumps(failed)) is full
    message = "table 't', record 1: RecordError, whose text is in the log of the task."
    assert (failed["run"]["facets"]["errorMessage"]["message"] == message) is not full


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("s3://lake/in/x.csv", ("s3://lake", "in/x.csv")),
        ("s3://conn@lake/in/{{TABLE}}/*.csv", ("s3://lake", "in")),
        ("gs://lake/*", ("gs://lake", "/")),
        ("/data/in/", ("file", "/data/in/")),
        ("file:///data/in/x.csv", ("file", "/data/in/x.csv")),
        ("/data/[ab].csv", ("file", "/data/")),
    ],
)
def test_a_staging_path_is_an_input_at_its_folder(path: str, place: tuple[str, str]) -> None:
    assert _namespace_and_name(path) == place
