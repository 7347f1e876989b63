"""The rules for every type of value: what a value becomes in JSON, and which text it becomes in CSV.

Sources of the rules: ISO 8601 for dates, times and durations, RFC 4648 for base64, RFC 8259 for JSON.

Two tables choose the rule: ``_CONVERSIONS`` by the exact type, as nearly all values have one of a few types, and
``_BASES`` for instances of subclasses. The public functions follow below the tables.
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
from airflow_provider_s3dest.records.durations import iso_duration
from airflow_provider_s3dest.records.nesting import FORMS, TOO_DEEP, nesting_problem

OWN_RULES = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
"""Options of orjson under which it encodes by itself only what it encodes as our rules say, and calls ``plain`` for
all else."""

NESTED_TYPES = frozenset({list, tuple, dict})
"""Types whose members orjson encodes by itself."""

_ORJSON_OR_DATE_TYPES = NESTED_TYPES | {str, int, float, bool, type(None), UUID, date, datetime}

_ORJSON_INTS = range(-(2**63), 2**64)
"""The ints that orjson encodes by itself."""

MAX_DIGITS = 150_000
"""Digits of a number that is written: PostgreSQL's ``numeric``, the widest of the usual databases, has 147,455.

``Decimal("1E+999999999")`` takes a few bytes of memory, and its digits would take a gigabyte."""

_WIDEST_BITS = int(MAX_DIGITS / math.log10(2))

_STR_DIGITS = 4_000
"""Digits of an int up to which ``str`` is safe: Python refuses more than 4,300 (CVE-2020-10735)."""

_WIDE_INT = 10**_STR_DIGITS

_LINE_BREAK = orjson.Fragment(b"\n")
"""A line end between two values. Elsewhere in JSON on one line there is none, as strings hold it escaped."""

_MAX_DATE_TEXTS = 2**15
"""Dates whose texts are kept at a time, so that no data set can fill the memory with them."""

_NUMPY_UNITS = {
    "W": (604_800, 0),
    "D": (86_400, 0),
    "h": (3_600, 0),
    "m": (60, 0),
    "s": (1, 0),
    **{unit: (1, 3 * thousands) for thousands, unit in enumerate(("ms", "us", "ns", "ps", "fs", "as"), 1)},
}
"""Units of numpy's durations, each as a count of seconds and decimals; months and years have no fixed length."""

_NUMPY_UNIT = re.compile(rf"\[(?P<count>\d*)(?P<unit>{'|'.join(_NUMPY_UNITS)})\]")


class NoRuleError(ValueError):
    """There is no rule for a value."""


class UnknownTypeError(NoRuleError):
    """There is no rule for the type of a value."""


def _same(value: Any) -> Any:
    return value


def _int(value: int) -> Any:
    return int(value) if value in _ORJSON_INTS else orjson.Fragment(_int_text(value).encode())


def _int_text(value: int) -> str:
    if value.bit_length() > _WIDEST_BITS:
        raise _too_many_digits()
    # Decimal has no limit of digits.
    return str(value) if -_WIDE_INT < value < _WIDE_INT else format(Decimal(value), "f")


def _decimal(value: Decimal) -> str | None:
    return _decimal_text(value) if value.is_finite() else None


def _decimal_text(value: Decimal) -> str:
    if value.is_finite():
        # Quicker than format, which is needed only for a text with an exponent. Called on Decimal itself, since a
        # subclass may override __str__.
        text = Decimal.__str__(value)
        if "E" not in text and "e" not in text:
            return text
        if abs(Decimal.adjusted(value)) > MAX_DIGITS:
            raise _too_many_digits()
        return format(value, "f")
    return "NaN" if value.is_nan() else _float_text(float(value))


def _too_many_digits() -> NoRuleError:
    return NoRuleError(f"the number has more than {MAX_DIGITS:,} digits")


def _float_text(value: float) -> str:
    if math.isfinite(value):
        return orjson.dumps(float(value)).decode()
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _timedelta(value: timedelta) -> str:
    # Read from timedelta itself: pendulum's durations override these attributes, and theirs don't add up below zero.
    seconds = timedelta.days.__get__(value) * 86_400 + timedelta.seconds.__get__(value)
    micros = seconds * 1_000_000 + timedelta.microseconds.__get__(value)
    return iso_duration(micros * 1000 + getattr(value, "nanoseconds", 0), 9)  # pandas' durations have nanoseconds


def _datetime(value: datetime) -> str | None:
    # NaT, the missing timestamp of pandas, is an instance of datetime.
    return None if type(value).__name__ == "NaTType" else value.isoformat()


def _exact_datetime(value: datetime) -> str:
    # orjson is quicker than isoformat.
    return orjson.dumps(value)[1:-1].decode() if _orjson_writes_iso(value) else value.isoformat()


def _orjson_writes_iso(timestamp: datetime) -> bool:
    # orjson leaves out the seconds of an offset; without an offset, or in UTC, there are none.
    return timestamp.tzinfo is None or timestamp.tzinfo is timezone.utc


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return b64encode(value).decode()


def _list(value: Sequence[Any]) -> Sequence[Any]:
    return [unchecked_plain(item) for item in value]


def _set(value: Any) -> list[Any]:
    return sorted((unchecked_plain(item) for item in value), key=json_bytes)


def _mapping(value: Mapping[Any, Any]) -> Mapping[str, Any]:
    converted = {}
    for name, member in value.items():
        if not isinstance(name, str):
            raise NoRuleError(f"the key {short(name)} of a nested mapping is no string but {type(name).__name__}")
        # The text itself, even if a subclass such as an Enum overrides __str__.
        converted[str.__str__(name)] = unchecked_plain(member)
    return converted


def _foreign(value: Any) -> Any:
    """Convert scalars and arrays of numpy, and missing values of numpy and pandas, without importing either."""
    module, name = type(value).__module__.partition(".")[0], type(value).__name__
    if (module, name) in (("pandas", "NAType"), ("numpy", "MaskedConstant")):
        return None
    if module == "numpy" and hasattr(value, "dtype"):
        if getattr(value, "ndim", 0):
            return [unchecked_plain(item) for item in value]
        kind = value.dtype.kind
        if kind in "biuUS":
            return unchecked_plain(value.item())
        if kind == "f" and value.itemsize <= 8:
            # numpy writes the shortest text for the value's own width: float32 0.1 is 0.1, not 0.10000000149011612.
            return float(str(value))
        text = str(value)
        if kind in "mM" and text == "NaT":
            return None
        if kind == "m" and (unit := _NUMPY_UNIT.search(value.dtype.str)):
            factor, digits = _NUMPY_UNITS[unit["unit"]]
            return iso_duration(int(value.astype("int64")) * int(unit["count"] or 1) * factor, digits)
        if kind == "M" and text[:4].isdigit() and not text[4:5].isdigit():  # ISO 8601 has years of four digits only
            return text
    raise UnknownTypeError(f"there is no rule for {module + '.' if module != 'builtins' else ''}{name}")


class _DateTexts(dict[Any, Any]):
    """The texts of dates, each formatted once; other values are converted and not kept.

    A value that is not a date never equals one, so that no other value finds the text of a date. An instance of a
    subclass of date gets the text of the date that it equals.
    """

    def __missing__(self, value: Any) -> Any:
        if type(value) is not date:
            return _plain_or_timestamp(value)
        if len(self) == _MAX_DATE_TEXTS:
            self.clear()
        text = self[value] = value.isoformat()
        return text


_DATE_TEXTS = _DateTexts()

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
"""Conversions to JSON by exact type."""

_BASES: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: unchecked_plain(value.value)),
    (str, str.__str__),
    (int, lambda value: _int(int(value))),
    (float, float),
    (Decimal, _decimal),
    (datetime, _datetime),
    (date, date.isoformat),  # not the subclass's own, so that it has the same text as the date that it equals
    (time, lambda value: value.isoformat()),
    (timedelta, _timedelta),
    ((bytes, bytearray, memoryview), _bytes),
    (UUID, str),
    (PurePath, str),
    ((list, tuple), _list),
    ((set, frozenset), _set),
    (Mapping, _mapping),
)
"""Conversions of subclasses, the narrower before the wider: an Enum may be a str, a datetime is a date."""


def plain(value: Any) -> Any:
    """Turn a value into one that orjson encodes by our rules, with :data:`OWN_RULES`.

    :raises NoRuleError: if there is no rule for its type, or for something inside it, or if it is nested too deeply or
        repeats its parts too often.

    Example::

        >>> plain({"at": datetime(2024, 1, 31, 12), "price": Decimal("1.10")})
        {'at': '2024-01-31T12:00:00', 'price': '1.10'}
    """
    if FORMS[type(value)] and (problem := nesting_problem([value])):
        raise NoRuleError(problem)
    return unchecked_plain(value)


def unchecked_plain(value: Any) -> Any:
    """Do what :func:`plain` does, for a value whose nesting is known to be harmless."""
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
        # In a list, as the value of a record stands inside an object: the limit of levels is then the same.
        return orjson.dumps([plain(value)], unchecked_plain, OWN_RULES)[1:-1]
    except (RecursionError, orjson.JSONEncodeError) as error:
        if isinstance(error.__cause__, NoRuleError):
            raise error.__cause__ from None
        if isinstance(error, RecursionError) or "Recursion limit" in str(error):
            raise too_deep() from error
        raise


def json_lines(values: Sequence[Any]) -> str | None:
    """Encode values as JSON, one a line, by one call of orjson; None if it can't encode one of them."""
    if nesting_problem(values):
        return None
    try:
        # An array of each value and a line break behind it; then the commas around the line breaks are taken out.
        array = orjson.dumps(list(chain.from_iterable(zip(values, repeat(_LINE_BREAK)))), unchecked_plain, OWN_RULES)
    except orjson.JSONEncodeError:  # such as an int of more than 64 bits
        return None
    return array[1 : -len(b",\n]")].decode().replace(",\n,", "\n")


def date_converter(rows: Sequence[Mapping[str, Any]]) -> Callable[[Any], Any] | None:
    """Return a function that converts as :func:`plain` does, but is quicker for dates and timestamps.

    The first record decides which one; for other records it may be slower, never wrong.

    :return: the function; None if no other is quicker.
    """
    python_types = set(map(type, rows[0].values()))
    if not python_types <= _ORJSON_OR_DATE_TYPES:
        return None
    return (
        _DATE_TEXTS.__getitem__ if date in python_types else _plain_or_timestamp if datetime in python_types else None
    )


def _plain_or_timestamp(value: Any) -> Any:
    is_timestamp = type(value) is datetime and _orjson_writes_iso(value)
    return orjson.Fragment(orjson.dumps(value)) if is_timestamp else unchecked_plain(value)


def too_deep() -> NoRuleError:
    """Return the error for a value of too many levels."""
    return NoRuleError(TOO_DEEP)


def _raw_text(value: msgspec.Raw) -> str | None:
    """Return the CSV text of a staged JSON value: a string without its quotes, all else as it stands."""
    text = bytes(value).decode()
    if text[0] == '"':
        decoded: str = orjson.loads(text)
        return decoded
    return None if text == "null" else text


_TEXTS: dict[type, Callable[[Any], str | None]] = {
    type(None): lambda value: None,
    str: _same,
    bool: lambda value: "true" if value else "false",
    int: _int_text,
    float: _float_text,
    Decimal: _decimal_text,
    **{python_type: _CONVERSIONS[python_type] for python_type in (datetime, date, time, timedelta, bytes, UUID)},
    msgspec.Raw: _raw_text,
    orjson.Fragment: lambda value: orjson.dumps(value).decode(),
    **dict.fromkeys((list, tuple, dict), lambda value: json_bytes(value).decode()),
}
"""Conversions to CSV texts by exact type; any other value is converted by :func:`plain` to one of these types."""


def csv_text(value: Any) -> str | None:
    """Turn a value into the text of a CSV field, not yet quoted; None is null.

    :raises NoRuleError: if there is no rule for its type, or for something inside it.
    """
    python_type = type(value)
    if python_type in _TEXTS:
        return _TEXTS[python_type](value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    try:
        converted = plain(value)
    except RecursionError as error:
        raise too_deep() from error
    return _TEXTS[type(converted)](converted)


def csv_texts(values: Sequence[Any], python_types: set[type]) -> list[str | None]:
    """Turn the values of a column into the texts of CSV fields, as :func:`csv_text` does.

    :param python_types: the types of all values.
    """
    if python_types == {msgspec.Raw} and (texts := _raw_texts(values)) is not None:
        return texts
    not_null = python_types - {type(None)}
    text_of = _TEXTS.get(not_null.pop(), csv_text) if len(not_null) == 1 else csv_text
    return [None if value is None else text_of(value) for value in values]


def _raw_texts(values: Sequence[msgspec.Raw]) -> list[str | None] | None:
    """Return the CSV texts of staged JSON values by one call of orjson; None if they can't be had so."""
    joined = b"\n".join(values)
    if joined.count(b"\n") != len(values) - 1:  # a value that spans lines
        return None
    if joined.startswith(b'"') or b'\n"' in joined:
        texts: list[str | None] = orjson.loads(b"[%b]" % joined.replace(b"\n", b","))
        # Any number among them would lose its own digits, so that all have to be strings.
        return texts if set(map(type, texts)) <= {str, type(None)} else None
    return [None if text == "null" else text for text in joined.decode().split("\n")]
