"""Finds the references to outputs of other tasks among an operator's arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from airflow.providers.common.compat.sdk import XComArg

_PLAIN = frozenset({str, int, float, bool, type(None), bytes, Decimal, datetime, date, time})
"""Types of values that hold no reference: millions of them may be among literal records."""


class FromFunction:
    """Stands for the records that a decorated function will return."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<what the function gives>"


class FromQuery(FromFunction):
    """Stands for the records that a query will return."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<what the query gives>"


def is_reference(value: Any) -> bool:
    """Return whether Airflow replaces a value by another one when the task runs.

    An XComArg is a reference, and so is the parameter of a mapped task group, which is no XComArg.
    """
    cls = type(value)
    return issubclass(cls, FromFunction) or (hasattr(cls, "iter_references") and hasattr(cls, "resolve"))


def has_reference(value: Any) -> bool:
    """Return whether a value is a reference, or holds one at any depth."""
    waiting, seen = [value], set()
    for one in waiting:
        members: Iterable[Any]
        if isinstance(one, (list, tuple)):
            members = one
        elif isinstance(one, (dict, Mapping)):  # the check for dict is faster than the one for Mapping
            members = one.values()
        elif is_reference(one):
            return True
        else:
            continue
        if id(one) not in seen:  # a list may hold itself
            seen.add(id(one))
            waiting.extend([member for member in members if type(member) not in _PLAIN])
    return False


class Output(NamedTuple):
    """What a task pushes under a key.

    It holds the id of the task, not the task: a copy of an operator would copy the task too.
    """

    task_id: str
    key: str


def outputs_in(value: Any) -> list[Output]:
    """Return the outputs of tasks that a value refers to.

    The parameter of a mapped task group refers to the outputs that the group is mapped over.
    """
    return [Output(operator.task_id, key) for operator, key in XComArg.iter_xcom_references(value)]


def outputs_taken_whole(value: Any) -> list[Output]:
    """Return the outputs of tasks that a value refers to, without those that a task group is mapped over.

    A task group leaves None out of what it is mapped over: Airflow's way to filter ("Filtering items from a mapped
    task").
    """
    if isinstance(value, XComArg):
        return outputs_in(value)
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [output for member in members for output in outputs_taken_whole(member)]


def outputs_by_table(records: Any) -> dict[str | None, list[Output]]:
    """Return the outputs that the ``records`` argument refers to, by table; None stands for the only table."""
    tables = records if type(records) is dict else {None: records}
    return {
        table: outputs_in(value)
        for table, value in tables.items()
        if has_reference(value) and not isinstance(value, FromFunction)
    }


def flat_records(records: Any, outputs: Mapping[str | None, Sequence[Output]]) -> Any:
    """Return records, flattened where they came from tasks: a mapped task group may return lists of lists.

    :param outputs: the outputs that the records were before Airflow resolved them, by table.
    """

    def flat(value: Any, table: str | None) -> Any:
        resolved = isinstance(value, (list, tuple)) and (table in outputs or None in outputs)
        return flattened(value) if resolved else value

    if type(records) is dict:
        return {table: flat(value, table) for table, value in records.items()}
    return flat(records, None)


def flattened(values: Any) -> list[Any]:
    """Return the values of nested lists and lazy sequences as one list."""
    from airflow_provider_s3dest.sources import python_records

    return list(python_records.flattened(values))
