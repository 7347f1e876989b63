"""The canonical form of every kind of value: what it is in JSON, and what text it is in CSV.

Sources of the rules: dates, times and durations after ISO 8601, base64 after RFC 4648, JSON after RFC 8259.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import chain, repeat
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec
import orjson

from airflow_provider_s3dest.errors import short

NESTED_KINDS = frozenset({list, tuple, dict})
"""Types whose members orjson encodes by itself."""

_INT64 = range(-(2**63), 2**64)
"""The ints that orjson encodes by itself."""

_DIGITS_BY_STR = 4_000
"""Digits of an int up to which ``str`` is safe: Python refuses more than 4,300 (CVE-2020-10735)."""

_WIDE_INT = 10**_DIGITS_BY_STR


OWN_RULES = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
"""Options with which orjson encodes by itself only what it encodes after our rules; it asks for all else."""


_BY_ORJSON_OR_DATES = NESTED_KINDS | {str, int, float, bool, type(None), UUID, date, datetime}

_BREAK = orjson.Fragment(b"\n")
"""A line end between two values, which stands nowhere else in JSON on one line."""


_ORJSON_LEVELS = 254
"""Lists and mappings inside one another that orjson encodes."""

MAX_LEVELS = _ORJSON_LEVELS - 1
"""Levels of a value, which in JSON stands inside the object of its record."""


class NoRuleError(ValueError):
    """A value has no canonical form."""


def plain(value: Any) -> Any:
    """Turn a value into one that orjson encodes after our rules, with :data:`OWN_RULES`.

    :raises NoRuleError: if there is no rule for its type, or for something inside it.

    Example::

        >>> plain({"at": datetime(2024, 1, 31, 12), "price": Decimal("1.10")})
        {'at': '2024-01-31T12:00:00', 'price': '1.10'}
    """
    conversion = _CONVERSIONS.get(type(value))
    if conversion is not None:
        return conversion(value)
    for base, convert in _BASES:
        if isinstance(value, base):
            return convert(value)
    return _foreign(value)


def json_bytes(value: Any) -> bytes:
    """Encode a value as JSON.

    :raises NoRuleError: if there is no rule for its type, or for something inside it, or if it is nested too deeply.
    """
    try:
        return orjson.dumps([plain(value)], plain, OWN_RULES)[1:-1]
    except (RecursionError, orjson.JSONEncodeError) as error:
        if isinstance(error.__cause__, NoRuleError):
            raise error.__cause__ from None
        if isinstance(error, RecursionError) or "Recursion limit" in str(error):
            raise _too_deep() from error
        raise


def json_lines(values: Sequence[Any]) -> str | None:
    """Encode values as JSON, one a line, in one step; None if that can't be done."""
    try:
        array = orjson.dumps(list(chain.from_iterable(zip(values, repeat(_BREAK)))), plain, OWN_RULES)
    except orjson.JSONEncodeError:  # such as an int of more than 64 bits
        return None
    return array[1 : -len(b",\n]")].decode().replace(",\n,", "\n")


def date_converter(rows: Sequence[Mapping[str, Any]]) -> Callable[[Any], Any] | None:
    """Give a converter to the same values as :func:`plain`, for records with dates or moments; None if none is quicker.

    Which values the records hold is seen by the first, and holds for the speed alone.
    """
    kinds = set(map(type, rows[0].values()))
    if not kinds <= _BY_ORJSON_OR_DATES:
        return None
    return _DATE_TEXTS.__getitem__ if date in kinds else _plain_or_moment if datetime in kinds else None


def _plain_or_moment(value: Any) -> Any:
    is_moment = type(value) is datetime and _is_spelled_by_orjson(value)
    return orjson.Fragment(orjson.dumps(value)) if is_moment else plain(value)


def _is_spelled_by_orjson(moment: datetime) -> bool:
    # Of other offsets orjson leaves the seconds out.
    return moment.tzinfo is None or moment.tzinfo is timezone.utc


class _DateTexts(dict[Any, Any]):
    """The texts of dates, each spelled once; other values are converted and not kept.

    Nothing but a date equals a date; one of a subclass is spelled as the date that it equals.
    """

    def __missing__(self, value: Any) -> Any:
        if type(value) is not date:
            return _plain_or_moment(value)
        if len(self) == _MAX_DATE_TEXTS:
            self.clear()
        text = self[value] = value.isoformat()
        return text


_DATE_TEXTS = _DateTexts()
_MAX_DATE_TEXTS = 2**15


def csv_text(value: Any) -> str | None:
    """Turn a value into the text of a CSV field, not yet quoted; None is null.

    :raises NoRuleError: if there is no rule for its type, or for something inside it.
    """
    kind = type(value)
    if kind in _TEXTS:
        return _TEXTS[kind](value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    try:
        converted = plain(value)
    except RecursionError as error:
        raise _too_deep() from error
    return _TEXTS[type(converted)](converted)


def csv_texts(values: Sequence[Any], kinds: set[type]) -> list[str | None]:
    """Turn the values of a column, whose types are given, into the texts of CSV fields as :func:`csv_text` does."""
    if kinds == {msgspec.Raw} and (texts := _raw_texts(values)) is not None:
        return texts
    one = kinds - {type(None)}
    text = _TEXTS.get(one.pop(), csv_text) if len(one) == 1 else csv_text
    return [None if value is None else text(value) for value in values]


def iso_duration(count: int, digits: int) -> str:
    """Spell a duration after ISO 8601, in days, hours, minutes and seconds.

    :param count: the duration, in units of 10**-digits seconds.

    Example::

        >>> iso_duration(93_783_500_000, 6)
        'P1DT2H3M3.5S'
    """
    sign = "-" if count < 0 else ""
    seconds, fraction = divmod(abs(count), 10**digits)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    decimals = f".{fraction:0{digits}d}".rstrip("0") if fraction else ""
    clock = (
        f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{seconds}{decimals}S" * bool(seconds or fraction)
    )
    if not (days or clock):
        return "PT0S"
    return f"{sign}P" + f"{days}D" * bool(days) + f"T{clock}" * bool(clock)


def _too_deep() -> NoRuleError:
    return NoRuleError(f"the value is nested more than {MAX_LEVELS} levels deep, or holds itself")


def _same(value: Any) -> Any:
    return value


def _int(value: int) -> Any:
    return int(value) if value in _INT64 else orjson.Fragment(_int_text(value).encode())


def _int_text(value: int) -> str:
    # Decimal knows no limit of digits.
    return str(value) if -_WIDE_INT < value < _WIDE_INT else format(Decimal(value), "f")


def _decimal(value: Decimal) -> str | None:
    return _decimal_text(value) if value.is_finite() else None


def _decimal_text(value: Decimal) -> str:
    if value.is_finite():
        text = Decimal.__str__(value)  # quicker than format, which is needed where this has an exponent
        return format(value, "f") if "E" in text or "e" in text else text
    return "NaN" if value.is_nan() else _float_text(float(value))


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return orjson.dumps(float(value)).decode()
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _timedelta(value: timedelta) -> str:
    # Asked of timedelta itself: pendulum's durations answer by fields of their own, which do not add up below zero.
    seconds = timedelta.days.__get__(value) * 86_400 + timedelta.seconds.__get__(value)
    micros = seconds * 1_000_000 + timedelta.microseconds.__get__(value)
    return iso_duration(micros * 1000 + getattr(value, "nanoseconds", 0), 9)  # pandas' own count nanoseconds


def _datetime(value: datetime) -> str | None:
    # pandas' missing moment is an instance of datetime.
    return None if type(value).__name__ == "NaTType" else value.isoformat()


def _exact_datetime(value: datetime) -> str:
    # Quicker than isoformat, which puts texts together.
    return orjson.dumps(value)[1:-1].decode() if _is_spelled_by_orjson(value) else value.isoformat()


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return b64encode(value).decode()


def _list(value: Sequence[Any]) -> Sequence[Any]:
    return [plain(item) for item in value]


def _set(value: Any) -> list[Any]:
    return sorted((plain(item) for item in value), key=json_bytes)


def _mapping(value: Mapping[Any, Any]) -> Mapping[str, Any]:
    converted = {}
    for name, member in value.items():
        if not isinstance(name, str):
            raise NoRuleError(f"the key {short(name)} of a nested mapping is no string but {type(name).__name__}")
        converted[str.__str__(name)] = plain(member)
    return converted


_NUMPY_UNITS = {
    "W": (604_800, 0),
    "D": (86_400, 0),
    "h": (3_600, 0),
    "m": (60, 0),
    "s": (1, 0),
    **{unit: (1, 3 * place) for place, unit in enumerate(("ms", "us", "ns", "ps", "fs", "as"), 1)},
}
"""Units of numpy's durations, each as a count of seconds and decimals; months and years have no length of their own."""

_NUMPY_UNIT = re.compile(rf"\[(?P<count>\d*)(?P<unit>{'|'.join(_NUMPY_UNITS)})\]")


def _foreign(value: Any) -> Any:
    """Convert numpy's scalars and arrays and the missing values of numpy and pandas, without importing either."""
    module, name = type(value).__module__.partition(".")[0], type(value).__name__
    if (module, name) in (("pandas", "NAType"), ("numpy", "MaskedConstant")):
        return None
    if module == "numpy" and hasattr(value, "dtype"):
        if getattr(value, "ndim", 0):
            return [plain(item) for item in value]
        kind = value.dtype.kind
        if kind in "biuUS":
            return plain(value.item())
        if kind == "f" and value.itemsize <= 8:  # numpy spells the shortest text of the value's own width
            return float(str(value))
        text = str(value)
        if kind in "mM" and text == "NaT":
            return None
        if kind == "m" and (found := _NUMPY_UNIT.search(value.dtype.str)):
            factor, digits = _NUMPY_UNITS[found["unit"]]
            return iso_duration(int(value.astype("int64")) * int(found["count"] or 1) * factor, digits)
        if kind == "M" and text[:4].isdigit() and not text[4:5].isdigit():  # other years have no four digits
            return text
    raise NoRuleError(f"there is no rule for {module + '.' if module != 'builtins' else ''}{name}")


_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys((str, float, bool, type(None), orjson.Fragment), _same),
    msgspec.Raw: lambda value: orjson.Fragment(bytes(value)),
    int: _int,
    Decimal: _decimal,
    datetime: _exact_datetime,
    date: _DATE_TEXTS.__getitem__,
    time: time.isoformat,
    timedelta: _timedelta,
    bytes: _bytes,
    UUID: str,
    list: _list,
    dict: _mapping,
}

_BASES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: plain(value.value)),
    (str, str.__str__),
    (int, lambda value: _int(int(value))),
    (float, float),
    (Decimal, _decimal),
    (datetime, _datetime),
    (date, date.isoformat),  # whatever it makes of itself, so that it and an equal date have one text
    (time, lambda value: value.isoformat()),
    (timedelta, _timedelta),
    ((bytes, bytearray, memoryview), _bytes),
    (UUID, str),
    (PurePath, str),
    ((list, tuple), _list),
    ((set, frozenset), _set),
    (Mapping, _mapping),
)
"""Conversions of subclasses, the narrower before the wider."""


def _raw_text(value: msgspec.Raw) -> str | None:
    """Spell a staged JSON value as a CSV field: strings without quotes, all else as it stands."""
    text = bytes(value).decode()
    if text[0] == '"':
        decoded: str = orjson.loads(text)
        return decoded
    return None if text == "null" else text


def _raw_texts(values: Sequence[msgspec.Raw]) -> list[str | None] | None:
    """Spell staged JSON values as CSV fields in one step; None if that can't be done."""
    joined = b"\n".join(values)
    if joined.count(b"\n") != len(values) - 1:
        return None
    if joined.startswith(b'"') or b'\n"' in joined:
        texts: list[str | None] = orjson.loads(b"[%b]" % joined.replace(b"\n", b","))
        return texts if set(map(type, texts)) <= {str, type(None)} else None
    return [None if text == "null" else text for text in joined.decode().split("\n")]


_TEXTS: dict[type, Callable[[Any], str | None]] = {
    type(None): lambda value: None,
    str: _same,
    bool: lambda value: "true" if value else "false",
    int: _int_text,
    float: _float_text,
    Decimal: _decimal_text,
    **{kind: _CONVERSIONS[kind] for kind in (datetime, date, time, timedelta, bytes, UUID)},
    msgspec.Raw: _raw_text,
    orjson.Fragment: lambda value: orjson.dumps(value).decode(),
    **dict.fromkeys((list, tuple, dict), lambda value: json_bytes(value).decode()),
}
