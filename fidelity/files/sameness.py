"""Whether two values are the same: as Python values of two readers, or one of them as the text that stands for it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import numpy

from fidelity.files.originals import Original
from fidelity.files.written import Table, rows_of
from fidelity.kinds import spelled


def difference(original: Original, tables: Sequence[Table], format_: str) -> str:
    """Return what differs first, or an empty text.

    Where CSV is read or written, null and the empty text count as the same: Python's reader can't tell them apart.
    """
    is_csv = original.is_csv or format_ == "csv"
    rows = list(rows_of(tables))
    if len(rows) != len(original.rows):
        return f"{len(rows):,} records for {len(original.rows):,}"
    for columns, _ in tables:
        if columns is not None and list(columns) != list(original.columns):
            return f"columns {ascii(list(columns))[:100]} for {ascii(list(original.columns))[:100]}"
    for number, (wanted, found) in enumerate(zip(original.rows, rows, strict=True), 1):
        if len(wanted) != len(found):
            return f"record {number} has {len(found)} values for {len(wanted)}"
        for column, one, other in zip(original.columns, wanted, found, strict=True):
            if not is_same(one, other, is_csv=is_csv):
                return f"record {number}, column {column!a:.60}: {other!a:.100} for {one!a:.100}"
    return ""


def is_same(wanted: Any, found: Any, *, is_csv: bool = False) -> bool:
    """Return whether a value is what was to be read.

    :param is_csv: whether nulls are empty texts.
    """
    if is_csv and (wanted is None or wanted == ""):
        return found is None or found == ""
    if wanted is None:
        return found is None
    if found is None:  # JSON has no numbers that are not finite
        return isinstance(wanted, float) and not math.isfinite(wanted) and not is_csv
    if isinstance(wanted, bool):
        return found is wanted or found == str(wanted).lower()
    if isinstance(wanted, (int, float, Decimal)):
        return not isinstance(found, bool) and _is_same_number(wanted, found)
    if isinstance(wanted, str):
        return found == wanted if isinstance(found, str) else str(found) == wanted or _is_same_json(wanted, found)
    if isinstance(wanted, (bytes, bytearray)):
        return bytes(wanted) == (base64.b64decode(found) if isinstance(found, str) else found)
    if isinstance(wanted, (datetime, date, time)):
        return _is_same_time(wanted, found)
    if isinstance(wanted, timedelta):
        return bool(found == wanted) or found == spelled(wanted)
    if isinstance(wanted, UUID):
        return found == wanted.bytes or str(found) == str(wanted)
    if isinstance(found, str):
        found = json.loads(found, parse_float=Decimal)
    if isinstance(wanted, Mapping):
        return _is_same_mapping(wanted, found)
    if isinstance(found, Mapping):  # pyarrow has maps as pairs
        return _is_same_mapping(dict(wanted), found)
    return len(wanted) == len(found) and all(is_same(one, other) for one, other in zip(wanted, found, strict=True))


def _is_same_mapping(wanted: Mapping[Any, Any], found: Any) -> bool:
    other = dict(found)
    # A struct of Parquet has all keys that there are; one that a mapping lacks is null.
    names = {**dict.fromkeys(map(spelled, wanted)), **dict.fromkeys(map(spelled, other))}
    one_by_name = {spelled(name): value for name, value in wanted.items()}
    other_by_name = {spelled(name): value for name, value in other.items()}
    return all(is_same(one_by_name.get(name), other_by_name.get(name)) for name in names)


def _is_same_number(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) and math.isnan(wanted):
        return found == "NaN" or (isinstance(found, float) and math.isnan(found))
    try:
        one, other = Decimal(str(wanted)), Decimal(str(found))
    except InvalidOperation:
        return False
    if one == other:
        return True
    if not isinstance(wanted, float) and not isinstance(found, float):
        return False
    # Of a narrower float, the provider writes the shortest text of its own width.
    with numpy.errstate(over="ignore"):
        return any(width(one) == width(other) for width in (float, numpy.float32)) or (
            numpy.float16(one) == numpy.float16(other) and numpy.isfinite(numpy.float16(one))
        )


def _is_same_time(wanted: Any, found: Any) -> bool:
    if isinstance(found, str):
        # Readers in Python keep microseconds; the text may have nanoseconds.
        try:
            found = type(wanted).fromisoformat(found)
        except ValueError:
            return False
    if isinstance(wanted, datetime) and isinstance(found, datetime):
        return (wanted.tzinfo is None) == (found.tzinfo is None) and _utc(wanted) == _utc(found)
    return bool(wanted == found)


def _utc(value: datetime) -> datetime:
    return value if value.tzinfo is None else value.astimezone(timezone.utc)


def _is_same_json(wanted: str, found: Any) -> bool:
    try:
        return is_same(json.loads(wanted, parse_float=Decimal), found)
    except ValueError:
        return False
