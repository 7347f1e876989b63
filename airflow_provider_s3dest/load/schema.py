"""The ``schema`` argument: the Arrow type of each column, given as text."""

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
    | (?P<list>list|large_list) < ((item|element):)? (?P<item>.*) >
    | struct < (?P<fields>.*) >""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS = 100
"""Levels of a type; Parquet takes fewer, and reading the name of a type is recursive."""

_REMEDY = "Use a name such as int64, string, decimal(18,2), timestamp[us, tz=UTC], list<int64> or struct<a: int64>."


def faults(schema: Any, columns: Any = None) -> Iterator[Fault]:
    """Yield what is wrong with a ``schema`` argument; this needs no pyarrow.

    :param schema: a mapping of column to type, or a mapping of table to such mappings.
    :param columns: the ``columns`` argument; the schema must have a type for each of them.
    """
    if schema is None:
        return
    if not isinstance(schema, Mapping) or not schema:
        yield Fault("schema", f"is {short(schema)}.", "Give a mapping of column to the name of an Arrow type.")
        return
    if _is_by_table(schema):
        for types in schema.values():
            yield from faults(types, columns)
        return
    for name, type_name in schema.items():
        if not isinstance(name, str) or not path_template.is_unicode(name):
            yield Fault("schema", f"has the key {short(name)}.", "Give the name of a column.")
        elif not isinstance(type_name, str) or _parsed(type_name) is None:
            is_deep = isinstance(type_name, str) and type_name.count("<") >= _LEVELS
            problem = f"which has more than {_LEVELS} levels." if is_deep else "which is not an Arrow type."
            yield Fault("schema", f"gives {name!r} the type {short(type_name)}, {problem}", _REMEDY)
        else:
            yield from path_template.refused_placeholders(name, "schema")
    if isinstance(columns, Sequence) and not isinstance(columns, str):
        missing = [column for column in columns if column not in schema]
        if missing:
            remedy = "Add their types to `schema`, or leave them out of `columns`."
            yield Fault("columns", f"names {missing}, but `schema` does not.", remedy)


def of_table(schema: Mapping[str, Any] | None, table: str) -> Mapping[str, str] | None:
    """Return the types of the columns of one table; None: no types are given."""
    return schema.get(table) if schema and _is_by_table(schema) else schema


def _is_by_table(schema: Mapping[str, Any]) -> bool:
    return all(isinstance(types, Mapping) for types in schema.values())


def arrow_types(schema: Mapping[str, str]) -> dict[str, Any]:
    """Return the ``pyarrow.DataType`` of each column.

    :raises MissingExtraError: if pyarrow is not installed.

    Example::

        >>> arrow_types({"price": "decimal(18,2)"})
        {'price': Decimal128Type(decimal128(18, 2))}
    """
    import_pyarrow()
    types = {}
    for name, type_name in schema.items():
        make = _parsed(type_name)
        assert make is not None, "a schema with faults is refused before"
        types[name] = make()
    return types


def _parsed(text: str, levels: int = _LEVELS) -> Callable[[], Any] | None:
    """Return a function that makes the type with this name; None if the name is not that of a type.

    :param levels: how many levels the type may have.
    """
    match = _PARTS.fullmatch(text.strip()) if levels and path_template.is_unicode(text) else None
    if match is None:
        return None
    if match["plain"]:
        name = _SHORT.get(match["plain"], match["plain"])
        return (lambda: import_pyarrow().type_for_alias(name)) if name in _PLAIN else None
    if match["decimal"]:
        return _decimal(match["decimal"], int(match["precision"]), int(match["scale"]))
    if match["clock"]:
        return _clock(match["clock"], match["unit"], match["tz"])
    if match["width"]:
        width = int(match["width"])
        return (lambda: import_pyarrow().binary(width)) if 0 < width < 2**31 else None
    if match["list"]:
        factory, item = {"list": "list_"}.get(match["list"], match["list"]), _parsed(match["item"], levels - 1)
        return None if item is None else lambda: getattr(import_pyarrow(), factory)(item())
    fields = [part.partition(":")[::2] for part in _split(match["fields"])]
    parts = [(name.strip(), _parsed(type_name, levels - 1)) for name, type_name in fields]
    names = {name for name, _ in parts}
    if not parts or "" in names or len(names) < len(parts) or any(make is None for _, make in parts):
        return None
    return lambda: import_pyarrow().struct([(name, make()) for name, make in parts if make is not None])


def _decimal(name: str, precision: int, scale: int) -> Callable[[], Any] | None:
    factory = "decimal128" if name == "decimal" else name
    if not 1 <= precision <= (38 if factory == "decimal128" else 76) or scale > precision:
        return None
    return lambda: getattr(import_pyarrow(), factory)(precision, scale)


def _clock(name: str, unit: str, tz: str | None) -> Callable[[], Any] | None:
    units = {"time32": ("s", "ms"), "time64": ("us", "ns")}.get(name, ("s", "ms", "us", "ns"))
    if unit not in units or (tz and (name != "timestamp" or not _is_zone(tz))):
        return None
    return lambda: getattr(import_pyarrow(), name)(*((unit, tz) if name == "timestamp" else (unit,)))


def _is_zone(name: str) -> bool:
    """Return whether a time zone is an offset or is known to this machine; others can't be written as text."""
    if re.fullmatch(r"[+-]\d\d:\d\d", name):
        return True
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _split(text: str) -> list[str]:
    """Split a text at its commas, except for those inside brackets."""
    parts, depth, begin = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "<([") - (character in ">)]")
        if character == "," and not depth:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]
