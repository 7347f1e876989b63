"""Keeps records out of what Airflow stores of an operator: rendered fields, the serialized DAG, logs of templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

from airflow_provider_s3dest.sources.input_kinds import is_arrow
from airflow_provider_s3dest.spec.jinja import has_opener
from airflow_provider_s3dest.spec.sentinels import is_given

_PLAIN = frozenset({str, int, float, bool, type(None), bytes, Decimal, datetime, date, time})
"""Types of values in which no reference needs to be looked for."""


class HeldRecords:
    """Records behind a short text; Airflow neither looks into it nor renders or stores what is inside."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        if isinstance(self.value, (list, tuple)):
            return f"<{len(self.value):,} records>"
        return f"<records: {type(self.value).__name__}>"


class FromFunction:
    """Stands for the records that a decorated function will give."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<what the function gives>"


def is_reference(value: Any) -> bool:
    """Say whether another value comes into the place of this when a task runs.

    An XComArg is one, and so is the parameter of a mapped task group, which is no XComArg.
    """
    kind = type(value)
    return kind is FromFunction or (hasattr(kind, "iter_references") and hasattr(kind, "resolve"))


def has_reference(value: Any) -> bool:
    """Say whether a value is a reference, or holds one at any depth."""
    waiting, seen = [value], set()
    for one in waiting:
        members: Iterable[Any]
        if isinstance(one, (list, tuple)):
            members = one
        elif isinstance(one, (dict, Mapping)):  # a dict by itself is told quicker
            members = one.values()
        elif is_reference(one):
            return True
        else:
            continue
        if id(one) not in seen:  # a list may hold itself
            seen.add(id(one))
            waiting.extend([member for member in members if type(member) not in _PLAIN])
    return False


def hold(records: Any) -> Any:
    """Hold records, table by table; what Airflow must see to resolve it (references, Jinja) stays in sight."""
    if records is None or isinstance(records, HeldRecords) or not is_given(records):
        return records
    if isinstance(records, str) and has_opener(records):
        return records
    if isinstance(records, Mapping) and not is_arrow(records):
        return {table: hold(own) for table, own in records.items()}
    return _held(records)


def _held(value: Any) -> Any:
    if isinstance(value, HeldRecords) or is_reference(value):
        return value
    if not has_reference(value):
        return HeldRecords(value)
    if isinstance(value, Mapping):
        return {key: _held(member) for key, member in value.items()}
    return [_held(member) for member in value]


def holding(partial: Any) -> Any:
    """Let what ``Operator.partial()`` gives hold the literal records that it is expanded over."""
    base: Any = type(partial)
    partial.__class__ = _holding_class(base)
    return partial


@cache
def _holding_class(base: Any) -> Any:
    class HoldingPartial(base):  # type: ignore[misc]
        """Airflow's, but for the records."""

        __slots__ = ()

        def expand(self, **mapped: Any) -> Any:
            if "records" in mapped:
                mapped["records"] = _each(hold, mapped["records"])
            return super().expand(**mapped)

        def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
            return super().expand_kwargs(_each(_with_held_records, kwargs), **options)

    return HoldingPartial


def _each(change: Callable[[Any], Any], values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: change(value) for key, value in values.items()}
    return [change(value) for value in values] if isinstance(values, (list, tuple)) else values


def _with_held_records(arguments: Any) -> Any:
    if isinstance(arguments, Mapping) and "records" in arguments:
        return {**arguments, "records": hold(arguments["records"])}
    return arguments


def release(records: Any) -> Any:
    """Give the records back."""
    if isinstance(records, HeldRecords):
        return records.value
    return {table: release(own) for table, own in records.items()} if type(records) is dict else records


def jinja_in(value: Any) -> Iterator[str]:
    """Give the texts of literal records that :func:`rendered` renders, in no particular order."""
    waiting: list[Iterable[Any]] = [[value]]
    seen: set[int] = set()
    while waiting:
        for one in waiting.pop():
            kind = type(one)
            if kind is str:
                if "{" in one and has_opener(one):  # the first by itself, since there may be millions
                    yield one
            elif (kind is dict or kind is list or kind is tuple) and id(one) not in seen:
                seen.add(id(one))
                waiting.append(one.values() if kind is dict else one)


def rendered(value: Any, render: Callable[[str], Any]) -> Any:
    """Render the strings of literal records that hold Jinja, and leave all others as they are.

    Jinja would take the line end off a string that ends with one, so that only strings with braces go through it.
    """
    if isinstance(value, str):
        return render(value) if has_opener(value) else value
    if type(value) in (list, tuple):
        return type(value)(rendered(item, render) for item in value)
    if type(value) is dict:
        return {key: rendered(item, render) for key, item in value.items()}
    return value
