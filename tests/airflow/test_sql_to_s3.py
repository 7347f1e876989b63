"""SqlToS3DestinationOperator in real DAG runs, with SQLite: what it writes, renders, refuses and never shows."""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.queries import statement_faults
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.operators.sql_to_s3_destination import SqlToS3DestinationOperator
from tests.airflow.dag_runs import dag_of
from tests.airflow.fixture_types import RunDag
from tests.integration.loading import records_in
from tests.servers import Bucket

pytest.importorskip("airflow.providers.sqlite", reason="the provider of SQLite is not installed")

JSON: dict[str, Any] = {"path": "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}", "format": "json"}


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A database with two tables, behind the connection `shop`."""
    file = tmp_path / "shop.db"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(file)}))
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE orders (id INTEGER, day TEXT, note TEXT)")
        rows = [(number, f"2026-02-0{number % 5}", f"100% of {number}") for number in range(25_000)]
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        database.execute("CREATE TABLE items (id INTEGER, name TEXT)")
        database.commit()
        yield database


def sql_task(lake: Bucket | None = None, **arguments: Any) -> SqlToS3DestinationOperator:
    """Make the operator's task."""
    bucket = "lake" if lake is None else lake.name
    return SqlToS3DestinationOperator(
        **{"task_id": "load", "sql_conn_id": "shop", "bucket": bucket, **JSON, **arguments}
    )


def decorated(lake: Bucket) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator."""
    decorator: Any = task.s3_destination(table="t", bucket=lake.name, **JSON)
    return cast("Callable[[Callable[..., Any]], Any]", decorator)


def test_queries_files_and_templates(run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    (tmp_path / "orders.sql").write_text(
        "SELECT id, note FROM orders WHERE day = '{{ ds }}' AND note LIKE '100% of %'\n"
    )
    with DAG("sql", schedule=None, template_searchpath=str(tmp_path)) as dag:
        queries = {"orders": "orders.sql", "items": "SELECT *, '{{ params.x }}' AS x FROM items"}
        sql_task(lake, sql=queries, params={"x": 1})
    run = run_dag(dag)

    assert run.state == "success", run.log
    expected = [{"id": number, "note": f"100% of {number}"} for number in range(25_000) if number % 5 == 3]
    assert sorted(records_in(lake, "raw/orders/"), key=lambda record: record["id"]) == expected
    report = run.xcom("load")["tables"]
    assert (report["items"]["records"], list(report["items"]["columns"])) == (0, ["id", "name", "x"])
    assert "WHERE day = '2026-02-03'" in run.rendered("load")["sql"]["orders"]


def test_parameters_are_templates_that_nothing_shows(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("parameters") as dag:
        sql = "SELECT count(*) AS n, max(day) AS day FROM orders WHERE day = :day AND 'top' || 'secret' = :secret"
        sql_task(lake, sql=sql, table="days", parameters={"day": "{{ ds }}", "secret": "topsecret"})
    run = run_dag(dag)

    assert records_in(lake, "raw/") == [{"n": 5000, "day": "2026-02-03"}]
    assert run.rendered("load")["parameters"] == "<2 parameters>"
    assert "topsecret" not in run.log

    with dag_of("broken") as dag:
        sql_task(lake, sql="SELECT absent FROM orders WHERE day = :secret", table="t", parameters={"secret": "absent"})
    run = run_dag(dag)

    assert "The query of table 't' failed: OperationalError: no such column: ***" in run.log


def test_what_came_from_a_task_is_no_template_and_no_file(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("data") as dag:

        @task
        def query() -> Any:
            return "SELECT '{{ ds }}' AS x"

        @task
        def queries() -> Any:
            return [{"sql": "SELECT '{{ ds }}' AS x"}, {"sql": "secrets.sql"}]

        sql_task(lake, sql={"a": query(), "b": "SELECT '{{ ds }}' AS x"})
        SqlToS3DestinationOperator.partial(
            task_id="mapped", sql_conn_id="shop", bucket=lake.name, table="c", parameters=None, **JSON
        ).expand_kwargs(queries())
    run = run_dag(dag)

    texts = {table: [record["x"] for record in records_in(lake, f"raw/{table}/")] for table in "abc"}
    assert texts == {"a": ["{{ ds }}"], "b": ["2026-02-03"], "c": ["{{ ds }}"]}
    assert run.task_states["mapped", 1] == "failed"
    assert "'secrets.sql', which came at run time" in run.log


def test_a_mapped_task_renders_what_stands_in_the_dag(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("mapped") as dag:
        SqlToS3DestinationOperator.partial(
            task_id="load", sql_conn_id="shop", bucket=lake.name, parameters=["{{ ds }}"], **JSON
        ).expand_kwargs([{"table": name, "sql": f"SELECT '{{{{ ds }}}}' AS {name}, ? AS p"} for name in ("a", "b")])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert records_in(lake, "raw/a/") == [{"a": "2026-02-03", "p": "2026-02-03"}]


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        ({"sql": ""}, ["`sql`: is ''."]),
        ({"sql": {"a": "SELECT 1", "b": None}}, ["`sql`: has None for table 'b'."]),
        ({"sql": {"a": "SELECT 1"}, "table": "a"}, ["`table`: is 'a' beside a mapping of tables."]),
        ({"sql": {"a": "x", "b": "y"}, "path": "{{UUID}}"}, ["`path`: has no {{TABLE}}, but the load has 2 tables."]),
        ({"sql": "SELECT {{ ds"}, ["`sql`: is no Jinja that can be read"]),
        ({"sql": "absent.sql", "table": "t"}, ["`sql`: names the file 'absent.sql', which is not in "]),
        ({"sql": "SELECT 1", "table": "t", "records": []}, ["`records`: can't be given"]),
        ({"sql": "SELECT 1", "table": "t", "delete_staging": True}, ["`delete_staging`: can't be given"]),
        (
            {"sql": "SELECT 1", "table": "t", "fetch_size": 0, "parameters": "x", "hook_params": 1, "sql_conn_id": ""},
            [
                "`fetch_size`: is 0.",
                "`parameters`: is of the type str.",
                "`hook_params`: is 1.",
                "`sql_conn_id`: is ''.",
            ],
        ),
        ({"sql": "SELECT 1", "table": "t", "format": "xml"}, ["`format`"]),
    ],
)
def test_faults_of_literals_are_found_while_the_dag_is_parsed(arguments: dict[str, Any], faults: list[str]) -> None:
    with dag_of("faults"), pytest.raises(SpecError) as caught:
        sql_task(**arguments)
    for fault in faults:
        assert fault in str(caught.value)


def test_nothing_is_looked_up_while_the_dag_is_parsed_and_all_faults_come_at_once(
    run_dag: RunDag, lake: Bucket
) -> None:
    with dag_of("missing") as dag:
        sql_task(lake, sql="SELECT 1", table="t", sql_conn_id="absent", aws_conn_id="nowhere")
    run = run_dag(dag)

    assert "there is no connection 'absent'" in run.log
    assert "there is no connection 'nowhere'" in run.log


@pytest.mark.parametrize("by", ["hook", "returned", "yielded"])
def test_a_cursor_by_hand(by: str, run_dag: RunDag, lake: Bucket, tmp_path: Path) -> None:
    def connection() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "shop.db")

    query = "SELECT id, note FROM orders ORDER BY id"
    if by == "hook":
        with closing(connection()) as database:
            report = S3DestinationHook().load(records=database.execute(query), table="t", bucket=lake.name, **JSON)
        assert report.records == 25_000
    else:
        with dag_of("by_hand") as dag:

            @decorated(lake)
            def load() -> Any:
                return connection().execute(query)

            @decorated(lake)
            def load_in_order() -> Any:
                with closing(connection()) as database:
                    yield database.execute(f"{query} LIMIT 20000")
                    yield database.execute(f"{query} LIMIT 5000 OFFSET 20000")

            (load if by == "returned" else load_in_order)()
        run = run_dag(dag)
        assert run.state == "success", run.log
    stored = sorted(records_in(lake, "raw/t/"), key=lambda record: record["id"])
    assert stored == [{"id": number, "note": f"100% of {number}"} for number in range(25_000)]


def test_a_retry_says_what_may_be_in_s3_meanwhile(run_dag: RunDag, lake: Bucket, shop: sqlite3.Connection) -> None:
    with dag_of("retry") as dag:
        sql_task(lake, sql="SELECT * FROM later", table="t")
    run = run_dag(dag)

    assert run.state == "failed"
    assert "This is attempt 2. Until it succeeds, rows may be in S3 twice or not at all" in run.log


def test_after_a_success_each_row_is_there_once_whatever_the_order(run_dag: RunDag, lake: Bucket) -> None:
    sql = """
        SELECT id, json(CASE WHEN id = 20000 AND {{ ti.try_number }} = 1 THEN 'no json' ELSE id END) AS doc
        FROM orders ORDER BY id {{ 'ASC' if ti.try_number == 1 else 'DESC' }}
    """
    with dag_of("order") as dag:
        sql_task(lake, sql=sql, table="t", batch_size=3000)
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert "failed: OperationalError: malformed JSON" in run.log
    assert sorted(record["id"] for record in records_in(lake, "raw/t/")) == list(range(25_000))


@pytest.mark.parametrize(
    ("query", "statements"),
    [("SELECT 1; DELETE FROM orders;", 2), ("-- one; two\nSELECT ';' ; -- three", 1), ("SELECT 1;", 1)],
)
def test_a_query_is_one_statement_where_a_cursor_would_run_more(query: str, statements: int) -> None:
    faults = [str(fault) for fault in statement_faults({"t": query}, "postgres")]
    assert [fault.partition(" Give")[0] for fault in faults] == ["`sql`: holds 2 statements for table 't'."] * (
        statements - 1
    )


def test_the_arguments_are_those_of_the_operator_for_records_and_are_documented() -> None:
    own = inspect.signature(SqlToS3DestinationOperator.__init__.__wrapped__).parameters  # type: ignore[attr-defined]
    assert re.findall(r":param (\w+):", SqlToS3DestinationOperator.__doc__ or "") == list(own)[1:]
    assert set(SqlToS3DestinationOperator.template_fields) - set(S3DestinationOperator.template_fields) == {
        *("sql_conn_id", "sql", "parameters", "hook_params")
    }
    assert SqlToS3DestinationOperator.template_ext == ()
