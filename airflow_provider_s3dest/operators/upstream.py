"""Tells which tasks an argument comes from, and which instances of a mapped one gave nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_s3dest.errors import Fault


class Output(NamedTuple):
    """What a task pushes under a key. The task is held by its id, so that copies of an operator copy no other one."""

    task_id: str
    key: str


def outputs_in(value: Any) -> list[Output]:
    """Find the outputs of tasks in a value.

    The parameter of a mapped task group counts as one of the tasks that it comes from.
    """
    return [Output(operator.task_id, key) for operator, key in XComArg.iter_xcom_references(value)]


def outputs_taken_whole(value: Any) -> list[Output]:
    """Find the outputs of tasks in a value, but for those that a task group is mapped over.

    There None takes an element out: Airflow's own way to filter ("Filtering items from a mapped task").
    """
    if isinstance(value, XComArg):
        return outputs_in(value)
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [output for member in members for output in outputs_taken_whole(member)]


def silent_instances(argument: str, outputs: Iterable[Output], task: Any, ti: Any) -> Iterator[Fault]:
    """Find the mapped tasks of which an instance succeeded and gave nothing: Airflow leaves those out in silence.

    Skipped and failed instances are passed over. What Airflow can't tell, such as outside a run, is no fault.

    :param task: the task that takes the outputs.
    """
    for task_id, key in dict.fromkeys(outputs):
        upstream = task.dag.task_dict.get(task_id) if task.has_dag() else None
        if upstream is None or not _is_gathered(upstream, task):
            continue
        # In this order: an instance that ends in between has pushed before it succeeds.
        succeeded = _succeeded(ti, task_id)
        if succeeded and (silent := succeeded - _pushed(ti, upstream, key)) > 0:
            yield Fault(
                argument,
                f"{silent} of the {succeeded} instances of the mapped task {task_id!r} that succeeded returned nothing "
                f"(None){'' if key == 'return_value' else f' under the key {key!r}'}.",
                "Return a list, an empty one for no records, or skip the instance (AirflowSkipException).",
            )


def _is_gathered(upstream: Any, task: Any) -> bool:
    """Say whether what comes from a task are the results of all its instances."""
    around = {group.group_id for group in task.iter_mapped_task_groups()}
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
