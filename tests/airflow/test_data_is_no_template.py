"""Data is never a template: hostile texts through every way of passing a value, in real DAG runs.

Each way of passing is a task of one DAG. All of them carry all hostile texts, in keys and in values, and each load must
store the very texts. The secrets that the texts ask for are nowhere: not in objects, XComs, rendered fields or logs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.hidden_records import reveal
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import dag_runs
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

HOSTILE = [
    "{{ conn.vault.password }}",
    "{{ var.value.x }}",
    "{{ 7*7 }}",
    "{% if true %}{{ var.value.x }}{% endif %}",
    "{% set a = conn.vault.password %}{{ a }}",
    "{# gone #}",
    "{{ '{{ var.value.x }}' }}",
    "{{ ti.xcom_pull('give_secret') }}",
    "{{TABLE}}",
    "{{ ",
    "a line end\n",
]
INNER = {"k {{ var.value.x }}": [HOSTILE, {"deep": {text: text for text in HOSTILE}}]}
KEYS = [text for text in HOSTILE if text != "{{TABLE}}"]  # our placeholders are refused in names of columns
RECORD: dict[str, Any] = {**{text: text for text in KEYS}, "nested": INNER, "table": "{{TABLE}}"}
COLUMNS = list(RECORD)
TABLE = "t {# gone #}{% if true %}x{% endif %}"  # two pairs of braces are refused in any table name
RENDERED = {"day": "2026-02-03", "id": "{{ 7*7 }}"}
WRITTEN = {"day": "{{ ds }}", "id": "{{ '{{ 7*7 }}' }}"}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the hostile texts ask for: the password of a connection, and a variable."""
    password, variable = uuid4().hex, uuid4().hex
    monkeypatch.setenv("AIRFLOW_CONN_VAULT", json.dumps({"conn_type": "generic", "password": password}))
    monkeypatch.setenv("AIRFLOW_VAR_X", variable)
    return [password, variable]


def give(name: str, value: Any) -> Any:
    """Return the output of a task that returns a value."""

    @task(task_id=f"give_{name}", show_return_value_in_logs=False)
    def returned() -> Any:
        return value

    return returned()


def each(name: str, values: list[Any]) -> Any:
    """Return the gathered output of a mapped task that returns one of the values in each instance."""

    @task(task_id=f"each_{name}", show_return_value_in_logs=False)
    def returned(index: int) -> Any:
        return values[index]

    return returned.expand(index=list(range(len(values))))


def stored(lake: Bucket, name: str) -> list[Any]:
    """Return the records that a task stored."""
    return [json.loads(line) for data in lake.objects(f"{name}/").values() for line in data.splitlines()]


def assert_nothing_leaked(lake: Bucket, log: str, secrets: list[str]) -> None:
    """Search all that a run left."""
    left = log + dag_runs.database_text(without="")
    left += "".join(key + data.decode("utf-8", "replace") for key, data in lake.objects().items())
    assert not [secret for secret in secrets if secret in left]


def other_ways(
    common: Callable[..., dict[str, Any]],
    arguments: dict[str, Any],
    records: Any,
    table: Any,
    columns: Any,
    kwargs: Any,
) -> None:
    """Make a task for each further way of passing a value.

    :param common: returns the arguments of a task by its name.
    :param arguments: the values; the others are outputs of tasks that return them.
    """

    def load(name: str, **arguments: Any) -> Any:
        return S3DestinationOperator(**common(name, **arguments))

    def partial(name: str, **arguments: Any) -> Any:
        return S3DestinationOperator.partial(**common(name, **arguments))

    tables = give("tables", {TABLE: [RECORD], f"{TABLE}2": [RECORD]})
    lists, mapped = each("lists", [[RECORD]]), each("kwargs", [arguments])
    load("mapping", records={"t": records, "u": records})
    load("tables", records=tables)
    load("gathered", records=lists, table=table)
    load("members", records=[lists], table="t", columns=columns)
    partial("partial", records=records, columns=columns).expand(table=["t", "u"])
    partial("expand", columns=columns).expand(records=lists, table=give("list_of_tables", [TABLE]))
    partial("expand_outputs", table="t").expand(records=[records, records])
    partial("kwargs_of_each").expand_kwargs(mapped)
    partial("kwargs_map").expand_kwargs(kwargs.map(lambda one: {**one, "columns": list(one["columns"])}))
    partial("kwargs_zip").expand_kwargs(
        records.zip(give("zipped", [TABLE])).map(lambda pair: {"records": [pair[0]], "table": pair[1]})
    )
    if hasattr(type(kwargs), "concat"):
        partial("kwargs_concat").expand_kwargs(kwargs.concat(mapped))
    partial("kwargs_list").expand_kwargs(
        [{"records": records, "table": "t"}, {"records": lists, "table": "u", "columns": columns}]
    )
    partial("kwargs_over").expand_kwargs(kwargs, strict=False)
    partial("kwargs_replaced", table="{{ ds }}", columns=["{{ ds }}"]).expand_kwargs(kwargs, strict=False)
    defaults = [{"table": TABLE, "records": [RECORD], "default_args": {"columns": COLUMNS}}]
    partial("kwargs_defaults").expand_kwargs(give("defaults", defaults))

    @task_group
    def group(one: Any, columns: Any = None) -> None:
        load("in_group", records=one, table=table, columns=columns)
        load("in_group_tables", records={"t": one})

    group.partial(columns=columns).expand(one=lists)

    @task_group
    def group_kwargs(records: Any, table: Any, columns: Any) -> None:
        load("in_group_kwargs", records=records, table=table, columns=columns)

    group_kwargs.expand_kwargs(kwargs)

    def function(name: str) -> Any:
        decorator: Any = task.s3_destination(**common(name, table="t"))

        @cast("Callable[[Callable[..., Any]], Any]", decorator)
        def yielding(record: Any, text: Any = HOSTILE[0], day: Any = RENDERED["day"], **_: Any) -> Iterator[Any]:
            assert (text, day) == (HOSTILE[0], RENDERED["day"])
            yield record

        return yielding

    record, text = give("record", RECORD), give("text", HOSTILE[0])
    function("called")(record, text=text, day="{{ ds }}")
    function("called_inside")(record, day="{{ ds }}")
    function("called_expand").partial(text=text, day="{{ ds }}").expand(record=records)
    function("called_kwargs").partial(day="{{ ds }}").expand_kwargs(
        give("op_kwargs", [{"record": RECORD, "text": HOSTILE[0]}])
    )
    context = {"dag_run": HOSTILE[0], "ti": HOSTILE[1], "dag": None}
    function("called_context").partial(text=text).expand_kwargs(give("context", [{"record": RECORD, **context}]))
    function("called_over").partial(day="{{ ds }}", text="{{ ds }}").expand_kwargs(
        give("op_kwargs_over", [{"record": RECORD, "text": HOSTILE[0]}]), strict=False
    )


@pytest.mark.parametrize("native", [False, True])
def test_what_comes_at_run_time_is_stored_as_it_is(
    run_dag: RunDag, lake: Bucket, secrets: list[str], native: bool
) -> None:
    names: list[str] = []

    def common(name: str, **arguments: Any) -> dict[str, Any]:
        names.append(name)
        path = f"{name}/" + "{{ ds }}/{{TABLE}}/{{UUID}}"
        return {"task_id": name, "bucket": lake.name, "path": path, "format": "json", **arguments}

    def load(name: str, **arguments: Any) -> Any:
        return S3DestinationOperator(**common(name, **arguments))

    def partial(name: str, **arguments: Any) -> Any:
        return S3DestinationOperator.partial(**common(name, **arguments))

    arguments = {"records": [RECORD], "table": TABLE, "columns": COLUMNS}
    with DAG(
        f"data_{native}", schedule=None, start_date=dag_runs.LOGICAL_DATE, render_template_as_native_obj=native
    ) as dag:
        records, table, columns = give("records", [RECORD]), give("table", TABLE), give("columns", COLUMNS)
        kwargs = give("kwargs", [arguments])

        load("xcomarg", records=records, table=table, columns=columns)
        if native:
            load("pulled", records="{{ ti.xcom_pull('give_records') }}", table="{{ ti.xcom_pull('give_table') }}",
                 columns="{{ ti.xcom_pull('give_columns') }}").set_upstream([records, table, columns])  # fmt: skip
        else:
            load("pulled", records=records, table="{{ ti.xcom_pull('give_table') }}",
                 columns=[f"{{{{ ti.xcom_pull('give_columns')[{n}] }}}}" for n in range(len(COLUMNS))]
                 ).set_upstream([table, columns])  # fmt: skip
        partial("expand_kwargs").expand_kwargs(kwargs)
        if not native:
            other_ways(common, arguments, records, table, columns, kwargs)
    run = run_dag(dag)

    failed = {name for name, state in run.task_states.items() if state != "success"}
    assert not failed, [failed, *(line for line in run.log.splitlines() if "rror" in line)]
    for name in names:
        found = stored(lake, name)
        assert found, name
        assert all(one == RECORD for one in found), name
        assert all(key.split("/")[1] == "2026-02-03" for key in lake.keys(f"{name}/")), name
    assert_nothing_leaked(lake, run.log, secrets)


def test_what_the_dag_file_holds_is_rendered_and_its_result_is_not(
    run_dag: RunDag, lake: Bucket, secrets: list[str]
) -> None:
    common: dict[str, Any] = {"bucket": lake.name, "format": "json"}
    path = "{{ ds }}/{{TABLE}}/{{UUID}}"
    with DAG(
        "literal",
        schedule=None,
        start_date=dag_runs.LOGICAL_DATE,
        default_args={"path": path, "columns": ["day", "id"]},
    ) as dag:
        S3DestinationOperator(task_id="plain", records=[WRITTEN], table="plain-{{ ds_nodash }}", **common)
        S3DestinationOperator.partial(task_id="partial", records=[WRITTEN], **common).expand(
            table=["partial-{{ ds_nodash }}"]
        )
        S3DestinationOperator.partial(task_id="expand", **common).expand(
            table=["expand-{{ ds_nodash }}"], records=[[WRITTEN], give("record", [RENDERED])]
        )
        S3DestinationOperator.partial(task_id="expand_beside", **common).expand(
            table=["expand_beside-{{ ds_nodash }}"], records=give("records", [[RENDERED]])
        )
        S3DestinationOperator.partial(task_id="kwargs", **common).expand_kwargs(
            [
                {"table": "kwargs-{{ ds_nodash }}", "records": [WRITTEN]},
                give("kwargs", {"table": "k", "records": [RENDERED]}),
            ]
        )
        S3DestinationOperator.partial(task_id="kwargs_defaults", records=[WRITTEN], **common).expand_kwargs(
            give("tables", [{"table": "kwargs_defaults-20260203"}]), strict=False
        )
        decorator: Any = task.s3_destination(**common)

        @cast("Callable[[Callable[..., Any]], Any]", decorator)
        def function(name: str, day: str, id: str) -> dict[str, Any]:
            return {f"function-{name}": [{"day": day, "id": id}]}

        function.partial(**WRITTEN).expand(name=["{{ ds_nodash }}"])
    run = run_dag(dag)

    assert run.state == "success", run.log
    by_table: dict[str, list[Any]] = {}
    for key, data in lake.objects("2026-02-03/").items():
        by_table.setdefault(key.split("/")[1], []).extend(map(json.loads, data.splitlines()))
    made = ("plain", "partial", "expand", "expand_beside", "kwargs", "kwargs_defaults", "function")
    assert by_table == {
        **{f"{name}-20260203": [RENDERED] for name in made},
        "expand-20260203": [RENDERED, RENDERED],
        "k": [RENDERED],
    }


def test_staged_files_and_shards_are_data(run_dag: RunDag, lake: Bucket, secrets: list[str]) -> None:
    rest = "{% if true %}x{% endif %}{{ 7*7 }}{{ conn.vault.password }}"
    header = ",".join(f'"{text}"' for text in KEYS)
    lake.write(f"in/{rest}.csv", f"{header}\n{header}\n".encode())
    lake.write("in/{{TABLE}}.csv", f"{header}\n{header}\n".encode())
    with DAG("staged", schedule=None, start_date=dag_runs.LOGICAL_DATE) as dag:

        @task(show_return_value_in_logs=False)
        def shards() -> list[dict[str, Any]]:
            return S3DestinationHook().list_shards(f"s3://{lake.name}/in/", 2, table="t")

        common: dict[str, Any] = {"bucket": lake.name, "format": "json"}
        S3DestinationOperator.partial(task_id="shards_load", path="shards/{{UUID}}", **common).expand_kwargs(shards())
        staging_path = give("staging_path", f"s3://{lake.name}/in/{rest}.csv")
        S3DestinationOperator(task_id="load", staging_path=staging_path, path="load/{{UUID}}", table="t", **common)
        missing = give("missing", f"s3://{lake.name}/in/{rest}.json")
        S3DestinationOperator.partial(task_id="fail", path="x/{{UUID}}", table="t", **common).expand(
            staging_path=each("missing", [f"s3://{lake.name}/in/{rest}.json"])
        )
        S3DestinationOperator(task_id="fail_too", staging_path=missing, path="x/{{UUID}}", table="t", **common)
    run = run_dag(dag)

    failed = {name for name, state in run.task_states.items() if state != "success"}
    assert failed == {("fail", 0), ("fail_too", -1)}, run.log
    assert stored(lake, "load") == [{text: text for text in KEYS}]
    assert stored(lake, "shards") == [{text: text for text in KEYS}] * 2
    assert run.log.count(f"in/{rest}.json matches no file") >= 2
    assert_nothing_leaked(lake, run.log, secrets)


PATHS = ["path", "bucket", "quarantine_path", "state_path"]
OF_SPEC = ["manifest_path", "ddl_path", "path", "bucket"]


def test_jinja_in_a_path_that_came_at_run_time_is_an_error_that_names_the_task(
    run_dag: RunDag, lake: Bucket, secrets: list[str]
) -> None:
    good: dict[str, Any] = {
        "records": [{"a": 1}],
        "table": "t",
        "bucket": lake.name,
        "path": "ok/{{TABLE}}/{{UUID}}",
        "format": "json",
    }
    evil = "{{ conn.vault.password }}/{{TABLE}}/{{UUID}}"
    good["on_bad_record"] = "quarantine"
    plain: dict[str, dict[str, Any]] = {f"plain_{name}": {name: evil} for name in PATHS}
    plain["plain_spec"] = {"spec": {"path": evil, "bucket": HOSTILE[3], "manifest_path": evil, "ddl_path": evil}}
    kwargs: list[dict[str, Any]] = [{**good, name: evil} for name in PATHS]
    kwargs += [{**good, "path": text} for text in (HOSTILE[3], HOSTILE[5])]
    kwargs += [{key: good[key] for key in good.keys() - {name}} | {"spec": {name: evil}} for name in OF_SPEC]
    kwargs += [{**good, "default_args": {"state_path": evil}}]
    other: list[dict[str, Any]] = [
        {**good, "table": HOSTILE[0]},
        {**good, "aws_conn_id": HOSTILE[0]},
        {**good, "s3_destination_conn_id": HOSTILE[3]},
        {**good, "schema": {"a": HOSTILE[0], HOSTILE[1]: "int64"}},
        {**good, "columns": HOSTILE},
        {**good, "records": HOSTILE[0]},
        {**good, "spec": HOSTILE[0]},
        {**good, "spec": {"tags": {HOSTILE[1]: HOSTILE[0]}, "region": HOSTILE[0], "content_type": HOSTILE[0]}},
    ]
    with DAG("late_paths", schedule=None, start_date=dag_runs.LOGICAL_DATE) as dag:
        for name, arguments in plain.items():
            late = {key: give(name, value) for key, value in arguments.items()}
            kept = {key: value for key, value in good.items() if "spec" not in late or key not in ("path", "bucket")}
            S3DestinationOperator(task_id=name, **{**kept, **late})
        S3DestinationOperator.partial(task_id="mapped").expand_kwargs(give("mapped", kwargs))
        S3DestinationOperator.partial(task_id="others").expand_kwargs(give("others", other))
        pulled = S3DestinationOperator(task_id="pulled", **{**good, "path": "{{ ti.xcom_pull('give_plain_path') }}"})
        pulled.set_upstream(dag.task_dict["give_plain_path"])
        of_good = {key: value for key, value in good.items() if key != "path"}
        S3DestinationOperator.partial(task_id="mapped_path", **of_good).expand(path=each("path", [evil]))

        @task_group
        def group(path: Any) -> None:
            S3DestinationOperator(task_id="load", **{**of_good, "path": path})

        group.expand(path=each("group_path", [evil, good["path"]]))
        S3DestinationOperator(task_id="placeholders", **{**of_good, "path": give("placeholders", good["path"])})
    run = run_dag(dag)

    loads = {name: state for name, state in run.task_states.items() if not name[0].startswith(("give", "each"))}
    succeeded = {name for name, state in loads.items() if state == "success"}
    assert {name for name in succeeded if name[0] != "others"} == {("placeholders", -1), ("group.load", 1)}
    assert len(loads) == len(plain) + len(kwargs) + len(other) + 5
    assert lake.keys() == lake.keys("ok/t/")
    rule = "Jinja is rendered only in what the DAG file holds. Render it in"
    lines = {line for line in run.log.splitlines() if rule in line}
    for name, arguments in plain.items():
        for key in arguments.get("spec", arguments):
            of_task = [line for line in lines if f"came from 'give_{name}'" in line and f"`{key}`: is '{{" in line]
            assert of_task, (name, key)
    assert run.log.count("came from 'give_mapped'") >= len(kwargs)
    assert "came from 'each_path'" in run.log
    assert "came from 'each_group_path'" in run.log
    assert "which came at run time" in run.log
    assert_nothing_leaked(lake, run.log, secrets)


def test_data_in_the_spec_is_stored_as_it_is(run_dag: RunDag, lake: Bucket, secrets: list[str]) -> None:
    metadata = {f"k{number}": text for number, text in enumerate(HOSTILE[:4])}
    spec = {"bucket": lake.name, "path": "{{TABLE}}/{{UUID}}", "format": "json", "metadata": metadata}
    with DAG("spec", schedule=None, start_date=dag_runs.LOGICAL_DATE) as dag:
        common: dict[str, Any] = {"records": [{"a": 1}]}
        S3DestinationOperator(task_id="plain", table="plain", spec=give("spec", spec), **common)
        S3DestinationOperator(task_id="text", table="text", spec=give("text", json.dumps(spec)), **common)
        S3DestinationOperator(task_id="part", table="part", spec={**spec, "metadata": give("part", metadata)}, **common)
        S3DestinationOperator.partial(task_id="mapped", table="mapped", **common).expand(spec=each("spec", [spec]))
        S3DestinationOperator.partial(task_id="kwargs", table="kwargs", **common).expand_kwargs(
            give("specs", [{"spec": spec}])
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    for name in ("plain", "text", "part", "mapped", "kwargs"):
        (key,) = lake.keys(f"{name}/")
        of_object = lake.head(key)["Metadata"]
        assert {name: of_object[name] for name in metadata} == metadata
    assert_nothing_leaked(lake, run.log, secrets)


def test_a_second_rendering_leaves_the_results_of_the_first(run_dag: RunDag, lake: Bucket, secrets: list[str]) -> None:
    class Twice(S3DestinationOperator):
        def pre_execute(self, context: Any) -> None:
            self.render_template_fields(context)

    common: dict[str, Any] = {"bucket": lake.name, "path": "{{TABLE}}/{{UUID}}", "format": "json"}
    with DAG("twice", schedule=None, start_date=dag_runs.LOGICAL_DATE) as dag:
        Twice(task_id="xcomarg", records=give("records", [RECORD]), table="xcomarg", **common)
        Twice(task_id="literal", records=[WRITTEN], table="literal", **common)
        Twice.partial(task_id="mapped", **common).expand_kwargs(
            give("kwargs", [{"table": "mapped", "records": [RECORD]}])
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert stored(lake, "xcomarg") == stored(lake, "mapped") == [RECORD]
    assert stored(lake, "literal") == [RENDERED]
    assert_nothing_leaked(lake, run.log, secrets)


def test_mapped_arguments_that_take_the_dag_away_are_data_all_the_same() -> None:
    with DAG("without_dag", schedule=None, start_date=dag_runs.LOGICAL_DATE) as dag:
        S3DestinationOperator.partial(task_id="load", bucket="lake", path="{{UUID}}", format="json").expand_kwargs(
            give("kwargs", [])
        )
    definition: Any = dag.task_dict["load"]
    data = {"table": HOSTILE[2], "columns": [HOSTILE[2]], "records": [{"a": HOSTILE[2]}]}
    operator = definition.unmap({**data, "dag": None})
    operator.render_template_fields({"ti": SimpleNamespace(map_index=0)})

    assert (operator.table, operator.columns, reveal(operator.records)) == tuple(data.values())
