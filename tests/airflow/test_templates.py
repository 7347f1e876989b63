"""Jinja, references and default arguments in real DAG runs: what they give arrives, what they can't give is final."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import jinja2
import pytest
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import dag_runs
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def dag_of(name: str, **arguments: Any) -> DAG:
    """Begin a DAG whose tasks are tried three times."""
    defaults = {"retries": 2, "retry_delay": timedelta(0), **arguments.pop("default_args", {})}
    return DAG(f"tpl_{name}", schedule=None, start_date=START, default_args=defaults, **arguments)


def good(lake: Bucket) -> dict[str, Any]:
    """Return good arguments."""
    return {
        "records": [{"id": 1}],
        "table": "t",
        "bucket": lake.name,
        "path": "{{TABLE}}/{{UUID}}",
        "format": "json",
    }


def output(name: str, value: Any) -> Any:
    """Return the output of a task that returns a value, in which no Jinja is rendered."""

    @task(task_id=f"give_{name}")
    def give() -> Any:
        return value

    return give()


FAULTS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("misspelt", {"path": "{{ tabel }}/{{UUID}}"}, ["`path`: 'tabel' is undefined in '{{ tabel }}", "mean {{TABLE}}?"]),
    ("filtered", {"path": "{{ tabel | upper }}/{{UUID}}"}, ["`path`: 'tabel' is undefined", "Did you mean {{TABLE}}?"]),
    ("table", {"table": "{{ nothing.x }}"}, ["`table`: 'nothing' is undefined", "Jinja knows what Airflow's context"]),
    ("member", {"bucket": "{{ params.x }}"}, ["`bucket`: '{{ params.x }}' can't be rendered"]),
    ("filter", {"columns": ["{{ ds | nosuch }}"]}, ["`columns`: '{{ ds | nosuch }}' can't be rendered", "nosuch"]),
    ("record", {"records": [{"a": ["{{ tabel }}"]}]}, ["`records`: 'tabel' is undefined in '{{ tabel }}'"]),
    ("spec", {"spec": {"tags": {"a": "{{ uid }}"}}}, ["`spec`: 'uid' is undefined", "Did you mean {{UUID}}?"]),
    ("unknown", {"path": "{{ds}}/{{RUN}}/{{UUID}}"}, ["`path`: unknown placeholder {{RUN}}", "Known are"]),
]


def test_what_can_t_be_rendered_is_final_and_named(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("faults") as dag:
        for name, arguments, _ in FAULTS:
            given = {**good(lake), **arguments}
            S3DestinationOperator(task_id=name, **given)
            ((expanded, value),) = arguments.items()
            del given[expanded]
            S3DestinationOperator.partial(task_id=f"mapped_{name}", **given).expand(**{expanded: [value]})
    run = run_dag(dag)

    assert set(run.task_states.values()) == {"failed"}
    for name, _, said in FAULTS:
        for task_id in (name, f"mapped_{name}"):
            lines = [line for line in run.log.splitlines() if f"AirflowFailException: task '{task_id}': " in line]
            assert lines, task_id
            assert all(text in line for text in said for line in lines)
    assert run.attempts == 1
    assert lake.objects() == {}


def test_a_mapped_instance_refuses_what_evaluates_a_placeholder(run_dag: RunDag, lake: Bucket) -> None:
    given = good(lake)
    path = given.pop("path")
    with dag_of("evaluates") as dag:
        S3DestinationOperator.partial(task_id="load", **given).expand(
            path=['{% if TABLE == "t" %}x{% endif %}/{{UUID}}', "{{ TABLE ~ ds }}/{{UUID}}", "{{ ds }}/" + path, "{{ a"]
        )
    run = run_dag(dag)

    assert [run.task_states["load", index] for index in range(4)] == ["failed", "failed", "success", "failed"]
    assert run.log.count("`path`: filters and expressions don't work on a placeholder") >= 2
    assert "`path`: '{{ a' can't be rendered" in run.log
    assert len(lake.objects()) == 1


def test_a_misspelt_placeholder_is_told_where_the_dag_renders_undefined_names_as_nothing(
    run_dag: RunDag, lake: Bucket
) -> None:
    given = {**good(lake), "path": "{{ nothing }}x/{{TABEL}}/{{UUID}}"}
    with dag_of("lenient", template_undefined=jinja2.Undefined) as dag:
        S3DestinationOperator(task_id="load", **given)
        S3DestinationOperator(task_id="good", **{**given, "path": "{{ nothing }}x/{{TABLE}}/{{UUID}}"})
    run = run_dag(dag)

    assert (run.task_states["load", -1], run.task_states["good", -1]) == ("failed", "success"), run.log
    assert "unknown placeholder {{TABEL}}" in run.log
    assert len(lake.objects("x/t/")) == 1


@pytest.mark.parametrize("native", [False, True])
def test_outputs_of_tasks_arrive_for_every_templated_argument(run_dag: RunDag, lake: Bucket, native: bool) -> None:
    with dag_of(f"outputs_{native}", render_template_as_native_obj=native) as dag:
        S3DestinationOperator(
            task_id="load",
            records=output("records", [{"a": 1, "b": 2}]),
            table=output("table", "2026"),
            columns=output("columns", ["b"]),
            spec=output("spec", {"path": "{{TABLE}}/{{UUID}}", "format": "json", "no_rotate": False}),
            bucket=output("bucket", lake.name),
            aws_conn_id=output("aws_conn_id", "aws_default"),
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    ((key, data),) = lake.objects().items()
    assert (key.split("/")[0], data) == ("2026", b'{"b":2}\n')


def test_native_rendering_gives_lists_and_leaves_plain_text_as_text(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("native", render_template_as_native_obj=True) as dag:

        @task
        def extract() -> list[dict[str, int]]:
            return [{"id": 1, "b": 2}]

        S3DestinationOperator(
            task_id="load",
            records="{{ ti.xcom_pull('extract') }}",
            table="2026",
            columns="{{ ['id'] }}",
            spec={"batch_size": "{{ 1 + 1 }}", "bucket": lake.name, "path": "{{ ds }}/{{ TABLE }}/{{UUID}}"},
            format="json",
        ).set_upstream(extract())
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert list(lake.objects("2026-02-03/2026/").values()) == [b'{"id":1}\n']


def test_numbers_and_switches_come_from_jinja_in_arguments_in_spec_and_as_text_in_a_connection(
    run_dag: RunDag, lake: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"batch_size": " 2", "format_spec": '{"skip_header": "True"}', "athena": "1"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "s3_destination", "extra": extra}))
    params = {"n": 2, "dry": True, "yes": "yes"}
    common: dict[str, Any] = {**good(lake), "records": [{"a b": n} for n in range(4)], "format": "csv"}
    common["path"] = "{{ task.task_id }}/{{UUID}}"
    spec = {"batch_size": "{{ params.n }}", "format_spec": {"skip_header": "{{ 1 }}"}, "region": "{{ 'us-east-1' }}"}
    wrong: dict[str, Any] = {"batch_size": "{{ params.dry }}", "atomic": "{{ params.yes }}"}
    wrong |= {"on_bad_record": "quarantine", "max_bad_records": "{{ 2.5 }}"}
    with dag_of("numbers", params=params, default_args={"compression_level": "{{ params.n }}"}) as dag:
        S3DestinationOperator(task_id="own", spec=spec, athena="{{ params.dry }}", **common)
        S3DestinationOperator(task_id="connection", s3_destination_conn_id="lake", **common)
        dry = S3DestinationOperator(task_id="dry", dry_run="{{ params.dry }}", **common)
        S3DestinationOperator.partial(task_id="mapped", **common).expand(dry_run=["{{ params.dry }}", "false"])
        S3DestinationOperator.partial(task_id="late", **common).expand(dry_run=output("dry", ["{{ params.dry }}"]))
        S3DestinationOperator(task_id="wrong", **wrong, **common)
    dry.dry_run()  # BaseOperator's
    run = run_dag(dag)

    failed = {name for (name, _), state in run.task_states.items() if state != "success"}
    assert failed == {"late", "wrong"}, run.log
    assert sorted(lake.objects("own/").values()) == [b"0\n1\n", b"2\n3\n"]
    assert sorted(lake.objects("connection/").values()) == [b"0\n1\n", b"2\n3\n"]
    assert [len(lake.objects(f"{name}/")) for name in ("dry", "mapped", "late", "wrong")] == [0, 1, 0, 0]
    for told in (
        "`batch_size`: input should be a valid integer, not 'True'.",
        "`atomic`: is 'yes'. Give True or False.",
        "`max_bad_records`: is 2.5.",
        "`dry_run`: is '{{ params.dry }}'.",  # what came from a task is data
    ):
        assert told in run.log
    assert {"is_dry_run": "True", "compression_level": "2"}.items() <= run.rendered("dry", -1).items()
    assert "region" not in run.rendered("dry", -1)


def test_default_arguments_of_the_dag_carry_arguments(run_dag: RunDag, lake: Bucket) -> None:
    defaults = {"bucket": lake.name, "format": "json", "path": "{{TABLE}}/{{UUID}}", "spec": {"compression": "gzip"}}
    with dag_of("defaults", default_args=defaults) as dag:
        S3DestinationOperator(task_id="load", records=[{"id": 1}], table="a")
        S3DestinationOperator.partial(task_id="mapped", records=[{"id": 1}]).expand(table=["b", "c"])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert {key.split("/")[0]: data[:2] for key, data in lake.objects().items()} == dict.fromkeys("abc", b"\x1f\x8b")


def test_the_run_tells_all_faults_together(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("all_faults") as dag:
        S3DestinationOperator(
            task_id="load",
            records={"a": output("a", None), "b": output("b", 5), "c": output("c", None)},
            bucket="{{ '' }}",
            path="{{ 'x' }}",
            spec=output("spec", {"kind": "source", "spec": {"spec": {"acl": "x", "region": "${R}"}}}),
            s3_destination_conn_id="nowhere",
            aws_conn_id="{{ 'nowhere_either' }}",
        )
    run = run_dag(dag)

    assert run.task_states["load", -1] == "failed"
    for told in (
        "`kind`: is 'source'",
        "`region`: ${R}",
        "`bucket`: string should have at least 1 character",
        "`acl`: 'x' is no canned ACL",
        "`records`: is None for table 'a': 'give_a' returned nothing",
        "`records`: is a mapping with 5 under 'b'",
        "`records`: is None for table 'c': 'give_c' returned nothing",
        "`path`: has no {{TABLE}}, but the load has 3 tables",
        "`s3_destination_conn_id`: there is no connection 'nowhere'",
        "`aws_conn_id`: there is no connection 'nowhere_either'",
    ):
        assert f"  - {told}" in run.log


def test_a_task_group_mapped_over_a_list_of_outputs_is_told_that_airflow_resolves_none(
    run_dag: RunDag, lake: Bucket
) -> None:
    given = good(lake)
    del given["records"]
    with dag_of("unresolved") as dag:

        @task_group
        def group(records: Any) -> None:
            S3DestinationOperator(task_id="load", records=records, **given)

        group.expand(records=[output("a", [])])
    run = run_dag(dag)

    assert run.task_states["group.load", 0] == "failed"
    assert "which Airflow does not resolve. Map the task group over one output" in run.log
    assert run.attempts == 1


def test_no_record_lies_in_the_metadata_database_but_in_xcom(run_dag: RunDag, lake: Bucket) -> None:
    hidden = uuid4().hex  # not to be found in the code of this file, which the database holds
    secret = [{"secret": hidden, "day": "{{ ds }}"}]
    common = {key: value for key, value in good(lake).items() if key not in ("records", "table")}
    with dag_of("secret") as dag:

        @task(show_return_value_in_logs=False)
        def extract() -> list[dict[str, str]]:
            return [{"secret": hidden}]

        @task_group
        def group(records: Any) -> None:
            S3DestinationOperator(task_id="load", records=records, table="t", **common)

        S3DestinationOperator(task_id="plain", records=secret, table="t", **common)
        S3DestinationOperator(task_id="tables", records={"t": secret, "u": extract()}, **common)
        S3DestinationOperator(task_id="jinja", records="{{ ti.xcom_pull('extract') }}", table="t", **common)
        S3DestinationOperator.partial(task_id="partial", records=secret, **common).expand(table=["a", "b"])
        S3DestinationOperator.partial(task_id="expand", table="t", **common).expand(records=[secret, secret])
        S3DestinationOperator.partial(task_id="kwargs", **common).expand_kwargs([{"table": "t", "records": secret}])
        S3DestinationOperator.partial(task_id="output", table="t", **common).expand(
            records=extract.override(task_id="extract_lists")().map(lambda record: [record])
        )
        group.expand(records=extract.override(task_id="extract_other")().map(lambda record: [record]))
    dag.task_dict["jinja"].set_upstream(dag.task_dict["extract"])
    run = run_dag(dag)

    failed = {name for (name, _), state in run.task_states.items() if state != "success"}
    assert failed == {"jinja"}, run.log  # a text is no list
    for task_id, map_index in run.task_states:
        if not task_id.startswith("extract"):
            assert hidden not in json.dumps(run.rendered(task_id, map_index), default=str), task_id
    assert hidden not in dag_runs.database_text(without="xcom")
