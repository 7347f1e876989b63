"""The ``columns`` argument: which columns are written, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec import path_template


def check_columns(columns: Any) -> tuple[str, ...] | None:
    """Return the ``columns`` argument as a tuple, after a check that it is a list of different names.

    :raises SpecError: if it is anything else.
    """
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not all(isinstance(c, str) for c in columns):
        raise SpecError([Fault("columns", f"is {short(columns)}.", "Give a list of column names.")])
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
    if twice:
        raise SpecError([Fault("columns", f"names {twice} twice.", "Name each column once.")])
    if not columns:
        raise SpecError([Fault("columns", "names nothing.", "Name a column, or leave it out for all columns.")])
    return tuple(columns)


def columns_faults(columns: Any) -> Iterator[Fault]:
    """Yield what is wrong with the ``columns`` argument."""
    try:
        names = check_columns(columns)
    except SpecError as error:
        yield from error.faults
    else:
        for name in names or ():
            yield from path_template.refused_placeholders(name, "columns")
