"""Bad records in real DAG runs: set aside, or failing the task for good, and told wherever a load is told of."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, task

from airflow_provider_s3dest.errors import BadRecordsError, SpecError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow import versions
from tests.airflow.dag_runs import dag_of
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LITERALS: dict[str, Any] = {
    "task_id": "load",
    "records": [{"id": 1}],
    "table": "t",
    "bucket": "lake",
    "path": "raw/{{TABLE}}/{{UUID}}.csv",
    "format": "csv",
}


def lines_of(bucket: Bucket, prefix: str) -> list[dict[str, Any]]:
    return [json.loads(line) for body in bucket.objects(prefix).values() for line in body.splitlines()]


def test_of_staged_files_go_where_the_rendered_path_says(run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    for table, text in (("a", "n,s\n1,x\n2\n3,z\n"), ("b", "n,s\n1,x\n")):
        (tmp_path / f"{table}.csv").write_text(text)
    with dag_of("quarantine_staged") as dag:
        S3DestinationOperator(
            task_id="load",
            staging_path=f"{tmp_path}/{{{{TABLE}}}}.csv",
            bucket=lake.name,
            path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.csv",
            format="csv",
            on_bad_record="quarantine",
            quarantine_path="bad/{{ ds }}/{{ TABLE }}-{{UUID}}.{{FORMAT}}",
            max_bad_records=0.5,
            outlets=[Asset("s3://my/own")],
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert sorted(lake.objects("raw/2026-02-03/").values()) == [b"n,s\n1,x\n", b"n,s\n1,x\n3,z\n"]
    (key,) = lake.keys("bad/2026-02-03/a-")
    (line,) = lines_of(lake, "bad/")
    assert (line["file"], line["line"], line["record"]) == (f"{tmp_path}/a.csv", 3, "2")
    report = run.xcom("load")
    assert (report["records"], report["objects"], report["bad_records"]) == (3, 2, 1)
    assert {name: table["bad_records"] for name, table in report["tables"].items()} == {"a": 1, "b": 0}
    assert key not in str(report["uris"])
    [(_, _, extra)] = run.asset_events()
    assert extra == report
    assert f"Quarantined 1 bad record of table a, with the reason, in s3://{lake.name}/bad/2026-02-03/" in run.log


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_of_a_function_through_a_retry_and_a_clear(run_dag: RunDag, lake: Bucket, atomic: bool) -> None:
    with dag_of(f"quarantine_function_{atomic}") as dag:

        @task.s3_destination(
            table="t",
            bucket=lake.name,
            path="raw/{{TABLE}}/{{UUID}}.json",
            format="json",
            batch_size=5,
            on_bad_record="quarantine",
            atomic=atomic,
            state_path=None if versions.KEEPS_STATE else "state",
        )
        def load(ti: Any = None) -> Any:
            count = 40 if ti.try_number == 1 else 20
            for number in range(count):
                yield {"n": number if number % 2 else object()}
            if ti.try_number == 1:
                raise ConnectionError("after all records")

        load()
    # Without Airflow's own state a second run in this process is no clear, but an older try.
    for _ in range(2 if versions.KEEPS_STATE else 1):
        run = run_dag(dag)
        assert run.state == "success", run.log
        assert sorted(line["n"] for line in lines_of(lake, "raw/t/")) == list(range(1, 20, 2))
        assert sorted(line["index"] for line in lines_of(lake, "raw/_quarantine/t/")) == list(range(0, 20, 2))
        assert run.xcom("load")["bad_records"] == 10


def test_too_many_fail_the_task_for_good(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("quarantine_limit") as dag:

        @task
        def extract() -> list[dict[str, Any]]:
            return [{"n": str(number)} for number in range(8)] + [{"n": "x"}, {"n": "y"}]

        S3DestinationOperator(
            task_id="load",
            records=extract(),
            schema={"n": "int64"},
            table="t",
            bucket=lake.name,
            path="raw/{{TABLE}}/{{UUID}}.json",
            format="json",
            on_bad_record="quarantine",
            max_bad_records=1,
            atomic=versions.KEEPS_STATE,
        )
    run = run_dag(dag)

    assert run.state == "failed"
    assert "2 of 10 records are bad, and `max_bad_records` allows 1." in run.log
    assert "table 't', record 8, column 'n': 'x' does not fit the column's type int64" in run.log
    assert run.attempts == 1
    if versions.KEEPS_STATE:
        assert lake.keys() == []


def test_of_the_hook(lake: Bucket) -> None:
    hook = S3DestinationHook()
    where = DestinationSpec(bucket=lake.name, path="raw/{{TABLE}}/{{UUID}}.csv", format="csv")
    tables = {"a": [{"n": 1}, "x"], "b": pa.table({"n": ["5", "y"]})}
    schema = {"a": {"n": "int64"}, "b": {"n": "int64"}}
    report = hook.load(records=tables, schema=schema, on_bad_record="quarantine", max_bad_records=2, spec=where)
    assert {name: (own.records, own.bad_records) for name, own in report.tables.items()} == {"a": (1, 1), "b": (1, 1)}
    assert [line["record"] for line in lines_of(lake, "raw/_quarantine/")] == ["x", {"n": "y"}]
    with pytest.raises(BadRecordsError):
        hook.load(records=tables, schema=schema, on_bad_record="quarantine", max_bad_records=0.4, spec=where)


def test_the_log_says_how_many_and_where_and_nothing_of_their_content(
    lake: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    where = DestinationSpec(bucket=lake.name, path="raw/{{TABLE}}/{{UUID}}.csv", format="csv")
    for dry_run, verb in ((True, "Would quarantine"), (False, "Quarantined")):
        with caplog.at_level(logging.INFO):
            records = [{"n": "\ud83dhidden"}] * 2
            S3DestinationHook().load(
                records=records, table="t", spec=where, dry_run=dry_run, on_bad_record="quarantine"
            )
        folder = f"s3://{lake.name}/raw/_quarantine/t/"
        assert f"{verb} 2 bad records of table t, with the reason, in {folder}" in caplog.text
    assert "hidden" not in caplog.text


def test_staged_files_are_deleted_and_their_bad_records_remain(lake: Bucket, tmp_path: Path) -> None:
    staged = tmp_path / "t.ndjson"
    staged.write_text('{"n":1}\nbroken\n')
    with DAG("quarantine_deletes", schedule=None, start_date=START):
        load = S3DestinationOperator(
            task_id="load",
            staging_path=str(staged),
            table="t",
            bucket=lake.name,
            path="raw/{{UUID}}.json",
            format="json",
            on_bad_record="quarantine",
            delete_staging=True,
            state_path="state",
        )
    context: Any = {"ti": FakeInstance()}
    report = load.execute(context)
    assert not staged.exists()
    assert [line["record"] for line in lines_of(lake, "raw/_quarantine/t/")] == ["broken"]
    assert load.execute(context) == report
    assert report["bad_records"] == 1


class FakeInstance:
    """All that `execute` needs of a task instance."""

    dag_id, run_id, task_id, map_index, try_number = "quarantine_deletes", "run", "load", -1, 1

    def xcom_push(self, *_: Any, **__: Any) -> None:
        """Nothing is kept."""


class TestLiterals:
    @pytest.mark.parametrize(
        ("arguments", "fault"),
        [
            ({"on_bad_record": "drop"}, "`on_bad_record`: is 'drop'. Give one of fail, quarantine."),
            ({"on_bad_record": "fail", "max_bad_records": 5}, "`max_bad_records`: has no effect while"),
            ({"on_bad_record": "fail", "quarantine_path": "_x/{{UUID}}"}, "`quarantine_path`: has no effect while"),
            ({"max_bad_records": -1}, "`max_bad_records`: is -1. Give a whole number"),
            ({"max_bad_records": 1.0}, "`max_bad_records`: is 1.0"),
            ({"max_bad_records": True}, "`max_bad_records`: is True"),
            ({"max_bad_records": "5%"}, "`max_bad_records`: is '5%'"),
            ({"quarantine_path": 5}, "`quarantine_path`: is 5"),
            ({"quarantine_path": "/_x/{{UUID}}"}, "`quarantine_path`: starts with `/`"),
            ({"quarantine_path": "_x/{{ ds }}//{{UUID}}"}, "`quarantine_path`: contains `//`"),
            ({"quarantine_path": "_x/{{UUID|lower}}"}, "filters and expressions don't work on a placeholder"),
            ({"quarantine_path": "_x/{{TABLE}}.json"}, "`quarantine_path`: has no {{UUID}}"),
            ({"quarantine_path": "_x/{{FIELD.a}}/{{UUID}}"}, "`quarantine_path`: has {{FIELD}}"),
            ({"quarantine_path": "raw/bad/{{UUID}}"}, "inside the folder 'raw/' of the data"),
            (
                {"path": "{{UUID}}.csv", "quarantine_path": "bad/{{UUID}}"},
                "next to the data, because `path` has no fixed folder",
            ),
            ({"quarantine_path": "_x/${BAD}/{{UUID}}"}, "`quarantine_path`: ${BAD} is CloudQuery's variable"),
        ],
        ids=str,
    )
    def test_are_refused_while_the_dag_is_parsed(self, arguments: dict[str, Any], fault: str) -> None:
        with pytest.raises(SpecError) as refused:
            S3DestinationOperator(**{**LITERALS, "on_bad_record": "quarantine", **arguments})
        assert fault in str(refused.value)

    @pytest.mark.parametrize(
        "path",
        ["raw/_bad/{{UUID}}", "raw/x/.bad/{{UUID}}", "bad/{{UUID}}", "raw/_bad-{{UUID}}", "bad/{{ ds }}/{{UUID}}"],
    )
    def test_are_taken_where_no_reader_of_the_data_looks(self, path: str) -> None:
        S3DestinationOperator(**LITERALS, on_bad_record="quarantine", quarantine_path=path)

    def test_that_are_bad_records_are_no_fault_where_such_are_set_aside(self, lake: Bucket) -> None:
        bad = {**LITERALS, "records": [{"id": 3j}, {"id": 1}]}
        with pytest.raises(SpecError, match="there is no rule for complex"):
            S3DestinationOperator(**bad)
        S3DestinationOperator(**bad, on_bad_record="quarantine")

    def test_a_path_that_only_the_run_shows_to_lie_among_the_data_is_refused_there(self, lake: Bucket) -> None:
        with pytest.raises(SpecError, match="inside the folder 't/' of the data"):
            S3DestinationHook().load(
                records=[],
                table="t",
                bucket=lake.name,
                path="{{TABLE}}/{{UUID}}.csv",
                format="csv",
                on_bad_record="quarantine",
                quarantine_path="{{TABLE}}/bad/{{UUID}}",
            )
