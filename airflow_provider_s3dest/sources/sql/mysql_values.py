"""The types of MySQL and MariaDB by their numbers (``enum_field_types``), and the dates that Python has not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from airflow_provider_s3dest.sources.sql.column import ArrowType, Column, decimal_column, plain_type

DATE, DATETIME, TIMESTAMP, NEWDATE = 10, 12, 7, 14
JSON, SET, BIT = 245, 248, 16
UNSIGNED, BINARY, IS_SET = 0x20, 0x80, 0x800
_DECIMALS = (0, 246)
_TEXTS = (15, 247, SET, 249, 250, 251, 252, 253, 254)

_SIGNED: Mapping[int, tuple[str, str]] = {
    1: ("int8", "uint8"),
    2: ("int16", "uint16"),
    3: ("int32", "uint32"),
    8: ("int64", "uint64"),
    9: ("int32", "uint32"),
    13: ("int16", "uint16"),  # year
}
_ARROW: Mapping[int, ArrowType] = {
    4: plain_type("float64"),  # a float: its text is a number that a float32 does not hold exactly, such as 0.1
    5: plain_type("float64"),
    **dict.fromkeys((DATE, NEWDATE), plain_type("date32")),
    **dict.fromkeys((DATETIME, TIMESTAMP), plain_type("timestamp", "us")),
    JSON: plain_type("string"),
    BIT: plain_type("uint64"),
}


def column(
    name: str,
    number: int,
    flags: int,
    *,
    length: int | None = None,
    scale: int | None = None,
    is_text: bool | None = None,
) -> Column:
    """Return a column of a type.

    :param length: characters of a decimal, with its sign and its point; None: not known.
    :param is_text: whether a column of texts or bytes holds texts; None: the values decide.
    """
    if number in _DECIMALS:
        if length is None or scale is None:
            return decimal_column(name, None, None)
        return decimal_column(name, length - (scale > 0) - (not flags & UNSIGNED), scale)
    if number in _SIGNED:
        return Column(name, plain_type(_SIGNED[number][bool(flags & UNSIGNED)]))
    if number in _TEXTS and is_text is not None:
        return Column(name, plain_type("string" if is_text else "binary"))
    return Column(name, _ARROW.get(number))


def date_or_text(text: str) -> date | str:
    """Return a date; one that Python has not, such as ``0000-00-00``, as the text of the server."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def datetime_or_text(text: str) -> datetime | str:
    """Return a timestamp; one that Python has not, such as ``2024-00-10 00:00:00``, as the text of the server."""
    try:
        # Before Python 3.11, a fraction of a second needs three or six digits.
        return datetime.fromisoformat(f"{text:0<26}" if len(text) > 20 else text)
    except ValueError:
        return text
