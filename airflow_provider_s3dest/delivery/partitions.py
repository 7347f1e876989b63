"""Names partitions as Hive does: ``region=eu/day=2026-02-03``, with escaped values and a special name for null."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airflow_provider_s3dest.records.values import NoRuleError, csv_text, plain

NULL = "__HIVE_DEFAULT_PARTITION__"
"""The partition of null and of empty text (Apache Hive, ``FileUtils.escapePathName``)."""

_ESCAPED = re.compile(r"""[\x00-\x1f\x7f"#%'*/:=?\\{\[\]^]|\A\.{1,2}\Z""")
"""What Hive escapes, and the names ``.`` and ``..``, which have a special meaning in a path."""


def partition_of(fields: Iterable[str], texts: Iterable[str | None]) -> str:
    """Return the name of a partition: it identifies the partition, and holds the values that stand in keys.

    :param texts: the value of each field as text; None is null.

    Example::

        >>> partition_of(["region", "hour"], ["eu/west", None])
        'region=eu%2Fwest/hour=__HIVE_DEFAULT_PARTITION__'
    """
    return "/".join(f"{_escaped(field)}={_escaped(text)}" for field, text in zip(fields, texts, strict=True))


def values_in(partition: str, fields: Iterable[str]) -> Mapping[str, str]:
    """Return the escaped value of each field, read from the name of a partition."""
    values = dict(one.split("=", 1) for one in partition.split("/"))
    return {field: values[_escaped(field)] for field in fields}


def partition_text(value: Any) -> str | None:
    """Return the text of a value that names its partition, which is its text in CSV; None is null.

    :raises NoRuleError: if the value is nested, or has no rule.
    """
    if isinstance(value, msgspec.Raw):
        nested = bytes(value)[:1] in (b"{", b"[")
    else:
        nested = isinstance(plain(value), (list, dict))
    if nested:
        raise NoRuleError("a nested value names no partition")
    return csv_text(value)


def passes_for_null(text: str | None) -> bool:
    """Return whether a text has the same partition as null."""
    return text in ("", NULL)


def _escaped(text: str | None) -> str:
    if not text:
        return NULL
    return _ESCAPED.sub(lambda found: "".join(f"%{ord(character):02X}" for character in found[0]), text)
