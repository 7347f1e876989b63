"""``@task.s3_destination`` in real DAG runs: what a function gives is in S3, and nothing of it in XCom."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, cast

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task, task_group

from airflow_provider_s3dest.errors import SpecError
from tests.airflow import versions
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def dag_of(name: str, **arguments: Any) -> DAG:
    """Begin a DAG."""
    return DAG(f"deco_{name}", schedule=None, start_date=START, **arguments)


def destination(bucket: Bucket, **arguments: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator, with a table and JSON unless the arguments say otherwise."""
    given = {"bucket": bucket.name, "path": "{{TABLE}}/{{UUID}}", "format": "json", "table": "t", **arguments}
    decorator: Any = task.s3_destination(**{name: value for name, value in given.items() if value is not ...})
    return cast("Callable[[Callable[..., Any]], Any]", decorator)


def records(bucket: Bucket, prefix: str = "") -> list[dict[str, Any]]:
    """Read all records back, in the order of their keys."""
    return [json.loads(line) for _, data in sorted(bucket.objects(prefix).items()) for line in data.splitlines()]


def test_a_generator_streams_in_batches_and_only_the_report_is_in_xcom(run_dag: RunDag, lake: Bucket) -> None:
    seen: list[int] = []
    with dag_of("generator") as dag:

        @destination(lake, path="{{ ds }}/{{TABLE}}/{{BATCH}}-{{UUID}}", batch_size=1000)
        def load() -> Iterator[dict[str, int]]:
            for number in range(60_000):
                if number == 50_000:
                    seen.append(len(lake.keys()))
                yield {"id": number}

        load()
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert [record["id"] for record in records(lake, "2026-02-03/t/")] == list(range(60_000))
    assert seen[0] > 0, "objects are stored before the function has given its last record"
    report = run.xcom("load")
    assert (report["records"], report["objects"]) == (60_000, 60)
    assert len(json.dumps(report)) < 10_000
    assert run.rendered("load")["records"] == "<what the function gives>"


@pytest.mark.parametrize("gives", ["list", "tables", "generators", "nothing"])
def test_what_the_operator_takes_as_records_a_function_may_return(run_dag: RunDag, lake: Bucket, gives: str) -> None:
    given: dict[str, Any] = {
        "list": [{"id": 1}],
        "tables": {"t": [{"id": 1}], "u": [{"id": 2}]},
        "generators": {"t": iter([{"id": 1}]), "u": iter([{"id": 2}])},
        "nothing": [],
    }
    with dag_of(gives) as dag:

        @destination(lake, table=... if isinstance(given[gives], dict) else "t")
        def load() -> dict[str, Any]:
            result: dict[str, Any] = given[gives]
            return result

        load()
    run = run_dag(dag)

    assert run.state == "success", run.log
    wanted = {"list": [1], "nothing": []}.get(gives, [1, 2])
    assert [record["id"] for record in records(lake)] == wanted
    assert run.xcom("load")["records"] == len(wanted)
    # An annotation of the records must not scatter the report over XComs.
    assert run.xcom("load", key="records") is None


def test_arguments_are_rendered_and_the_context_is_handed_over(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("arguments", params={"table": "orders"}) as dag:

        @task
        def limit() -> int:
            return 2

        @destination(lake, table="{{ params.table }}")
        def load(
            count: int, day: str, *, text: str, ti: Any = None, params: Any = None, **context: Any
        ) -> Iterator[dict[str, Any]]:
            for number in range(count):
                yield {"id": number, "day": day, "text": text, "of": ti.task_id, "run": context["run_id"], **params}

        load(limit(), "{{ ds }}", text="{{ ds_nodash }}")
    run = run_dag(dag)

    assert run.state == "success", run.log
    same = {"day": "2026-02-03", "text": "20260203", "of": "load", "run": run.run_id, "table": "orders"}
    assert records(lake, "orders/") == [{"id": number, **same} for number in (0, 1)]


def test_a_mapped_function_writes_names_apart(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("mapped") as dag:

        @task
        def numbers() -> list[int]:
            return [2, 3]

        @destination(lake)
        def load(factor: int, number: int) -> Iterator[dict[str, int]]:
            yield {"id": factor * number}

        load.partial(factor=10).expand(number=numbers())
        load.override(task_id="kwargs").expand_kwargs([{"factor": 1, "number": 4}, {"factor": 1, "number": 5}])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert sorted(record["id"] for record in records(lake)) == [4, 5, 20, 30]
    assert [run.xcom("load", index)["records"] for index in (0, 1)] == [1, 1]


def test_a_mapped_function_may_name_its_table_by_its_arguments(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("mapped_table") as dag:

        @destination(lake, table="{{ task.op_kwargs['name'] }}", path="{{TABLE}}.json", no_rotate=True)
        def load(name: str) -> list[dict[str, str]]:
            return [{"of": name}]

        load.expand(name=["a", "b"])

        @destination(lake, path="{{TABLE}}.json", no_rotate=True)
        def not_apart(name: str) -> list[dict[str, str]]:
            return [{"of": name}]

        not_apart.expand(name=["a", "b"])
    run = run_dag(dag)

    assert {state for (name, _), state in run.task_states.items() if name == "load"} == {"success"}, run.log
    assert lake.objects() == {"a.json": b'{"of":"a"}\n', "b.json": b'{"of":"b"}\n'}
    assert "gives all mapped instances the same key" in run.log


def test_functions_in_task_groups_plain_and_mapped(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("groups") as dag:

        @destination(lake)
        def load(name: str) -> Iterator[dict[str, str]]:
            yield {"of": name}

        @task_group
        def group(name: str) -> None:
            load(name)

        group("plain")
        group.override(group_id="mapped").expand(name=["a", "b"])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert sorted(record["of"] for record in records(lake)) == ["a", "b", "plain"]
    assert run.xcom("group.load")["records"] == 1
    assert [run.xcom("mapped.load", index)["records"] for index in (0, 1)] == [1, 1]


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_generator_that_raises_fails_the_task_with_its_own_error(run_dag: RunDag, lake: Bucket, atomic: bool) -> None:
    with dag_of(f"raises_{atomic}") as dag:

        @destination(lake, atomic=atomic, batch_size=1000, state_path=None if versions.KEEPS_STATE else "state")
        def load() -> Iterator[dict[str, int]]:
            yield from ({"id": number} for number in range(20_000))
            raise LookupError("the source has gone away")

        load()
    run = run_dag(dag)

    assert run.task_states == {("load", -1): "failed"}
    assert "LookupError: the source has gone away" in run.log
    assert "S3DestinationError" not in run.log
    assert "AirflowFailException" not in run.log
    assert bool(lake.keys("t/")) != atomic
    assert lake.server.client().list_multipart_uploads(Bucket=lake.name).get("Uploads", []) == []


def test_a_function_that_fails_is_called_anew_by_a_retry(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("retry", default_args={"retries": 1, "retry_delay": timedelta(0)}) as dag:

        @destination(lake, batch_size=1000)
        def load(ti: Any = None) -> Iterator[dict[str, int]]:
            yield from ({"id": number} for number in range(20_000))
            if ti.try_number == 1:
                raise ConnectionError("not now")

        load()
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert len(lake.keys()) == 20
    assert sorted(record["id"] for record in records(lake)) == list(range(20_000))


def test_a_function_may_skip_its_task(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("skips") as dag:

        @destination(lake)
        def load() -> Iterator[dict[str, int]]:
            yield from ()
            raise AirflowSkipException("nothing today")

        load()
    run = run_dag(dag)

    assert run.task_states == {("load", -1): "skipped"}
    assert lake.keys() == []


@pytest.mark.parametrize(
    ("name", "gives", "said"),
    [
        ("none", None, "`records`: is None for table 't': the function of task 'load' returned nothing."),
        ("text", "abc", "`records`: is 'abc'"),
        ("row", [{"id": 1}, 2], "table 't', record 1: a record must be a mapping"),
        ("tables", {"u": []}, "`table`: is 't' beside a mapping of tables."),
    ],
)
def test_what_is_no_records_is_an_error_that_says_so(
    run_dag: RunDag, lake: Bucket, name: str, gives: Any, said: str
) -> None:
    with dag_of(f"no_records_{name}", default_args={"retries": 3}) as dag:
        destination(lake)(lambda: gives).override(task_id="load")()
    run = run_dag(dag)

    assert run.task_states == {("load", -1): "failed"}, "it is final"
    assert said in run.log
    assert lake.keys() == []


def test_no_table_among_several_may_be_none(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("none_of_tables") as dag:
        destination(lake, table=...)(lambda: {"t": [], "u": None}).override(task_id="load")()
        destination(lake, table=...)(lambda: None).override(task_id="bare")()
    run = run_dag(dag)

    assert "`records`: is None for table 'u': the function of task 'load' returned nothing." in run.log
    assert "`records`: is None: the function of task 'bare' returned nothing." in run.log


def test_what_is_wrong_in_a_run_is_told_before_the_function_works(run_dag: RunDag, lake: Bucket) -> None:
    called: list[bool] = []
    with dag_of("told_first") as dag:

        @destination(lake, path="{{ '/' }}{{UUID}}")
        def load() -> list[dict[str, int]]:
            called.append(True)
            return []

        load()
    run = run_dag(dag)

    assert run.task_states == {("load", -1): "failed"}
    assert "`path`: starts with `/`" in run.log
    assert called == []


async def _coroutine() -> list[dict[str, int]]:
    return []


@pytest.mark.parametrize(
    ("arguments", "function", "said"),
    [
        ({"batch_size": 0}, list, "`batch_size`: "),
        ({"records": []}, list, "`records`: can't be given"),
        ({"staging_path": "in/"}, list, "`staging_path`: can't be given"),
        ({}, _coroutine, "`python_callable`: is async"),
    ],
)
def test_a_fault_in_literal_arguments_is_found_at_parse_time(
    moto_bucket: Bucket, arguments: dict[str, Any], function: Any, said: str
) -> None:
    with dag_of("faults"), pytest.raises(SpecError, match=f"task 'load': {said}"):
        destination(moto_bucket, **arguments)(function).override(task_id="load")()
