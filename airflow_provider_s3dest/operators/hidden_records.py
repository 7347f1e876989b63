"""Hides literal records from what Airflow stores of an operator: rendered fields, the serialized DAG and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

from airflow_provider_s3dest.operators.references import has_reference, is_reference
from airflow_provider_s3dest.sources.input_kinds import is_arrow
from airflow_provider_s3dest.spec.jinja import has_opener
from airflow_provider_s3dest.spec.sentinels import is_given


class HiddenRecords:
    """Records behind a short text. Airflow looks at the text alone: it renders and stores nothing of the records."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        if isinstance(self.value, (list, tuple)):
            return f"<{len(self.value):,} records>"
        return f"<records: {type(self.value).__name__}>"


class HiddenParameters(HiddenRecords):
    """Parameters of a query behind a short text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self.value):,} parameters>" if isinstance(self.value, Sized) else "<parameters>"


def hide_parameters(parameters: Any) -> Any:
    """Hide the parameters of a query. References in them stay visible, since Airflow must resolve them."""
    if parameters is None or isinstance(parameters, HiddenRecords) or is_reference(parameters):
        return parameters
    if not has_reference(parameters):
        return HiddenParameters(parameters)
    if isinstance(parameters, Mapping):
        return {name: hide_parameters(value) for name, value in parameters.items()}
    return [hide_parameters(value) for value in parameters]


def reveal_parameters(parameters: Any) -> Any:
    """Return the parameters that :func:`hide_parameters` hid."""
    if isinstance(parameters, HiddenRecords):
        return parameters.value
    if isinstance(parameters, dict):
        return {name: reveal_parameters(value) for name, value in parameters.items()}
    return [reveal_parameters(value) for value in parameters] if isinstance(parameters, list) else parameters


def hide(records: Any) -> Any:
    """Hide records, table by table. References and texts of Jinja stay visible, since Airflow must resolve them."""
    if records is None or isinstance(records, HiddenRecords) or not is_given(records):
        return records
    if isinstance(records, str) and has_opener(records):
        return records
    if isinstance(records, Mapping) and not is_arrow(records):
        return {table: hide(value) for table, value in records.items()}
    return _hidden_but_references(records)


def _hidden_but_references(value: Any) -> Any:
    if isinstance(value, HiddenRecords) or is_reference(value):
        return value
    if not has_reference(value):
        return HiddenRecords(value)
    if isinstance(value, Mapping):
        return {key: _hidden_but_references(member) for key, member in value.items()}
    return [_hidden_but_references(member) for member in value]


def reveal(records: Any) -> Any:
    """Return the records that :func:`hide` hid."""
    if isinstance(records, HiddenRecords):
        return records.value
    return {table: reveal(value) for table, value in records.items()} if type(records) is dict else records


def share(records: Any, memo: dict[int, Any]) -> None:
    """Note records in the memo of a deep copy: the copy then refers to the same records, which may be a generator."""
    if isinstance(records, HiddenRecords):
        memo[id(records.value)] = records.value
    elif isinstance(records, (dict, list)):
        for member in records.values() if isinstance(records, dict) else records:
            share(member, memo)


class HidingPartial:
    """Hides the literal records that an operator is expanded over, then lets Airflow expand it.

    Besides keeping the records out of Airflow's database, this lets them hold what Airflow can't serialize: one
    ``pandas.NaT`` among the literals of ``expand()`` makes Airflow refuse the whole DAG.

    :param partial: what ``BaseOperator.partial()`` returns.
    :param check: raises an error at names that are no arguments.
    """

    def __init__(self, partial: Any, check: Callable[[Iterable[str]], None]) -> None:
        self._partial, self._check = partial, check

    def expand(self, **mapped: Any) -> Any:
        """Expand the operator over arguments; see ``BaseOperator.partial().expand()``."""
        self._check(mapped)
        if "records" in mapped:
            mapped["records"] = _each(hide, mapped["records"])
        return self._partial.expand(**mapped)

    def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
        """Expand the operator over sets of arguments; see ``BaseOperator.partial().expand_kwargs()``."""
        for arguments in kwargs if isinstance(kwargs, (list, tuple)) else ():
            self._check(arguments if isinstance(arguments, Mapping) else ())
        return self._partial.expand_kwargs(_each(_with_hidden_records, kwargs), **options)


def _each(change: Callable[[Any], Any], values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: change(value) for key, value in values.items()}
    return [change(value) for value in values] if isinstance(values, (list, tuple)) else values


def _with_hidden_records(arguments: Any) -> Any:
    if isinstance(arguments, Mapping) and "records" in arguments:
        return {**arguments, "records": hide(arguments["records"])}
    return arguments
