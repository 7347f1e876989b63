"""Tells templates from data: what an argument holds in the DAG file is a template, what came at run time is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from typing import Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.operators.hidden_records import HiddenRecords
from airflow_provider_s3dest.operators.mapping import is_instance_of_mapped
from airflow_provider_s3dest.operators.references import is_reference
from airflow_provider_s3dest.spec import path_template

_PATHS = ("path", "bucket", "manifest_path", "ddl_path", "quarantine_path", "state_path")
"""Arguments and fields of the spec that decide where objects are written."""


def data_arguments(operator: Any, values: Mapping[str, Any], context: Any) -> set[str]:
    """Return the names of the arguments of a mapped instance whose values came at run time.

    Airflow tells a task which values it resolved by their ids, and not all of them: for ``expand_kwargs`` over an
    output it names none. So this compares an instance with its definition in the DAG.

    :param operator: the operator. Airflow resolves the references of one that is not mapped while it renders.
    :param values: the arguments by their names.
    """
    if not is_instance_of_mapped(operator):
        return set()
    definition = _definition(operator)
    if not hasattr(definition, "partial_kwargs"):  # mapped arguments may take the DAG away: nothing shows its file
        return set(values)
    return _data_among(
        values,
        definition.expand_input.value,
        context["ti"].map_index,
        partial=definition.partial_kwargs,
        defaults=_default_arguments(definition),
        overridable=not definition._disallow_kwargs_override,
    )


def data_op_kwargs(operator: Any, context: Any) -> set[str]:
    """Return the names of a decorated function's keyword arguments whose values came at run time."""
    if not is_instance_of_mapped(operator):
        return set()
    definition = _definition(operator)
    if not hasattr(definition, "partial_kwargs"):
        return set(operator.op_kwargs)
    return _data_among(
        operator.op_kwargs,
        definition.op_kwargs_expand_input.value,
        context["ti"].map_index,
        partial=definition.partial_kwargs["op_kwargs"],
        defaults={},
        overridable=not definition._disallow_kwargs_override,
    )


def _definition(operator: Any) -> Any:
    """Return the task in the DAG: the operator as the DAG file made it, or the mapped operator of an instance."""
    return operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None


def _default_arguments(definition: Any) -> dict[str, Any]:
    """Return the default arguments of DAG and task group. Airflow fills them in when it makes an instance."""
    of_group = definition.task_group.default_args if definition.task_group else None
    return {**(definition.dag.default_args or {}), **(of_group or {})}


def _data_among(
    values: Mapping[str, Any],
    mapped: Any,
    map_index: int,
    *,
    partial: Mapping[str, Any],
    defaults: Mapping[str, Any],
    overridable: bool,
) -> set[str]:
    """Return the names of the values that do not stand in the DAG file.

    :param mapped: what the task is mapped over: lists by argument, or a list of sets of arguments; or a reference.
    :param partial: the arguments that all instances have.
    :param defaults: the default arguments. Mapped arguments may hold others, under ``default_args``.
    :param overridable: whether a set of mapped arguments may replace arguments of ``partial``.
    """
    if isinstance(mapped, Mapping):
        data = {name for name, value in mapped.items() if is_reference(value)}
        written = {*mapped, *partial} - data
    else:
        arguments = mapped[map_index] if isinstance(mapped, Sized) else None  # type: ignore[index]
        data = set() if isinstance(arguments, Mapping) else {*values}
        written = {*partial} if not overridable else set()
    if not data:
        return set()

    def is_written(name: str) -> bool:
        return name in written or any(name in of and _is_same(values[name], of[name]) for of in (partial, defaults))

    # An argument that is neither mapped nor written was computed by a subclass, maybe from data.
    return {name for name in values if not is_written(name)}


def _is_same(value: Any, written: Any) -> bool:
    """Return whether a value is the very one that the DAG file holds, or holds the same records in other containers."""
    value, written = (one.value if isinstance(one, HiddenRecords) else one for one in (value, written))
    if value is written:
        return True
    if type(value) is dict and type(written) is dict:
        return value.keys() == written.keys() and all(_is_same(value[key], written[key]) for key in value)
    if type(value) is list and isinstance(written, (list, tuple)):
        return len(value) == len(written) and all(map(_is_same, value, written))
    return False


def late_jinja_faults(arguments: Mapping[str, Any], operator: Any) -> Iterator[Fault]:
    """Find Jinja in paths that came at run time. It is data: rendered, it could read connections and variables.

    :param arguments: the arguments and the fields of the spec, rendered.
    """
    for name in _PATHS:
        text = arguments.get(name)
        if isinstance(text, str) and path_template.has_foreign_jinja(text):
            tasks = ", ".join(repr(task_id) for task_id in _tasks_behind(name, _definition(operator)))
            where = f"came from {tasks}" if tasks else "came at run time"
            place = f"in {tasks}" if tasks else "where the text is made"
            yield Fault(
                name,
                f"is {short(text)}, which {where}: Jinja is rendered only in what the DAG file holds.",
                f"Render it {place}; our placeholders, such as {{{{TABLE}}}}, work all the same.",
            )


def is_mapped_over_output(name: str, operator: Any) -> bool:
    """Return whether an operator is an instance of a mapped task that takes an argument from outputs of tasks."""
    definition = _definition(operator) if is_instance_of_mapped(operator) else None
    mapped = getattr(getattr(definition, "expand_input", None), "value", None)
    if isinstance(mapped, Mapping):
        mapped = mapped.get(name)
    elif name in getattr(definition, "partial_kwargs", {}):
        return False
    return next(iter(XComArg.iter_xcom_references(mapped)), None) is not None


def _tasks_behind(name: str, definition: Any) -> list[str]:
    """Return the ids of the tasks whose outputs a field may hold."""
    holders = []
    for attribute in (name, "spec"):
        partial = getattr(definition, "partial_kwargs", None)
        holders.append(getattr(definition, attribute, None) if partial is None else partial.get(attribute))
        mapped = getattr(getattr(definition, "expand_input", None), "value", None)
        holders.append(mapped.get(attribute) if isinstance(mapped, Mapping) else mapped)
        tasks = dict.fromkeys(task.task_id for one in holders for task, _ in XComArg.iter_xcom_references(one))
        if tasks:
            return list(tasks)
    return []
