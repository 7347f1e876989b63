"""The ``schema`` argument: the Arrow types of columns, by their names in text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.spec import path_template

_PLAIN = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "string", "large_string", "binary", "large_binary", "date32", "date64"),
)
_SHORT = {
    "float": "float32",
    "double": "float64",
    "halffloat": "float16",
    "utf8": "string",
    "date": "date32",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}
_PARTS = re.compile(
    r"""(?P<plain>[a-z0-9_]+ | date32\[day\] | date64\[ms\])
    | (?P<decimal>decimal|decimal128|decimal256) \( \s*(?P<precision>\d+)\s*,\s*(?P<scale>\d+)\s* \)
    | (?P<clock>time32|time64|timestamp|duration)
        \[ \s*(?P<unit>s|ms|us|ns)\s* (,\s*tz=(?P<tz>[A-Za-z0-9_+:/-]+)\s*)? \]
    | fixed_size_binary \[ \s*(?P<width>\d+)\s* \]
    | (?P<list>list|large_list) < ((item|element):\s*)? (?P<item>.*) >
    | struct < (?P<fields>.*) >""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS = 100
"""Levels of a type; Parquet takes fewer, and reading the name of a type is recursive."""

_REMEDY = "Use a name such as int64, string, decimal(18,2), timestamp[us, tz=UTC], list<int64> or struct<a: int64>."


def faults(schema: Any, columns: Any = None) -> Iterator[Fault]:
    """Find what is wrong with a ``schema`` argument, without pyarrow.

    :param schema: the types of columns, or a mapping of table to such.
    :param columns: the ``columns`` argument, each of which the schema has to name.
    """
    if schema is None:
        return
    if not isinstance(schema, Mapping) or not schema:
        yield Fault("schema", f"is {short(schema)}.", "Give a mapping of column to the name of an Arrow type.")
        return
    if _is_by_table(schema):
        for own in schema.values():
            yield from faults(own, columns)
        return
    for name, kind in schema.items():
        if not isinstance(name, str) or not path_template.is_unicode(name):
            yield Fault("schema", f"has the key {short(name)}.", "Give the name of a column.")
        elif not isinstance(kind, str) or _parsed(kind) is None:
            deep = isinstance(kind, str) and kind.count("<") >= _LEVELS
            problem = f"which has more than {_LEVELS} levels." if deep else "which is none."
            yield Fault("schema", f"gives {name!r} the type {short(kind)}, {problem}", _REMEDY)
        else:
            yield from path_template.refused_placeholders(name, "schema")
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        missing = [column for column in columns if column not in schema]
        if missing:
            yield Fault("columns", f"names {missing}, and `schema` does not.", "Give their types, or take them out.")


def of_table(schema: Mapping[str, Any] | None, table: str) -> Mapping[str, str] | None:
    """Give the types of one table's columns; None: none are given."""
    return schema.get(table) if schema and _is_by_table(schema) else schema


def _is_by_table(schema: Mapping[str, Any]) -> bool:
    return all(isinstance(own, Mapping) for own in schema.values())


def arrow_types(schema: Mapping[str, str]) -> dict[str, Any]:
    """Give the ``pyarrow.DataType`` of each column.

    :raises MissingExtraError: if pyarrow is not there.

    Example::

        >>> arrow_types({"price": "decimal(18,2)"})
        {'price': Decimal128Type(decimal128(18, 2))}
    """
    import_pyarrow()
    made = {}
    for name, kind in schema.items():
        make = _parsed(kind)
        assert make is not None, "the faults were looked for"
        made[name] = make()
    return made


def _parsed(text: str, levels: int = _LEVELS) -> Callable[[], Any] | None:
    """Read the name of a type: give what makes it, None if it is no name of one.

    :param levels: how many levels it may have.
    """
    found = _PARTS.fullmatch(text.strip()) if levels and path_template.is_unicode(text) else None
    if found is None:
        return None
    if found["plain"]:
        name = _SHORT.get(found["plain"], found["plain"])
        return (lambda: import_pyarrow().type_for_alias(name)) if name in _PLAIN else None
    if found["decimal"]:
        return _decimal(found["decimal"], int(found["precision"]), int(found["scale"]))
    if found["clock"]:
        return _clock(found["clock"], found["unit"], found["tz"])
    if found["width"]:
        width = int(found["width"])
        return (lambda: import_pyarrow().binary(width)) if 0 < width < 2**31 else None
    if found["list"]:
        kind, item = {"list": "list_"}.get(found["list"], found["list"]), _parsed(found["item"], levels - 1)
        return None if item is None else lambda: getattr(import_pyarrow(), kind)(item())
    fields = [part.partition(":")[::2] for part in _split(found["fields"])]
    parts = [(name.strip(), _parsed(kind, levels - 1)) for name, kind in fields]
    names = {name for name, _ in parts}
    if not parts or "" in names or len(names) < len(parts) or any(make is None for _, make in parts):
        return None
    return lambda: import_pyarrow().struct([(name, make()) for name, make in parts if make is not None])


def _decimal(name: str, precision: int, scale: int) -> Callable[[], Any] | None:
    kind = "decimal128" if name == "decimal" else name
    if not 1 <= precision <= (38 if kind == "decimal128" else 76) or scale > precision:
        return None
    return lambda: getattr(import_pyarrow(), kind)(precision, scale)


def _clock(name: str, unit: str, tz: str | None) -> Callable[[], Any] | None:
    units = {"time32": ("s", "ms"), "time64": ("us", "ns")}.get(name, ("s", "ms", "us", "ns"))
    if unit not in units or (tz and (name != "timestamp" or not _is_zone(tz))):
        return None
    return lambda: getattr(import_pyarrow(), name)(*((unit, tz) if name == "timestamp" else (unit,)))


def _is_zone(name: str) -> bool:
    """Say whether a time zone is an offset or one that this machine knows: of no other can a moment be spelled."""
    if re.fullmatch(r"[+-]\d\d:\d\d", name):
        return True
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _split(text: str) -> list[str]:
    """Split at commas that stand in no brackets."""
    parts, depth, begin = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "<([") - (character in ">)]")
        if character == "," and not depth:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]
