"""The ``columns`` argument: which columns are written, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources.columns import guesses
from airflow_provider_s3dest.spec import path_template

log = safe_logger(__name__)


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


def check_stated(table: Table, columns: Sequence[str] | None, *, is_shard: bool = False) -> Table:
    """Return a table, after a check that its source has the columns that are named.

    A source whose records are mappings states no columns: any record may have the column.

    :param columns: the ``columns`` argument; None: not given.
    :param is_shard: whether other shards may have the columns, which are null then.
    :raises SpecError: if the source states its columns, and one that is named is not among them.
    """
    stated = list(table.stated)
    missing = [name for name in columns or table.columns if name not in stated]
    if not missing or not stated:
        return table
    if columns is None or is_shard:
        log.warning("Table %s has no columns %s, which are null.%s", table.name, missing, guesses(missing, stated))
        return table
    remedy = f"{guesses(missing, stated)} Its columns are {', '.join(stated[:20])}{', ...' * (len(stated) > 20)}."
    raise SpecError(
        [Fault("columns", f"names {missing}, but table {table.name!r} has no such column.", remedy.strip())]
    )
