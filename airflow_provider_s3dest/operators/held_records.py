"""Keeps records out of what Airflow stores of an operator: rendered fields, the serialized DAG, logs of templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import XComArg

from airflow_provider_s3dest.not_given import is_given
from airflow_provider_s3dest.sources.arrow import is_arrow


class HeldRecords:
    """Records behind a short text; Airflow neither looks into it nor renders or stores what is inside."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        if isinstance(self.value, (list, tuple)):
            return f"<{len(self.value):,} records>"
        return f"<records: {type(self.value).__name__}>"


def hold(records: Any) -> Any:
    """Hold records, table by table; what Airflow must see to resolve it (XComArg, Jinja) stays in sight."""
    if records is None or isinstance(records, (HeldRecords, XComArg, str)) or not is_given(records):
        return records
    if isinstance(records, Mapping) and not is_arrow(records):
        return {table: hold(own) for table, own in records.items()}
    if isinstance(records, (list, tuple)) and any(isinstance(record, XComArg) for record in records):
        return records
    return HeldRecords(records)


def release(records: Any) -> Any:
    """Give the records back."""
    if isinstance(records, HeldRecords):
        return records.value
    return {table: release(own) for table, own in records.items()} if type(records) is dict else records


def rendered(value: Any, render: Callable[[str], Any]) -> Any:
    """Render the strings of literal records that hold Jinja, and leave all others as they are.

    Jinja would take the line end off a string that ends with one, so that only strings with braces go through it.
    """
    if isinstance(value, str):
        return render(value) if "{{" in value or "{%" in value or "{#" in value else value
    if type(value) in (list, tuple):
        return type(value)(rendered(item, render) for item in value)
    if type(value) is dict:
        return {key: rendered(item, render) for key, item in value.items()}
    return value
