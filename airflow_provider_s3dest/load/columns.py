"""The ``columns`` argument: which columns are written, in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec import path_template


def check_columns(columns: Any) -> tuple[str, ...] | None:
    """Check the ``columns`` argument: names in order, each once.

    :raises SpecError: if it is anything else.
    """
    if columns is None:
        return None
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not all(isinstance(c, str) for c in columns):
        raise SpecError([Fault("columns", f"is {short(columns)}.", "Give a list of column names.")])
    twice = sorted(column for column, times in Counter(columns).items() if times > 1)
    if twice or not columns:
        raise SpecError(
            [Fault("columns", f"names {twice or 'nothing'}" + (" twice." if twice else "."), "Name each column once.")]
        )
    return tuple(columns)


def columns_faults(columns: Any) -> Iterator[Fault]:
    """Find what is wrong with the names of the columns to write."""
    try:
        names = check_columns(columns)
    except SpecError as error:
        yield from error.faults
    else:
        for name in names or ():
            yield from path_template.refused_placeholders(name, "columns")
