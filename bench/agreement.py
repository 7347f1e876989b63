"""Compares what the contenders wrote with the source, value by value, before any time counts."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from bench.cases import Case, Target
from bench.inputs import source

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00|\+0000|\+00)?")


def difference(case: Case, target: Target) -> str:
    """Give the first value that differs from the source, however it is spelled; empty if none does.

    :param case: at its tiny size.
    :param target: a prefix of the kept bucket.
    """
    wanted, found = source_keys(case.dataset, case.size), sorted(map(_key, _written(case, target.kept / target.prefix)))
    if len(wanted) != len(found):
        return f"{len(found):,} records for {len(wanted):,}"
    for one, other in zip(wanted, found, strict=True):
        if one != other:
            ours, theirs = dict(json.loads(one)), dict(json.loads(other))
            column = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
            return f"`{column}`: {theirs.get(column)!r:.40} for {ours.get(column)!r:.40}"
    return ""


@cache
def source_keys(dataset: str, size: str) -> list[str]:
    """Give the records of the source, spelled to be compared."""
    return sorted(map(_key, source(dataset, "dicts", size)))


def _key(record: Mapping[str, Any]) -> str:
    return json.dumps([(name, _value(value)) for name, value in record.items()])


def _written(case: Case, folder: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        text = (gzip.decompress(content) if case.gzip else content).decode()
        if case.format == "csv":
            yield from csv.DictReader(io.StringIO(text, newline=""))
        else:
            yield from _records(text)


def _records(text: str) -> Iterable[Mapping[str, Any]]:
    lines = (line for line in text.split("\n") if line)
    return (json.loads(line, parse_float=Decimal) for line in lines)


def _value(value: Any) -> Any:
    """Spell a value so that it is the same from every source and in every format."""
    if isinstance(value, Mapping):
        return {name: _value(inner) for name, inner in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [_value(inner) for inner in value]
    if value is None or value == "":
        return None  # not every format keeps them apart
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if text[:1] in "[{":
        try:
            return _value(json.loads(text, parse_float=Decimal))
        except ValueError:
            return text
    if text in ("True", "False"):
        return text.lower()
    if moment := _MOMENT.fullmatch(text):
        day, time, fraction = moment[1], moment[2], (moment[3] or "").rstrip("0")
        return day if (time, fraction) == ("00:00:00", "") else f"{day} {time}.{fraction}"
    if text[:1] in "-0123456789":
        try:
            return format(Decimal(text).normalize(), "f")
        except InvalidOperation:
            return text
    return text


def tiny(case: Case) -> Case:
    """Give a case at the size at which it is compared."""
    return replace(case, size="tiny", copies=1)
