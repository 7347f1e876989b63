"""A fault in literal arguments is an error while the DAG is parsed; what only a run knows waits for the run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_s3dest.decorators.s3_destination import s3_destination_task
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow import versions

GOOD: dict[str, Any] = {
    "records": [{"id": 1}],
    "table": "t",
    "bucket": "lake",
    "path": "raw/{{TABLE}}/{{UUID}}.csv",
    "format": "csv",
}


def operator(**arguments: Any) -> S3DestinationOperator:
    """Build an operator with good arguments, replaced by those given."""
    given = {"task_id": "load", **GOOD, **arguments}
    return S3DestinationOperator(**{name: value for name, value in given.items() if value is not ...})


def without(*names: str) -> dict[str, Any]:
    """Return the good arguments without some."""
    return {name: value for name, value in GOOD.items() if name not in names}


def test_good_arguments_pass() -> None:
    operator()
    S3DestinationOperator(task_id="load", staging_path="x/{{TABLE}}/*.csv", **without("records", "table"))
    S3DestinationOperator(task_id="load", records={"a": [], "b": []}, **without("records", "table"))


def test_all_faults_are_listed_at_once_with_the_task() -> None:
    with pytest.raises(SpecError) as caught:
        operator(bucket="", path="/x//{{UUID|lower}}", batch_size=0, format="cvs", delete_staging=True, columns="id")

    text = str(caught.value)
    assert text.startswith("task 'load': ")
    assert {fault.key for fault in caught.value.faults} == {
        "bucket",
        "path",
        "batch_size",
        "format",
        "delete_staging",
        "columns",
    }
    assert "filters and expressions don't work on a placeholder: {{UUID|lower}}" in text
    assert "starts with `/`" in text
    assert "contains `//`" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"records": None}, "`records`: is None"),
        ({"records": "some text"}, "`records`: is 'some text'"),
        ({"table": None}, "`table`: is missing"),
        ({"table": ""}, "`table`: is ''"),
        ({"table": "{{TABLE}}"}, "`table`: holds braces"),
        ({"records": {"a": []}}, "`table`: is 't' beside a mapping of tables"),
        ({"staging_path": "x.csv"}, "`records`: is given together with `staging_path`"),
        ({"records": {"a": [], "b": []}, "table": None, "path": "{{UUID}}"}, "`path`: has no {{TABLE}}"),
        ({"path": "raw/{{TABLE}}.csv"}, "`path`: has no {{UUID}}"),
        ({"no_rotate": True}, "`path`: has {{UUID}} beside `no_rotate`"),
        ({"path": "{{TABLE}}", "no_rotate": True, "batch_size": 5}, "`batch_size`: is given beside `no_rotate`"),
        ({"bucket": None}, "`bucket`: is null"),
        ({"state_path": "s3://state/"}, "`state_path`: is 's3://state/'"),
        ({"state_path": "_state/{{TABLE}}"}, "`state_path`: holds braces"),
        (
            {"path": "raw/{{UUID}}", "state_path": "raw/_state"},
            "`state_path`: is 'raw/_state', inside",
        ),
        ({"delete_staging": True}, "`delete_staging`: has no effect without `staging_path`"),
        ({"atomic": "yes"}, "`atomic`: is 'yes'"),
        ({"manifest": "hive"}, "`manifest`: is 'hive'. Give one of redshift, s3dest."),
        ({"manifest": "redshift", "records": {"a": [], "b": []}, "table": None}, "`manifest`: is for COPY"),
        ({"spec": {"manifest_path": "/x"}}, "`manifest_path`: starts with `/`"),
        ({"spec": {"ddl_path": "/x"}}, "`ddl_path`: starts with `/`"),
        (
            {"spec": {"ddl": ["athena"], "ddl_path": "d/x"}, "records": {"a": [], "b": []}, "table": None},
            "`ddl_path`: has no {{TABLE}}, but the load has 2 tables",
        ),
        ({"spec": {"ddl": ["athena", "redshift"], "ddl_path": "d/{{UUID}}"}}, "`ddl_path`: has no {{FORMAT}}"),
        ({"spec": {"ddl": "athena"}}, "to write beside the data, as a list of athena, redshift or both."),
        ({"spec": {"ddl": ["athena"]}, "path": "{{UUID}}.csv"}, "`ddl`: needs a folder for each table"),
        (
            {"spec": {"ddl": ["redshift"]}, "path": "raw/{{UUID}}.csv", "on_bad_record": "quarantine"},
            "`quarantine_path`: is 'raw/_quarantine/{{TABLE}}/{{UUID}}.json', in the folder 'raw/' of the table",
        ),
        (
            {
                "spec": {"ddl": ["redshift"]},
                "path": "raw/{{ TABLE }}/{{UUID}}.csv",
                "on_bad_record": "quarantine",
                "quarantine_path": "raw/{{TABLE}}/_bad/{{UUID}}.json",
            },
            "in the folder 'raw/{{TABLE}}/' of the table. Redshift's COPY loads the whole folder. Give another",
        ),
        ({"path": "{{FIELD}}/{{UUID}}"}, "Write {{FIELD.name}}"),
        ({"compression": "zstd"}, "`compression`: zstd is for parquet alone"),
        ({"format": "parquet", "format_spec": {"delimiter": ";"}}, "`format_spec.delimiter`: extra inputs"),
        ({"schema": {"id": "int46"}}, "`schema`: gives 'id' the type 'int46', which is not an Arrow type"),
        ({"schema": {"id": "int64"}, "columns": ["id", "x"]}, "`columns`: names ['x'], but `schema` does not"),
        ({"spec": {"bukket": "x"}}, "Did you mean `bucket`?"),
        ({"spec": 7}, "`spec`: is int"),
        ({"path": "raw/{{ ds }}//{{TABLE|lower}}/{{UUID}}"}, "contains `//`"),
        ({"records": {"id": 1, "name": "x"}}, "`records`: is a mapping with 1 under 'id', 'x' under 'name'"),
        ({"records": {"orders": None}, "table": None}, "`records`: is None for table 'orders'"),
        ({"records": {"t": "abc"}, "table": None}, "`records`: is a mapping with 'abc' under 't'"),
        ({"records": ..., "staging_path": "a/x.xlsx"}, "'a/x.xlsx' has an unknown ending"),
        ({"records": ..., "staging_path": "s3://"}, "`staging_path`: 's3://' names no bucket"),
        ({"aws_conn_id": 5}, "`aws_conn_id`: is 5"),
        ({"s3_destination_conn_id": 5}, "`s3_destination_conn_id`: is 5"),
        ({"dry_run": "no"}, "`dry_run`: is 'no'"),
        ({"batch_size": "ten"}, "`batch_size`: input should be a valid integer, not 'ten'."),
        ({"batch_size": "1.0"}, "`batch_size`: input should be a valid integer, not '1.0'."),
        ({"batch_size": "0"}, "`batch_size`: input should be greater than or equal to 1, not 0."),
        ({"athena": "yes"}, "`athena`: input should be a valid boolean, not 'yes'."),
        (
            {"spec": {"format_spec": {"skip_header": "on"}}},
            "`format_spec.skip_header`: input should be a valid boolean",
        ),
        ({"max_bad_records": "2.5", "on_bad_record": "quarantine"}, "`max_bad_records`: is 2.5."),
        ({"tags": {"a": "{{ x y }}"}}, "`tags`: is no Jinja that can be read"),
        ({"shard": True}, "`shard`: has no effect without `staging_path`"),
        ({"colums": ["id"]}, "`colums`: is no argument. Did you mean `columns`?"),
        ({"retrys": 3}, "`retrys`: is no argument. Did you mean `retries`?"),
        (
            {"endpoint": "http://x"},
            "`endpoint`: is no argument. Set `endpoint_url` in the extra of the AWS connection.",
        ),
        ({"zzzzzz": 3}, "`zzzzzz`: is no argument. Leave it out"),
        ({"bucket": "${BUCKET}"}, "`bucket`: ${BUCKET} is CloudQuery's variable and is not replaced here. Use Jinja"),
        ({"state_path": "s3://b/${X}"}, "`state_path`: ${X}"),
        ({"columns": ["{{TABLE}}"]}, "`columns`: holds braces"),
        ({"aws_conn_id": "{{TABLE}}"}, "`aws_conn_id`: holds braces"),
        ({"path": '{% if TABLE == "t" %}a{% endif %}/{{UUID}}'}, 'don\'t work on a placeholder: {% if TABLE == "t" %}'),
        ({"path": "{{ TABLE ~ ds }}/{{UUID}}"}, "`path`: filters and expressions don't work"),
        ({"path": '{{ "x" if UUID }}/{{UUID}}'}, "Write {{UUID}} alone"),
        ({"bucket": "{{ BATCH ~ ds }}"}, "`bucket`: filters and expressions don't work"),
        ({"records": [{"a": [{"b": "{{ TABLE | upper }}"}]}]}, "`records`: filters and expressions don't work"),
        ({"path": "raw/{{ ds }/{{UUID}}"}, "`path`: is no Jinja that can be read, line 1"),
        ({"table": "{{ ds"}, "`table`: is no Jinja that can be read"),
        ({"records": [{"a": "{% if %}"}]}, "`records`: is no Jinja that can be read"),
        ({"spec": {"region": "{{ a b }}"}}, "`region`: is no Jinja that can be read"),
        ({"spec": "bucket: '{{ a b }}'", "bucket": ...}, "`bucket`: is no Jinja that can be read"),
        ({"spec": "bucket: {{ a b }}"}, "`spec`: is no Jinja that can be read"),
    ],
)
def test_a_fault_in_a_literal_is_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        operator(**arguments)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("task 'load': ")


def test_faults_of_spec_jinja_records_and_arguments_are_told_together() -> None:
    with pytest.raises(SpecError) as caught:
        operator(
            spec={"kind": "destination", "spec": {"nam": "s3", "spec": {"athena": "yes", "region": "${R}"}}},
            bucket="{{ a b }}",
            path="/{{ TABLE ~ ds }}",
            records=[{"id": 1}, 2],
            columns=[],
            aws_conn_id=5,
        )
    assert sorted(fault.key for fault in caught.value.faults) == sorted(
        ["nam", "region", "bucket", "path", "path", "athena", "aws_conn_id", "columns", "records"]
    )


def test_what_comes_at_run_time_is_taken_for_every_argument_but_asset() -> None:
    with DAG("parse_output", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

        @task
        def extract() -> int:
            return 5

        names = ("batch_size", "format", "no_rotate", "atomic", "dry_run", "on_bad_record", "manifest", "tags")
        for name in names:
            built = operator(task_id=name, **{name: extract()})
            assert len(built.upstream_task_ids) == 1, name
            operator(task_id=f"jinja_{name}", **{name: "{{ params.x }}"})
            mapped = S3DestinationOperator.partial(
                task_id=f"partial_{name}", **without("table", name), **{name: built.output}
            )
            assert built.task_id in mapped.expand(table=["a"]).upstream_task_ids, name
        with pytest.raises(SpecError, match="`asset`: "):
            operator(task_id="asset", asset=extract())


def test_texts_that_stand_for_numbers_and_switches_are_judged_as_these() -> None:
    operator(batch_size=" 10\n", athena="True", dry_run="false", max_retries="0", format_spec={"skip_header": "1"})
    operator(on_bad_record="quarantine", max_bad_records="0.5")
    operator(spec={"no_rotate": "true", "batch_size": "5"}, no_rotate="0")
    with pytest.raises(SpecError) as caught:
        operator(no_rotate="1", batch_size="5")
    assert [fault.key for fault in caught.value.faults] == ["batch_size", "path"]


def test_misspelt_arguments_are_told_with_the_other_faults_wherever_they_are_given() -> None:
    with pytest.raises(SpecError) as caught:
        operator(colums=["id"], bacth_size=5, bucket="a/b", owner="me")
    assert {fault.key for fault in caught.value.faults} == {"colums", "bacth_size", "bucket"}
    with DAG("parse_misspelt", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        given: dict[str, Any] = {"task_id": "load", **without("table")}
        calls: list[Callable[[], Any]] = [
            lambda: S3DestinationOperator.partial(**given, regoin="x"),
            lambda: S3DestinationOperator.partial(**given).expand(regoin=["x"]),
            lambda: S3DestinationOperator.partial(**given).expand_kwargs([{"table": "t"}, {"regoin": "x"}]),
            lambda: s3_destination_task(table="t", regoin="x"),
            lambda: S3DestinationHook().load(**without(), regoin="x"),
        ]
        for call in calls:
            with pytest.raises(SpecError, match=r"`regoin`: is no argument\. Did you mean `region`\?"):
                call()


def test_tables_of_tasks_are_known_by_name_before_the_run() -> None:
    with DAG("parse_tables", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

        @task
        def extract() -> list[dict[str, int]]:
            return []

        with pytest.raises(SpecError) as caught:
            operator(records={"a": extract(), "..": extract(), "c": None}, table=None, path="{{UUID}}")
    assert [fault.key for fault in caught.value.faults] == ["records", "table", "path"]


def test_jinja_of_the_dag_s_own_making_is_read_with_its_environment() -> None:
    options = {"extensions": ["jinja2.ext.do"]}
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with DAG("parse_extension", schedule=None, start_date=start, jinja_environment_kwargs=options):
        operator(path="{% do [] %}{{UUID}}")


def test_a_dag_whose_arguments_are_wrong_shows_as_an_import_error(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        """
from datetime import datetime, timezone
from pathlib import Path
from airflow.providers.common.compat.sdk import DAG
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

with DAG("wrong", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args={"bucket": "a/b"}):
    S3DestinationOperator(task_id="load", records={"id": 1}, table="t", path="/{{ TABLE ~ ds }}", format="cvs")
"""
    )
    ((path, error),) = versions.parsed(str(tmp_path)).import_errors.items()
    assert path == str(file)
    assert "task 'load': 5 faults:" in error
    for key in ("bucket", "path", "format", "records"):
        assert f"- `{key}`: " in error


def test_a_literal_record_that_is_no_mapping_is_named_by_its_index() -> None:
    with pytest.raises(SpecError, match="table 't', record 1: a record must be a mapping"):
        operator(records=[{"id": 1}, ["id", 2]])
    with pytest.raises(SpecError, match="the key 5 is no string but int"):
        operator(records=[{5: 1}])


def test_a_literal_value_that_has_no_rule_is_named_by_its_place_if_it_is_written() -> None:
    records = [{"id": 1, "x": 1}, {"id": 2, "x": object()}]
    with pytest.raises(SpecError, match="table 't', record 1, column 'x': there is no rule for object"):
        operator(records=records)
    operator(records=records, columns=["id"])
    operator(records=records, columns=["{{ params.column }}"])


@pytest.mark.parametrize(
    "arguments",
    [
        {"bucket": "{{ var.value.bucket }}"},
        {"path": "{{ var.value.path }}"},
        {"table": "{{ params.table }}"},
        {"records": "{{ ti.xcom_pull('extract') }}"},
        {"columns": ["{{ params.column }}"]},
        {"spec": {"region": "{{ var.value.region }}"}},
        {"spec": "bucket: {{ var.value.bucket }}"},
        {"spec": {"format": "{{ params.format }}"}, "format": ...},
        {"spec": {"ddl": ["athena", "redshift"], "ddl_path": "{{ params.path }}"}},
        {"path": "{% if params.x %}{{TABLE}}/{% endif %}{{ params.TABLE }}/{{UUID}}"},
        {"aws_conn_id": "{{ params.conn }}"},
        {"records": {"a": "{{ params.a }}", "b": []}, "table": None},
    ],
)
def test_what_jinja_will_fill_in_is_not_judged_yet(arguments: dict[str, Any]) -> None:
    operator(**arguments)


def test_what_a_mapped_task_group_will_fill_in_is_not_judged_yet() -> None:
    with DAG("parse_group", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

        @task_group
        def group(arg: Any) -> None:
            for name in ("records", "table", "columns", "bucket", "path", "spec", "state_path", "aws_conn_id"):
                operator(task_id=name, **{name: arg})
            operator(task_id="nested", records={"a": arg, "b": [arg], "c": [{"d": arg}]}, table=None)
            S3DestinationOperator(task_id="staged", staging_path=arg, **without("records"))

        group.expand(arg=["a", "b"])


def test_what_a_connection_may_supply_is_not_missed_yet() -> None:
    S3DestinationOperator(task_id="load", records=[], table="t", s3_destination_conn_id="lake")
    with pytest.raises(SpecError, match="`bucket`: is required"):
        S3DestinationOperator(task_id="load", records=[], table="t")
    with pytest.raises(SpecError, match="`batch_size`: input should be greater"):
        S3DestinationOperator(
            task_id="load", records=[], table="t", s3_destination_conn_id="lake", spec={"batch_size": 0}
        )


def test_neither_parsing_nor_copying_looks_anything_up() -> None:
    """Connections that don't exist, a bucket that can't be: the operator is built, and copied, all the same."""
    one = operator(aws_conn_id="nowhere", s3_destination_conn_id="nowhere_either", bucket="NO SUCH BUCKET")
    assert copy.deepcopy(one).aws_conn_id == "nowhere"
    assert repr(copy.deepcopy(operator()).aws_conn_id) == "<not given>"
    assert copy.deepcopy(operator(records=({"id": n} for n in range(3)))).table == "t"


def test_a_spec_object_and_a_pasted_document_pass() -> None:
    spec = DestinationSpec(bucket="lake", path="{{TABLE}}/{{UUID}}", format="json")
    S3DestinationOperator(task_id="load", records=[], table="t", spec=spec)
    document = """
        kind: destination
        spec:
          name: s3
          path: cloudquery/s3
          version: v7.10.13
          write_mode: append
          spec:
            bucket: lake
            path: "raw/{{ ds }}/{{TABLE}}/{{UUID}}.csv"
            format: csv
    """
    S3DestinationOperator(task_id="load", records=[], table="t", spec=document)


def test_mapped_arguments_are_not_judged_before_the_run() -> None:
    with DAG("parse_mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

        @task
        def tables() -> list[str]:
            return ["a"]

        S3DestinationOperator.partial(task_id="load", **{**without("table"), "batch_size": 0}).expand(table=tables())
