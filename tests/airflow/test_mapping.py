"""Which mapped loads with one object each are refused, since all instances would write to the same key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.operators.mapping import shared_key_faults
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
GIVEN: dict[str, Any] = {"records": [{"id": 1}], "table": "t", "bucket": "lake", "format": "json", "no_rotate": True}


@task
def extract(name: str = "") -> Any:
    """Stand for a task whose output is not known before the run."""
    return name


def faults_of_mapped(shared: Mapping[str, Any], mapped: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of the first instance of a load that is mapped over some arguments.

    :param shared: arguments that all instances have, beside those of GIVEN; those that are `...` are not given.
    :param mapped: arguments of the first instance.
    """
    given = {"task_id": "load", **GIVEN, **shared}
    given = {name: value for name, value in given.items() if value is not ... and name not in mapped}
    with DAG("mapping", schedule=None, start_date=START) as dag:
        S3DestinationOperator.partial(**given).expand(**{name: [value, value] for name, value in mapped.items()})
    definition: Any = dag.task_dict["load"]
    operator = definition.unmap(mapped)
    return list(shared_key_faults(operator, operator.path))


def faults_in_group(arguments: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of a load in a task group that is mapped over `x`; arguments named in braces are `x`'s."""
    with DAG("mapping_group", schedule=None, start_date=START) as dag:

        @task_group
        def group(x: Any) -> None:
            extracted = extract(x)
            stand_ins = {"<x>": x, "<output>": extracted}
            given = {**GIVEN, **arguments}
            given = {
                name: {key: stand_ins.get(one, one) for key, one in value.items()}
                if isinstance(value, dict)
                else stand_ins.get(value, value)
                if isinstance(value, str)
                else value
                for name, value in given.items()
                if value is not ...
            }
            S3DestinationOperator(task_id="load", **given)

        group.expand(x=["a", "b"])
    operator: Any = dag.task_dict["group.load"]
    return list(shared_key_faults(operator, str(arguments["path"])))


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # a mapped argument decides the key
    ({}, {"path": "a"}),
    ({"path": "x"}, {"bucket": "a"}),
    ({"path": "x"}, {"spec": {"region": "eu"}}),
    ({"path": "x"}, {"s3_destination_conn_id": "a"}),
    ({"path": "x"}, {"aws_conn_id": "a"}),
    ({"path": "{{TABLE}}"}, {"table": "a"}),
    ({"path": "{{ TABLE_HYPHEN }}"}, {"table": "a"}),
    ({"path": "{{TABLE}}", "table": ...}, {"records": {"a": []}}),
    ({"path": "{{TABLE}}", "table": ..., "records": ...}, {"staging_path": "{{TABLE}}/*.csv"}),
    ({"path": "x.{{FORMAT}}"}, {"format": "csv"}),
    ({"path": "x.{{FORMAT}}"}, {"compression": "gzip"}),
    ({"path": "{{FIELD.region}}"}, {"records": [{"region": "eu"}]}),
    ({"path": "{{FIELD.region}}/{{TABLE}}"}, {"records": [{"region": "eu"}]}),
    # Jinja in a shared argument may name the instance
    ({"path": "{{ ti.map_index }}"}, {"columns": ["id"]}),
    ({"path": "{{ ds }}/{{ task_instance.map_index }}"}, {"columns": ["id"]}),
    ({"path": "{% if ti.map_index %}a{% endif %}b"}, {"columns": ["id"]}),
    ({"path": "{{ task.columns[0] }}"}, {"columns": ["id"]}),
    ({"path": "{{ params.folder }}"}, {"params": {"folder": "a"}}),
    ({"path": "{{ my_macro() }}"}, {"columns": ["id"]}),
    ({"path": "x", "bucket": "lake-{{ ti.map_index }}"}, {"columns": ["id"]}),
    ({"path": "{{TABLE}}", "table": "{{ task.op_kwargs['name'] }}"}, {"columns": ["id"]}),
    ({"path": "x", "spec": {"tags": {"n": "{{ ti.map_index }}"}}}, {"columns": ["id"]}),
    ({"path": "{{TABLE}}", "table": ..., "records": ..., "staging_path": "{{ ti.map_index }}/{{TABLE}}/*.csv"},
     {"columns": ["id"]}),
    ({"path": "{{FIELD.n}}", "records": [{"n": "{{ ti.map_index }}"}]}, {"columns": ["n"]}),
    # texts that spell what tells the instances apart were never refused
    ({"path": "map_index/x.json"}, {"columns": ["id"]}),
    ({"path": "x", "spec": {"tags": {"op_kwargs": "1"}}}, {"columns": ["id"]}),
    ({"path": "{{ macros.mine.map_index_of(ds) }}.json"}, {"columns": ["id"]}),
    ({"path": "{{ macros.uuid.uuid4() }}.json"}, {"columns": ["id"]}),
]  # fmt: skip


@pytest.mark.parametrize(("shared", "mapped"), DIFFERENT)
def test_a_key_that_may_differ_between_the_instances_is_let_through(
    shared: dict[str, Any], mapped: dict[str, Any]
) -> None:
    assert faults_of_mapped(shared, mapped) == []


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"path": "x"}, {"columns": ["id"]}),
    ({"path": "x"}, {"table": "a"}),
    ({"path": "x"}, {"records": [{"id": 1}]}),
    ({"path": "x"}, {"format": "csv"}),
    ({"path": "{{TABLE}}"}, {"records": [{"id": 1}]}),
    ({"path": "{{TABLE}}", "table": ..., "records": {"a": [], "b": []}}, {"columns": ["id"]}),
    ({"path": "{{FIELD.region}}", "records": [{"region": "eu"}]}, {"columns": ["region"]}),
    ({"path": "{{SYNC_ID}}/{{YEAR}}/{{BATCH}}.{{FORMAT}}"}, {"columns": ["id"]}),
    # Jinja that has one value for all instances
    ({"path": "{{ ds }}/{{ run_id }}/{{ dag_run.conf['x'] }}/{{TABLE}}"}, {"columns": ["id"]}),
    ({"path": "{{ macros.ds_add(ds, -1) }}", "bucket": "{{ var.value.bucket }}"}, {"columns": ["id"]}),
    ({"path": "x", "columns": ["{{ ti.map_index }}"]}, {"state_path": "s3://state/a"}),
    ({"path": "x", "spec": {"tags": {"day": "{{ ds }}"}}}, {"columns": ["id"]}),
]


@pytest.mark.parametrize(("shared", "mapped"), SAME)
def test_a_key_that_all_instances_share_is_refused(shared: dict[str, Any], mapped: dict[str, Any]) -> None:
    (fault,) = faults_of_mapped(shared, mapped)
    assert fault.key == "path"
    assert fault.problem == "gives all mapped instances the same key with `no_rotate`."


@pytest.mark.parametrize(
    ("arguments", "is_shared"),
    [
        ({"path": "<x>"}, False),
        ({"path": "x", "bucket": "<x>"}, False),
        ({"path": "x", "spec": {"region": "<x>"}}, False),
        ({"path": "{{TABLE}}", "table": "<x>"}, False),
        ({"path": "{{TABLE}}", "table": "<output>"}, False),
        ({"path": "{{TABLE}}", "table": ..., "records": "<output>"}, False),
        ({"path": "{{TABLE}}", "table": ..., "records": ..., "staging_path": "<x>"}, False),
        ({"path": "{{FIELD.id}}", "table": ..., "records": {"t": "<x>"}}, False),
        ({"path": "{{ ti.map_index }}"}, False),
        ({"path": "x", "records": "<x>"}, True),
        ({"path": "{{TABLE}}", "records": "<x>"}, True),
        ({"path": "{{TABLE}}", "table": ..., "records": {"t": "<x>"}}, True),
        ({"path": "{{ ds }}.{{FORMAT}}", "records": "<output>"}, True),
    ],
)
def test_the_same_holds_for_a_load_in_a_mapped_task_group(arguments: dict[str, Any], is_shared: bool) -> None:
    assert bool(faults_in_group(arguments)) is is_shared
