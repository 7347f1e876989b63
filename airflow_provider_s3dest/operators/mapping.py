"""Checks what only mapped tasks can get wrong: a load that is mapped, and a load of what mapped tasks returned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.operators.hidden_records import reveal
from airflow_provider_s3dest.operators.references import FromFunction, Output, has_reference, is_reference
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.jinja import undeclared_names
from airflow_provider_s3dest.spec.nested_texts import nested_texts
from airflow_provider_s3dest.spec.sentinels import is_given

_SAME_FOR_ALL = frozenset(
    {
        *("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date", "run_id", "dag", "dag_run"),
        *("data_interval_start", "data_interval_end", "conf", "var", "conn", "macros"),
        *path_template.PLACEHOLDERS,
    }
)
"""Names in Jinja that have one value for all instances of a mapped task. Every other name may differ, such as ``ti``,
``task``, ``params`` and the DAG's own macros."""

_NAMES_INSTANCE = re.compile(r"map_index|op_args|op_kwargs")
"""What tells the instances apart. A text that spells it is let through, as a macro of the DAG may use it."""

_OTHER_MACRO = re.compile(r"macros\.(?!(?:ds_add|ds_format|ds_format_locale|datetime|timedelta|dateutil)\b)")
"""A macro whose value may differ between instances: ``macros.uuid``, ``macros.random``, and those of plugins."""


def is_instance_of_mapped(operator: Any) -> bool:
    """Return whether Airflow made an operator for one instance of a mapped task.

    Airflow notes it in the operator alone. The DAG does not tell: mapped arguments may hold ``dag=None``.
    """
    return bool(getattr(operator, "_BaseOperator__from_mapped", False))


def shared_key_faults(operator: Any, path: str) -> Iterator[Fault]:
    """Find whether the mapped instances of a load with ``no_rotate`` overwrite each other's only object.

    This refuses what surely collides: no argument that decides the key is mapped, and none holds Jinja whose value may
    differ between the instances.

    :param operator: the operator of one instance.
    :param path: the path as it was written, before Jinja was rendered.
    """
    definition = operator.dag.task_dict.get(operator.task_id, operator) if operator.has_dag() else operator
    for name in _names_deciding_key(operator, path):
        value = getattr(operator, name)
        if value is not None and is_given(value) and _may_differ(name, definition, path):
            return
    problem = "gives all mapped instances the same key with `no_rotate`."
    yield Fault("path", problem, "Put {{ ti.map_index }} in, or map over `table` or `path`.")


def _names_deciding_key(operator: Any, path: str) -> set[str]:
    """Return the names of the arguments that decide where the only object of a table is written."""
    placeholders = path_template.placeholders(path)
    has_table = not placeholders.isdisjoint({"TABLE", "TABLE_HYPHEN"})
    names = {"path", "bucket", "spec", "s3_destination_conn_id", "aws_conn_id"}
    if "FORMAT" in placeholders:
        names |= {"format", "compression"}
    if has_table and operator.table is not None:
        names.add("table")
    if path_template.fields_in(path) or (has_table and operator.table is None):
        names |= {"records", "staging_path"}
    return names


def _may_differ(name: str, definition: Any, path: str) -> bool:
    """Return whether an argument may differ between the instances.

    :param definition: the task in the DAG: a mapped operator, or the operator of a mapped task group.
    """
    to_all = getattr(definition, "partial_kwargs", None)
    if to_all is not None:
        return name not in to_all or _jinja_may_differ(to_all[name], definition)
    value = getattr(definition, name)
    # In {"orders": reference} the name of the table is the same for all; only columns in the path can differ.
    names_tables = name == "records" and type(value) is dict and not path_template.fields_in(path)
    return (has_reference(value) and not names_tables) or _jinja_may_differ(value, definition)


def _jinja_may_differ(value: Any, definition: Any) -> bool:
    every = [text for _, text in nested_texts(reveal(value))]
    if any(_NAMES_INSTANCE.search(text) for text in every):
        return True
    texts = [text for text in every if path_template.has_jinja(text)]
    environment = definition.get_template_env() if texts else None
    return any(_OTHER_MACRO.search(text) or not undeclared_names(text, environment) <= _SAME_FOR_ALL for text in texts)


def unresolved_faults(arguments: Mapping[str, Any]) -> Iterator[Fault]:
    """Find references that Airflow left unresolved, such as a list of outputs that a task group is mapped over.

    :param arguments: the template fields, rendered.
    """
    for name, value in arguments.items():
        if is_reference(value) and not isinstance(value, FromFunction):
            remedy = "Map the task group over one output, such as that of a task that returns the list."
            yield Fault(name, f"is {short(value)}, which Airflow does not resolve.", remedy)


def silent_instances(argument: str, outputs: Iterable[Output], operator: Any, ti: Any) -> Iterator[Fault]:
    """Find the mapped tasks of which an instance succeeded and returned nothing: Airflow leaves its output out.

    Skipped and failed instances are no fault, and neither is what Airflow can't tell, such as outside of a run.

    :param operator: the operator that takes the outputs.
    """
    for task_id, key in dict.fromkeys(outputs):
        upstream = operator.dag.task_dict.get(task_id) if operator.has_dag() else None
        if upstream is None or not _is_gathered(upstream, operator):
            continue
        # In this order: an instance that ends between the two calls has pushed its output before it succeeds.
        succeeded = _succeeded(ti, task_id)
        if succeeded and (silent := succeeded - _pushed(ti, upstream, key)) > 0:
            yield Fault(
                argument,
                f"{silent} of the {succeeded} instances of the mapped task {task_id!r} that succeeded returned nothing "
                f"(None){'' if key == 'return_value' else f' under the key {key!r}'}.",
                "Return a list, an empty one for no records, or skip the instance (AirflowSkipException).",
            )


def _is_gathered(upstream: Any, operator: Any) -> bool:
    """Return whether an operator takes the outputs of all instances of a task, and not of one instance."""
    around = {group.group_id for group in operator.iter_mapped_task_groups()}
    group = upstream.get_closest_mapped_task_group()
    is_mapped = hasattr(upstream, "expand_input")
    return is_mapped or (group is not None and group.group_id not in around)


def _succeeded(ti: Any, task_id: str) -> int:
    if hasattr(ti, "get_ti_count"):  # Airflow 3
        count: int = ti.get_ti_count(dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=[task_id], states=["success"])
        return count
    if hasattr(ti, "get_dagrun"):
        instances = ti.get_dagrun().get_task_instances(state=["success"])
        return sum(one.task_id == task_id for one in instances)
    return 0


def _pushed(ti: Any, upstream: Any, key: str) -> int:
    if hasattr(ti, "get_ti_count"):
        from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

        output: Any = XComArg(upstream, key)
        return len(LazyXComSequence(xcom_arg=output, ti=ti))
    return len(ti.xcom_pull(task_ids=upstream.task_id, key=key, default=()))
