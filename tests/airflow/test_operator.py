"""The operator in real DAG runs: every shape of records, staged files, templates, and every fault a run can meet."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import task, task_group

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import versions
from tests.airflow.dag_runs import dag_of
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def json_records(bucket: Bucket, prefix: str = "") -> list[dict[str, Any]]:
    """Read all records of the bucket's JSON objects back, in the order of their keys."""
    stored = (data for _, data in sorted(bucket.objects(prefix).items()))
    contents = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data for data in stored)
    return [json.loads(line) for content in contents for line in content.splitlines()]


def test_a_list_through_xcom_arrives_and_the_report_is_pushed(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_list") as dag:

        @task
        def extract() -> list[dict[str, Any]]:
            return [{"id": n, "name": f"n{n}" if n % 3 else None} for n in range(25)]

        S3DestinationOperator(
            task_id="load",
            records=extract(),
            table="my_orders",
            bucket=lake.name,
            path="raw/{{ ds }}/{{YEAR}}{{MONTH}}{{DAY}}{{HOUR}}{{MINUTE}}/{{TABLE_HYPHEN}}/{{BATCH}}-{{ UUID }}",
            format="json",
            compression="gzip",
            batch_size=10,
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    report = run.xcom("load")
    assert report["records"] == 25
    assert report["objects"] == 3
    assert report["tables"]["my_orders"]["columns"] == ["id", "name"]
    assert report["tables"]["my_orders"]["prefix"] == "raw/2026-02-03/202602030405/my-orders/"
    assert report["uris"] == [f"s3://{lake.name}/{key}" for key in sorted(lake.objects())]
    assert report["bytes"] == sum(map(len, lake.objects().values()))
    assert report["manifest"] is None
    assert json_records(lake) == [{"id": n, "name": f"n{n}" if n % 3 else None} for n in range(25)]
    assert "Stored 25 records of table my_orders as 3 objects" in run.log


def test_a_retry_and_a_clear_write_the_same_names(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_retry") as dag:

        @task
        def extract() -> list[dict[str, int]]:
            return [{"id": n} for n in range(25)]

        class FailsOnce(S3DestinationOperator):
            """Fails after its first try has stored everything."""

            def execute(self, context: Any) -> dict[str, Any]:
                report = super().execute(context)
                if context["ti"].try_number == 1:
                    raise ConnectionError("after the load")
                return report

        FailsOnce(
            task_id="load",
            records=extract(),
            table="t",
            bucket=lake.name,
            path="{{SYNC_ID}}/{{TABLE}}/{{UUID}}.csv",
            format="csv",
            batch_size=10,
        )
    run = run_dag(dag)
    first = lake.objects()
    again = run_dag(dag)

    assert run.state == again.state == "success", run.log
    assert len(first) == 3
    assert lake.objects() == first
    assert ("the state of the load is kept nowhere" in run.log) != versions.KEEPS_STATE


def test_the_state_notes_the_path_as_it_was_written(run_dag: RunDag, lake: Bucket) -> None:
    written = "raw/{{ ds }}/{{TABLE}}/{{UUID}}.json"
    with dag_of("op_written") as dag:

        @task
        def give_path() -> str:
            return "late/{{TABLE}}/{{UUID}}.json"

        how: dict[str, Any] = {"table": "t", "bucket": lake.name, "format": "json", "state_path": "state"}
        S3DestinationOperator(task_id="literal", records=[{"n": 1}], path=written, **how)
        S3DestinationOperator(task_id="in_spec", records=[{"n": 1}], spec={"path": written}, **how)
        S3DestinationOperator(task_id="late", records=[{"n": 1}], path=give_path(), **how)  # type: ignore[arg-type]
        S3DestinationOperator.partial(task_id="mapped", records=[{"n": 1}], **how).expand(path=[written])
    run = run_dag(dag)

    assert run.state == "success", run.log
    states = [json.loads(json.loads(body)["record"]) for body in lake.objects("state/").values()]
    assert sorted(state["written_path"] for state in states) == ["late/{{TABLE}}/{{UUID}}.json", *[written] * 3]
    assert {state["live"][0]["naming"][1] for state in states} == {
        "late/{{TABLE}}/{{UUID}}.json",
        written.replace("{{ ds }}", "2026-02-03"),
    }


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_parquet_has_the_types_of_the_schema_in_every_object(run_dag: RunDag, lake: Bucket, atomic: bool) -> None:
    with dag_of(f"op_parquet_{atomic}") as dag:

        @task
        def extract() -> list[dict[str, Any]]:
            return [{"id": str(n), "price": f"{n}.10", "more": 1} for n in range(25)]

        S3DestinationOperator(
            task_id="load",
            records=extract(),
            table="orders",
            schema={"price": "decimal(18,2)", "id": "int64"},
            bucket=lake.name,
            path="raw/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
            format="parquet",
            compression="zstd",
            batch_size=10,
            atomic=atomic,
            state_path="state",
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert run.xcom("load")["tables"]["orders"]["columns"] == ["price", "id"]
    files = sorted(lake.objects("raw/").items())
    assert [key.endswith(".parquet") for key, _ in files] == [True] * 3
    tables = [pq.read_table(io.BytesIO(content)) for _, content in files]
    assert {one.schema for one in tables} == {pa.schema({"price": pa.decimal128(18, 2), "id": pa.int64()})}
    assert [row for one in tables for row in one.to_pylist()] == [
        {"price": Decimal(f"{n}.10"), "id": n} for n in range(25)
    ]


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_retry_that_gets_less_removes_what_is_surplus(run_dag: RunDag, lake: Bucket, atomic: bool) -> None:
    with dag_of(f"op_surplus_{atomic}") as dag:

        class GetsLess(S3DestinationOperator):
            """Fails after its first try has stored everything; later tries are given fewer records."""

            def execute(self, context: Any) -> dict[str, Any]:
                first = context["ti"].try_number == 1
                self.records = [{"id": n} for n in range(45 if first else 12)]
                report = super().execute(context)
                if first:
                    raise ConnectionError("after the load")
                return report

        GetsLess(
            task_id="load",
            records=[],
            table="t",
            bucket=lake.name,
            path="out/{{TABLE}}/{{BATCH}}-{{UUID}}.csv",
            format="csv",
            batch_size=10,
            atomic=atomic,
            state_path=None if versions.KEEPS_STATE else "state",
        )
    lake.write("out/t/of-another.csv", b"id")
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert run.xcom("load")["objects"] == 2
    assert len(lake.keys("out/")) == 3
    assert b"".join(lake.read(key) for key in lake.keys("out/")).count(b"\n") == 1 + 12 + 2 - 1


def test_tables_as_a_mapping_arrive_each_under_its_name(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_mapping") as dag:

        @task
        def extract() -> dict[str, list[dict[str, int]]]:
            return {"a": [{"id": 1}], "b": [{"x": 2}, {"x": 3, "y": 4}], "none": []}

        S3DestinationOperator(
            task_id="load", records=extract(), bucket=lake.name, path="{{TABLE}}/{{UUID}}", format="csv"
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert {key.split("/")[0]: data for key, data in lake.objects().items()} == {
        "a": b"id\n1\n",
        "b": b"x,y\n2,\n3,4\n",
    }
    assert run.xcom("load")["tables"]["none"] == {
        "records": 0,
        "objects": 0,
        "bytes": 0,
        "columns": [],
        "prefix": "none/",
        "bad_records": 0,
    }


def test_a_mapping_whose_tables_come_from_different_tasks(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_mapping_of_tasks") as dag:

        @task
        def extract(number: int) -> list[dict[str, int]]:
            return [{"id": number}]

        records = {"a": extract(1), "b": extract(2), "literal": [{"id": 3}]}
        S3DestinationOperator(
            task_id="load", records=records, bucket=lake.name, path="{{TABLE}}/{{UUID}}", format="json"
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert json_records(lake) == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("lists", [False, True])
def test_the_results_of_a_mapped_task_arrive_as_one_table(run_dag: RunDag, lake: Bucket, lists: bool) -> None:
    with dag_of(f"op_mapped_upstream_{lists}") as dag:

        @task
        def extract(number: int) -> Any:
            return [{"id": number}, {"id": number + 10}] if lists else {"id": number}

        S3DestinationOperator(
            task_id="load",
            records=extract.expand(number=[1, 2, 3]),
            table="t",
            bucket=lake.name,
            path="{{TABLE}}/{{UUID}}",
            format="json",
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    wanted = [1, 11, 2, 12, 3, 13] if lists else [1, 2, 3]
    assert [record["id"] for record in json_records(lake)] == wanted


def combined(how: str) -> Any:
    """Return a reference to the records 1 to 4, by the ways to combine outputs of tasks."""

    @task
    def number(value: int) -> int:
        return value

    @task
    def numbers() -> list[int]:
        return [1, 2, 3, 4]

    @task
    def records(*ids: int) -> list[dict[str, int]]:
        return [{"id": one} for one in ids]

    if how == "map":
        return numbers().map(lambda value: {"id": value})
    if how == "map of lists":
        return numbers().map(lambda value: [{"id": value}])
    if how == "map of a mapped task":
        return number.expand(value=[1, 2, 3, 4]).map(lambda value: {"id": value})
    if how == "zip":
        return records(1, 3).zip(records(2, 4))
    return records(1).concat(records(2, 3, 4))


@pytest.mark.parametrize("how", ["map", "map of lists", "map of a mapped task", "zip", "concat"])
def test_combined_outputs_arrive(run_dag: RunDag, lake: Bucket, how: str) -> None:
    with dag_of(f"op_{how.replace(' ', '_')}") as dag:
        S3DestinationOperator(
            task_id="load",
            records=combined(how),
            table="t",
            bucket=lake.name,
            path="{{TABLE}}/{{UUID}}",
            format="json",
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert json_records(lake) == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]


def test_the_output_of_a_mapped_task_group_and_lists_of_outputs_arrive(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_lists_of_outputs") as dag:

        @task
        def extract(number: int) -> list[dict[str, int]]:
            return [{"id": number}, {"id": number + 10}]

        @task
        def one(number: int) -> dict[str, int]:
            return {"id": number}

        @task_group
        def group(number: int) -> Any:
            return extract.override(task_id="inside")(number)

        records = {
            "group": group.expand(number=[1, 2]),
            "lists": [extract(3), {"id": 0}, extract(4)],
            "mapped": [one.expand(number=[5, 6]), extract(7)],
            "inside": [{"id": one(8), "text": "{{ ds }}"}],
        }
        S3DestinationOperator(
            task_id="load", records=records, bucket=lake.name, path="{{TABLE}}/{{UUID}}", format="json"
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert {table: [record["id"] for record in json_records(lake, f"{table}/")] for table in records} == {
        "group": [1, 11, 2, 12],
        "lists": [3, 13, 0, 4, 14],
        "mapped": [5, 6, 7, 17],
        "inside": [{"id": 8}],
    }
    assert json_records(lake, "inside/")[0]["text"] == "2026-02-03"


def test_a_load_in_a_mapped_task_group_takes_the_parameters_of_the_group(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_in_group") as dag:

        @task
        def extract(name: str) -> list[dict[str, str]]:
            return [{"of": name}]

        @task_group
        def group(name: str, records: Any) -> None:
            common: dict[str, Any] = {"bucket": lake.name, "format": "json", "no_rotate": True}
            S3DestinationOperator(task_id="by_table", records=extract(name), table=name, path="a/{{TABLE}}", **common)
            S3DestinationOperator(task_id="by_path", records={"t": records}, path=name, **common)
            S3DestinationOperator(task_id="not_apart", records={"t": records}, path="c/{{TABLE}}", **common)

        group.expand_kwargs([{"name": name, "records": [{"id": name}]} for name in ("x", "y")])
    run = run_dag(dag)

    states = {(name, state) for (name, _), state in run.task_states.items()}
    assert states == {
        ("group.extract", "success"),
        ("group.by_table", "success"),
        ("group.by_path", "success"),
        ("group.not_apart", "failed"),
    }, run.log
    assert lake.objects() == {
        "a/x": b'{"of":"x"}\n',
        "a/y": b'{"of":"y"}\n',
        "x": b'{"id":"x"}\n',
        "y": b'{"id":"y"}\n',
    }
    assert "gives all mapped instances the same key" in run.log


def test_mapped_loads_write_names_apart_under_one_sync_id(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_mapped") as dag:

        @task
        def extract() -> list[list[dict[str, str]]]:
            return [[{"id": "{{ ds }}"}], [{"id": "plain"}]]

        S3DestinationOperator.partial(
            task_id="load",
            table="t",
            bucket=lake.name,
            path="raw/{{ ds }}/{{ SYNC_ID }}/{{TABLE}}/{{ ti.map_index }}-{{UUID}}",
            format="json",
        ).expand(records=extract())
    run = run_dag(dag)

    assert run.state == "success", run.log
    keys = sorted(lake.objects())
    assert len(keys) == 2
    assert len({key.split("/")[2] for key in keys}) == 1
    assert [key.split("/")[-1][:2] for key in keys] == ["0-", "1-"]
    # Data that came through XCom are not rendered.
    assert json_records(lake) == [{"id": "{{ ds }}"}, {"id": "plain"}]
    for index in (0, 1):
        rendered = run.rendered("load", index)
        assert rendered["records"] == "<1 records>"
        assert rendered["path"] == f"raw/2026-02-03/{{{{SYNC_ID}}}}/{{{{TABLE}}}}/{index}-{{{{UUID}}}}"


def test_mapping_over_literal_records(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_expand_literals") as dag:
        partial = S3DestinationOperator.partial(task_id="load", bucket=lake.name, format="json", path="{{UUID}}")
        partial.expand_kwargs([{"table": "t", "records": [{"id": "{{ ds }}"}]}, {"records": {"u": [{"id": 2}]}}])
        S3DestinationOperator.partial(
            task_id="expand", table="t", bucket=lake.name, format="json", path="e/{{ ti.map_index }}-{{UUID}}"
        ).expand(records=[[{"id": "{{ ds }}"}], [{"id": 2}]])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert json_records(lake, "e/") == [{"id": "2026-02-03"}, {"id": 2}]
    assert len(json_records(lake)) == 4


def test_mapping_over_tables_and_paths(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_expand_kwargs") as dag:
        S3DestinationOperator.partial(
            task_id="load", records=[{"id": 1}], bucket=lake.name, format="json", no_rotate=True
        ).expand_kwargs(
            [{"table": "a", "path": "one/{{TABLE}}/{{ ds }}"}, {"table": "b", "path": "two/{{TABLE}}/{{ ds }}"}]
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert sorted(lake.objects()) == ["one/a/2026-02-03", "two/b/2026-02-03"]


def test_the_rendered_view_shows_jinja_filled_in_placeholders_kept_and_no_records(
    run_dag: RunDag, lake: Bucket
) -> None:
    with dag_of("op_rendered") as dag:

        @task(show_return_value_in_logs=False)
        def extract() -> list[dict[str, str]]:
            return [{"secret": "s3cr3t"}] * 3

        S3DestinationOperator(
            task_id="load",
            records={"t": extract(), "u": [{"secret": "literal-s3cr3t"}]},
            spec={"bucket": lake.name, "path": "{{ ds }}/{{ TABLE }}/{{UUID}}", "format": "json"},
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    rendered = run.rendered("load")
    assert "s3cr3t" not in json.dumps(rendered, default=str)
    assert "3 records" in str(rendered["records"])
    assert "2026-02-03/{{TABLE}}/{{UUID}}" in str(rendered["spec"])
    assert "s3cr3t" not in run.log


@pytest.mark.parametrize("native", [False, True])
def test_jinja_in_literal_records_is_rendered(run_dag: RunDag, lake: Bucket, native: bool) -> None:
    with dag_of(f"op_literal_{native}") as dag:
        dag.render_template_as_native_obj = native
        S3DestinationOperator(
            task_id="load",
            records=[{"day": "{{ ds }}", "text": "no jinja\n", "number": 1}],
            table="{{ params.table }}",
            bucket=lake.name,
            path="{{ ds_nodash }}/{{TABLE}}/{{UUID}}",
            format="json",
            params={"table": "days"},
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert json_records(lake, "20260203/days/") == [{"day": "2026-02-03", "text": "no jinja\n", "number": 1}]


def test_staged_files_arrive_by_table(run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    with dag_of("op_staging") as dag:

        @task
        def stage(folder: str) -> str:
            for table in ("planes", "airlines"):
                Path(folder, table).mkdir()
                for number in range(2):
                    Path(folder, table, f"{number}.csv").write_text(f'id,code\n{number},007\n{number},""\n')
            return folder

        S3DestinationOperator(
            task_id="load",
            staging_path="{{ ti.xcom_pull('stage') }}/{{TABLE}}/*.csv",
            bucket=lake.name,
            path="{{TABLE}}/{{UUID}}",
            format="json",
        ) << stage(str(tmp_path))
    run = run_dag(dag)

    assert run.state == "success", run.log
    wanted = [{"id": str(n), "code": code} for n in range(2) for code in ("007", "")]
    assert json_records(lake, "planes/") == json_records(lake, "airlines/") == wanted
    assert run.rendered("load")["staging_path"] == f"{tmp_path}/{{{{TABLE}}}}/*.csv"


def test_staged_files_on_s3_are_read_with_the_same_connection(run_dag: RunDag, lake: Bucket) -> None:
    lake.write("staging/b.ndjson", b'{"id": 1.10}\n')
    lake.write("staging/a.ndjson.gz", gzip.compress(b'{"id": 18446744073709551621}\n'))
    with dag_of("op_staging_s3") as dag:
        S3DestinationOperator(
            task_id="load",
            staging_path=f"s3://{lake.name}/staging/",
            table="t",
            bucket=lake.name,
            path="loaded/{{TABLE}}/{{UUID}}",
            format="json",
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert list(lake.objects("loaded/").values()) == [b'{"id":18446744073709551621}\n{"id":1.10}\n']


def test_partitions_athena_s_names_and_a_manifest_through_jinja(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_warehouse") as dag:
        S3DestinationOperator(
            task_id="load",
            records=[{"id": n, "the region": ("eu", None)[n % 2]} for n in range(4)],
            table="orders",
            bucket=lake.name,
            path="raw/{{TABLE}}/day={{ ds }}/region={{ FIELD.the_region }}/{{UUID}}.{{FORMAT}}",
            format="csv",
            manifest="redshift",
            spec={
                "athena": True,
                "partition_columns": "drop",
                "manifest_path": "lists/{{ ds }}/{{ TABLE }}.manifest",
            },
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    report = run.xcom("load")
    assert report["manifest"] == f"s3://{lake.name}/lists/2026-02-03/orders.manifest"
    assert [entry["url"] for entry in json.loads(lake.read("lists/2026-02-03/orders.manifest"))["entries"]] == (
        report["uris"]
    )
    assert {key.rpartition("/")[0]: body for key, body in lake.objects("raw/").items()} == {
        "raw/orders/day=2026-02-03/region=eu": b"id\n0\n2\n",
        "raw/orders/day=2026-02-03/region=__HIVE_DEFAULT_PARTITION__": b"id\n1\n3\n",
    }


def test_table_definitions_of_a_run(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_definitions") as dag:
        S3DestinationOperator(
            task_id="load",
            records=[{"id": n} for n in range(4)],
            table="orders",
            schema={"id": "int64"},
            bucket=lake.name,
            path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
            format="json",
            manifest="redshift",
            spec={"ddl": ["athena", "redshift"], "ddl_path": "ddl/{{ ds }}/{{TABLE}}.{{FORMAT}}"},
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    for dialect, source in (("athena", "/raw/2026-02-03/orders/'"), ("redshift", "/raw/2026-02-03/_manifest/")):
        text = lake.read(f"ddl/2026-02-03/orders.{dialect}.sql").decode()
        assert f"s3://{lake.name}{source}" in text
        assert f"Table definition: s3://{lake.name}/ddl/2026-02-03/orders.{dialect}.sql" in run.log


def test_dry_run_writes_nothing_and_reports_all(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_dry_run") as dag:
        for dry_run in (True, False):
            S3DestinationOperator(
                task_id=f"load_{dry_run}",
                records=[{"id": n} for n in range(25)],
                table="t",
                bucket=lake.name,
                path="{{TABLE}}/{{BATCH}}-{{UUID}}",
                format="csv",
                batch_size=10,
                dry_run=dry_run,
            )
    run = run_dag(dag)

    assert run.state == "success", run.log
    dry, wet = run.xcom("load_True"), run.xcom("load_False")
    assert {**dry, "uris": None} == {**wet, "uris": None}
    assert len(dry["uris"]) == 3
    assert len(lake.objects()) == 3


def failing_run(run_dag: RunDag, name: str, bucket: str, **arguments: Any) -> str:
    """Run a DAG whose load must fail at its first try, for good; gives the log."""
    given = {"table": "t", "path": "{{TABLE}}/{{UUID}}", "format": "json", "bucket": bucket, **arguments}
    given = {key: value for key, value in given.items() if value is not ...}
    with dag_of(f"op_fails_{name}") as dag:

        @task
        def extract(value: Any) -> Any:
            return value

        if "upstream" in given:
            given["records"] = extract(given.pop("upstream"))
        S3DestinationOperator(task_id="load", **given)
    run = run_dag(dag)
    assert run.task_states["load", -1] == "failed"
    assert run.attempts == 1
    return run.log


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("none", {"upstream": None}, "`records`: is None for table 't': 'extract' returned nothing"),
        ("text", {"upstream": "abc"}, "`records`: is 'abc'"),
        ("no_mapping", {"upstream": [{"id": 1}, 2]}, "table 't', record 1: a record must be a mapping"),
        ("jinja_list", {"records": "{{ [{'id': 1}] }}"}, "`records`: is "),
        ("misspelt", {"records": [], "path": "{{TABEL}}/{{UUID}}"}, "Did you mean {{TABLE}}?"),
        ("rendered", {"records": [], "bucket": "{{ '' }}", "path": "{{ '/' }}{{UUID}}"}, "2 faults:"),
        ("nothing_staged", {"staging_path": "nowhere/*.csv"}, "The staging path nowhere/*.csv matches no file"),
        ("no_aws", {"records": [], "aws_conn_id": "nowhere"}, "there is no connection 'nowhere'"),
        ("no_conn", {"records": [], "s3_destination_conn_id": "nowhere"}, "there is no connection 'nowhere'"),
        ("no_bucket", {"records": [{"id": 1}], "bucket": "no-such-bucket"}, "S3 answered NoSuchBucket"),
        ("two_tables", {"upstream": {"a": [], "b": []}, "table": ..., "path": "{{UUID}}"}, "the load has 2 tables"),
    ],
)
def test_what_no_retry_can_mend_fails_at_once_and_says_what_to_do(
    run_dag: RunDag, lake: Bucket, name: str, arguments: dict[str, Any], said: str
) -> None:
    log = failing_run(run_dag, name, **{"bucket": lake.name, **arguments})

    assert said in log
    assert lake.objects() == {}


def test_a_record_that_cannot_be_written_stops_its_batch_and_is_named(run_dag: RunDag, lake: Bucket) -> None:
    records: list[dict[str, Any]] = [{"id": n} for n in range(10)]
    records[7]["id"] = 3j
    log = failing_run(run_dag, "bad_value", records=iter(records), bucket=lake.name, batch_size=4)

    assert "table 't', record 7, column 'id': there is no rule for complex: 3j." in log
    assert all(b"4" not in data for data in lake.objects().values())


def test_a_malformed_staged_line_is_named_with_its_file(run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id": 1}\n\n{"id": \n')
    log = failing_run(run_dag, "bad_line", staging_path=str(tmp_path), bucket=lake.name)

    assert f"table 't', {tmp_path}/a.ndjson, line 3: is no JSON object" in log
    assert lake.objects() == {}


@pytest.mark.parametrize(
    ("name", "partial", "expand", "said"),
    [
        ("fault", {"batch_size": 0, "delete_staging": True, "path": "{{UUID}}"}, {"table": ["a"]}, "2 faults:"),
        ("shared_key", {"no_rotate": True, "path": "x", "table": "t"}, {"columns": [["id"]]}, "the same key"),
        ("none", {"path": "{{UUID}}", "table": "t"}, {"records": [None]}, "`records`: is None for table 't'"),
    ],
)
def test_a_fault_in_mapped_arguments_fails_at_the_start_of_the_task(
    run_dag: RunDag, lake: Bucket, name: str, partial: dict[str, Any], expand: dict[str, Any], said: str
) -> None:
    given = {"records": [{"id": 1}], "bucket": lake.name, "format": "json", **partial}
    with dag_of(f"op_mapped_fails_{name}") as dag:
        S3DestinationOperator.partial(
            task_id="load", **{key: value for key, value in given.items() if key not in expand}
        ).expand(**expand)
    run = run_dag(dag)

    assert run.task_states["load", 0] == "failed"
    assert said in run.log
    assert run.attempts == 1
    assert lake.objects() == {}


def test_mapped_instances_with_no_rotate_may_differ_by_their_index(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_mapped_no_rotate") as dag:
        S3DestinationOperator.partial(
            task_id="load", table="t", bucket=lake.name, format="csv", path="x/{{ ti.map_index }}", no_rotate=True
        ).expand(records=[[{"id": 1}], [{"id": 2}]])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert lake.objects() == {"x/0": b"id\n1\n", "x/1": b"id\n2\n"}
    assert "names neither a date nor a run" not in run.log


def test_no_rotate_without_a_date_or_run_in_the_path_warns(run_dag: RunDag, lake: Bucket) -> None:
    def load(name: str, path: str) -> str:
        with dag_of(f"op_warns_{name}") as dag:
            S3DestinationOperator(
                task_id="load",
                records=[],
                table="t",
                bucket=lake.name,
                format="csv",
                path=path,
                no_rotate=True,
            )
        run = run_dag(dag)
        assert run.state == "success", run.log
        return run.log

    warning = "names neither a date nor a run"
    assert warning in load("bare", "{{TABLE}}.csv")
    assert warning not in load("jinja", "{{ ds }}/{{TABLE}}.csv")
    assert warning not in load("date", "{{YEAR}}/{{TABLE}}.csv")


def context_of(**run: Any) -> Any:
    """Return the least context that the operator needs, and maybe a run."""
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="load", map_index=-1, try_number=1)
    return {"ti": ti, **({"dag_run": SimpleNamespace(**run)} if run else {})}


def test_a_context_with_nothing_but_the_task_instance_is_enough(lake: Bucket) -> None:
    one = S3DestinationOperator(
        task_id="load", records=[{"id": 1}], table="t", bucket=lake.name, path="{{UUID}}.csv", format="csv"
    )
    report = one.execute(context_of())

    assert list(lake.objects().values()) == [b"id\n1\n"]
    assert report["uris"] == [f"s3://{lake.name}/{next(iter(lake.objects()))}"]


def test_dates_are_those_of_the_run_in_utc(lake: Bucket) -> None:
    one = S3DestinationOperator(
        task_id="load",
        records=[{"id": 1}],
        table="t",
        bucket=lake.name,
        path="{{YEAR}}-{{MONTH}}-{{DAY}}T{{HOUR}}{{MINUTE}}",
        format="csv",
        no_rotate=True,
    )
    tokyo = timezone(timedelta(hours=9))
    one.execute(context_of(logical_date=datetime(2026, 1, 1, 3, 7, tzinfo=tokyo), run_after=None))
    one.execute(context_of(logical_date=None, run_after=datetime(2026, 5, 6, 7, 8, tzinfo=timezone.utc)))

    partition = datetime(2026, 3, 1, 9, 0, tzinfo=tokyo)
    due = datetime(2026, 5, 7, tzinfo=timezone.utc)
    one.execute(context_of(logical_date=None, partition_key="k", partition_date=partition, run_after=due))
    one.execute(context_of(logical_date=due, partition_key="k", partition_date=partition + timedelta(1), run_after=due))

    dates = ["2025-12-31T1807", "2026-03-01T0000", "2026-03-02T0000", "2026-05-06T0708"]
    assert sorted(lake.objects()) == dates
    with pytest.raises(Exception, match=r"has \{\{YEAR\}\}, but the run is about the partition 'eu', of which Airflow"):
        one.execute(context_of(logical_date=None, partition_key="eu", run_after=due))
    with pytest.raises(Exception, match=r"has \{\{DAY\}\}, but the run has neither a logical date nor a run_after"):
        one.execute(context_of())


@pytest.mark.parametrize("frame", ["pandas", "pyarrow"])
def test_data_frames_arrive(lake: Bucket, frame: str) -> None:
    library = pytest.importorskip(frame)
    columns = {"id": [1, 2, 3], "name": ["a", None, ""]}
    records = library.DataFrame(columns) if frame == "pandas" else library.table(columns)
    one = S3DestinationOperator(
        task_id="load", records=records, table="t", bucket=lake.name, path="{{UUID}}.csv", format="csv"
    )
    one.execute(context_of())

    assert list(lake.objects().values()) == [b'id,name\n1,a\n2,\n3,""\n']


def test_literal_records_stay_out_of_the_serialized_dag() -> None:
    with dag_of("op_serialized") as dag:
        secret = [{"secret": "s3cr3t"}]
        common: dict[str, Any] = {"bucket": "lake", "path": "{{TABLE}}/{{UUID}}", "format": "json"}
        S3DestinationOperator(task_id="plain", records=secret, table="t", **common)
        S3DestinationOperator(task_id="tables", records={"t": secret}, **common)
        S3DestinationOperator.partial(task_id="mapped", records=secret, **common).expand(table=["a", "b"])
        S3DestinationOperator.partial(task_id="expanded", table="t", **common).expand(records=[secret, secret])
        S3DestinationOperator.partial(task_id="kwargs", **common).expand_kwargs([{"table": "t", "records": secret}])

        @task
        def extract() -> dict[str, str]:
            return {}

        extracted = extract()
        S3DestinationOperator(task_id="mixed", table="t", records=[extracted, *secret], **common)
        S3DestinationOperator(task_id="inside", table="t", records=[{"a": extracted, **secret[0]}], **common)
    serialized = json.dumps(versions.serialized(dag), default=str)

    assert "s3cr3t" not in serialized
    assert "1 records" in serialized
    assert dag.task_dict["inside"].upstream_task_ids == dag.task_dict["mixed"].upstream_task_ids == {"extract"}


def test_literal_records_that_airflow_can_t_serialize_can_be_expanded_over() -> None:
    pandas = pytest.importorskip("pandas")
    records = [{"when": pandas.NaT}]  # Airflow can't serialize a DAG that holds this
    common: dict[str, Any] = {"bucket": "lake", "path": "{{TABLE}}/{{UUID}}", "format": "json"}
    with dag_of("op_unserializable") as dag:
        S3DestinationOperator.partial(task_id="expand", table="t", **common).expand(records=[records])
        S3DestinationOperator.partial(task_id="kwargs", **common).expand_kwargs([{"table": "t", "records": records}])

    assert json.dumps(versions.serialized(dag)).count("<1 records>") == 2


def test_a_copy_of_the_operator_shares_its_records(lake: Bucket) -> None:
    def generate() -> Any:
        yield {"id": 1}

    generator, of_table = generate(), generate()
    common: dict[str, Any] = {"bucket": lake.name, "path": "{{TABLE}}/{{UUID}}", "format": "json"}
    one = S3DestinationOperator(task_id="one", records=generator, table="t", **common)
    several = S3DestinationOperator(task_id="several", records={"u": of_table}, **common)

    assert copy.deepcopy(one).records.value is generator
    assert copy.deepcopy(several).records["u"].value is of_table
    copy.deepcopy(one).execute(context_of())
    assert json_records(lake) == [{"id": 1}]


def test_on_kill_stops_the_load_and_the_task_can_be_tried_again(lake: Bucket) -> None:
    one: S3DestinationOperator

    def endless() -> Any:
        number = 0
        while True:
            number += 1
            if number == 5_000:
                one.on_kill()
            yield {"id": number}

    one = S3DestinationOperator(
        task_id="load",
        records=endless(),
        table="t",
        columns=["id"],
        bucket=lake.name,
        path="{{UUID}}.csv",
        format="csv",
        batch_size=1_000,
    )
    with pytest.raises(Exception, match="The load was stopped") as caught:
        one.execute(context_of())

    assert type(caught.value).__name__ == "LoadStoppedError"
    assert len(lake.objects()) <= 5


def test_csv_columns_follow_the_columns_argument(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("op_columns") as dag:
        S3DestinationOperator(
            task_id="load",
            records=[{"a": 1, "b": 2, "c": 3}, {"c": 4}],
            columns=["c", "a", "late"],
            table="t",
            bucket=lake.name,
            path="{{UUID}}",
            format="csv",
            format_spec={"delimiter": ";"},
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    [content] = lake.objects().values()
    rows = list(csv.reader(io.StringIO(content.decode()), delimiter=";"))
    assert rows == [["c", "a", "late"], ["3", "1", ""], ["4", "", ""]]
