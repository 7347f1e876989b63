"""Finds the Arrow type of a column of Python values, and the one type that holds two."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache, reduce
from typing import Any

import msgspec

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.values import NoRuleError, json_bytes, plain

DECIMAL_DIGITS = 38
"""Digits of a decimal: what warehouses read."""

SCHEMA_LEVELS = 99
"""Levels below the root of a schema that Arrow's own reader of Parquet takes."""

_INT64 = range(-(2**63), 2**63)


class MixedTypesError(TypeError):
    """Two values of a column have no type in common."""

    def __init__(self, one: Any, other: Any) -> None:
        self.one, self.other = one, other
        super().__init__(f"{other} does not go with {one}")


def array_of(values: Sequence[Any], target: Any = None) -> Any:
    """Make a ``pyarrow.Array`` of Python values, exactly, of the narrowest type that this module knows for them.

    :param target: the type that is wanted in the end: numbers of JSON are decimals at once if it holds some.
    :raises MixedTypesError: if they have no type in common.
    :raises NoRuleError, ValueError, OverflowError: if a value has no exact form.
    """
    pyarrow = import_pyarrow()
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1 and (alias := _ALIASES.get(next(iter(kinds)))):
        try:
            return pyarrow.array(values, alias)
        except (OverflowError, pyarrow.ArrowInvalid):
            if alias != "int64":
                raise
    if msgspec.Raw in kinds:
        values = _parsed(values, "decimal" in str(target))
    values = [_simple(value) for value in values]
    shapes = dict.fromkeys(map(_shape, values))
    kind = reduce(common_type, map(_type_of_shape, shapes), pyarrow.null())
    return pyarrow.array(values, kind)


def common_type(one: Any, other: Any) -> Any:
    """Give the type that holds the values of two exactly, as far as a type can tell.

    :raises MixedTypesError: if there is none.
    """
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if one == other or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if types.is_struct(one) and types.is_struct(other):
        return _common_struct(one, other)
    if is_list(one) and is_list(other):
        make = pyarrow.large_list if types.is_large_list(one) or types.is_large_list(other) else pyarrow.list_
        return make(common_type(one.value_type, other.value_type))
    if types.is_timestamp(one) and types.is_timestamp(other) and (one.tz is None) == (other.tz is None):
        return pyarrow.timestamp(_finer(one.unit, other.unit), one.tz if one.tz == other.tz else "UTC")
    decimals = [kind for kind in (one, other) if types.is_decimal(kind)]
    if decimals and all(types.is_decimal(kind) or types.is_integer(kind) for kind in (one, other)):
        scale = max(kind.scale for kind in decimals)
        make = pyarrow.decimal256 if any(map(types.is_decimal256, decimals)) else pyarrow.decimal128
        return make(max(DECIMAL_DIGITS, *(kind.precision for kind in decimals)), scale)
    if any(all(map(family, (one, other))) for family in (_is_number, _is_text, _is_bytes, types.is_date)):
        schemas = [pyarrow.schema([("x", kind)]) for kind in (one, other)]
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    raise MixedTypesError(one, other)


def storable_type(kind: Any, *, nanoseconds: bool = True) -> Any:
    """Give the type in which Parquet keeps a column: encodings undone, and text for what is null throughout.

    :param nanoseconds: whether the version of Parquet knows them.
    :raises TypeError: if Parquet has none, or its readers none.
    """
    stored = _stored(kind, nanoseconds)
    if (levels := _levels(stored)) > SCHEMA_LEVELS:
        raise TypeError(f"nested in {levels} levels of Parquet's schema, and its readers take {SCHEMA_LEVELS}")
    return stored


def _stored(kind: Any, nanoseconds: bool) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _stored(kind.value_type, nanoseconds)
    if types.is_null(kind) or types.is_string_view(kind):
        return pyarrow.string()
    if types.is_binary_view(kind):
        return pyarrow.binary()
    if types.is_timestamp(kind) and kind.unit == "ns" and not nanoseconds:
        return pyarrow.timestamp("us", kind.tz)
    if types.is_struct(kind):
        if not kind.num_fields:
            raise TypeError("an object without fields, for which Parquet has no type")
        return pyarrow.struct([(field.name, _stored(field.type, nanoseconds)) for field in kind.fields])
    if is_list(kind):
        make = pyarrow.large_list if types.is_large_list(kind) else pyarrow.list_
        return make(_stored(kind.value_type, nanoseconds))
    if types.is_union(kind) or types.is_interval(kind):
        raise TypeError(f"of the type {kind}, which Parquet does not have")
    if types.is_map(kind):
        # With nanoseconds, for what is refused alone: Parquet's writer undoes encodings itself.
        stored = [_stored(inside, nanoseconds) for inside in (kind.key_type, kind.item_type)]
        return kind if nanoseconds else pyarrow.map_(*stored, keys_sorted=kind.keys_sorted)
    return kind


def _levels(kind: Any) -> int:
    """Count the levels that a type takes in Parquet's schema, where a list has one of its own for its members."""
    types = import_pyarrow().types
    if types.is_nested(kind):
        own = 2 if is_list(kind) else 1  # the members of a map are a struct
        return own + max(_levels(kind.field(number).type) for number in range(kind.num_fields))
    return 1


def _common_struct(one: Any, other: Any) -> Any:
    fields = {field.name: field.type for field in one.fields}
    for field in other.fields:
        fields[field.name] = common_type(fields[field.name], field.type) if field.name in fields else field.type
    return import_pyarrow().struct(list(fields.items()))


def is_list(kind: Any) -> bool:
    """Say whether a type is one of lists, of whatever layout."""
    types = import_pyarrow().types
    return any(
        is_one(kind)
        for is_one in (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


def _is_number(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_text(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _finer(one: str, other: str) -> str:
    units = ("s", "ms", "us", "ns")
    return max(one, other, key=units.index)


_ALIASES: Mapping[type, str] = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    date: "date32",
    bytes: "binary",
}
"""The Arrow types of values that need no look at each."""


def _parsed(values: Sequence[Any], as_decimals: bool) -> list[Any]:
    """Read what staged JSON holds; a number that a double would change is a decimal."""
    raws = b",".join(bytes(value) if isinstance(value, msgspec.Raw) else b"null" for value in values)
    parse_float = Decimal if as_decimals else _number
    parsed: list[Any] = json.loads(b"[" + raws + b"]", parse_float=parse_float, object_pairs_hook=unique_keys)
    return parsed


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of an object of JSON, of which no value is to be lost.

    :raises ValueError: if it has a key twice.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a nested object has the key {max(names, key=names.count)!r} twice")
    return made


def _number(text: str) -> float | Decimal:
    value = float(text)
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else Decimal(text)


def _simple(value: Any) -> Any:
    """Turn a value into one of the few that Arrow takes as they are; what is text in JSON and no type here, into it."""
    if type(value) in _KEPT:
        return value
    if isinstance(value, Enum):
        return _simple(value.value)
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise NoRuleError(f"the key {wrong[0]!r} of a nested mapping is no string but {type(wrong[0]).__name__}")
        return {str.__str__(key): _simple(member) for key, member in value.items()}
    if isinstance(value, (set, frozenset)):
        return [_simple(item) for item in sorted(value, key=json_bytes)]
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if isinstance(value, time):
        return value if value.tzinfo is None else value.isoformat()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (Decimal, date, bytes)):
        return None if type(value).__name__ == "NaTType" else value
    if isinstance(value, int):
        return int(value)
    if getattr(value, "ndim", 0):
        return [_simple(item) for item in value]
    return plain(value)


_KEPT = frozenset({type(None), str, bool, int, float, Decimal, datetime, date, bytes})


def _shape(value: Any) -> Hashable:
    """Tell apart what needs another type."""
    if isinstance(value, dict):
        return ("struct", *((name, _shape(member)) for name, member in value.items()))
    if isinstance(value, list):
        return ("list", *dict.fromkeys(map(_shape, value)))
    if type(value) is int:
        return "int64" if value in _INT64 else ("decimal", 0)
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int):
            raise NoRuleError(f"{value} is no decimal of Arrow")
        return ("decimal", max(0, -exponent))
    if isinstance(value, datetime):
        unit = "ns" if getattr(value, "nanosecond", 0) else "us"
        return ("timestamp", unit, None if value.utcoffset() is None else "UTC")
    if isinstance(value, date):
        return "date32"
    return _NAMES[type(value)]


_NAMES: Mapping[type, str] = {
    type(None): "null",
    str: "string",
    bool: "bool",
    float: "float64",
    time: "time64[us]",
    bytes: "binary",
}


@lru_cache(maxsize=1024)
def _type_of_shape(shape: Any) -> Any:
    pyarrow = import_pyarrow()
    if isinstance(shape, str):
        return pyarrow.type_for_alias(shape)
    name, *members = shape
    if name == "decimal":
        if members[0] > DECIMAL_DIGITS:
            raise NoRuleError(f"a decimal of {members[0]} decimals; there is a type for {DECIMAL_DIGITS} digits")
        return pyarrow.decimal128(DECIMAL_DIGITS, members[0])
    if name == "timestamp":
        return pyarrow.timestamp(*members)
    if name == "list":
        return pyarrow.list_(reduce(common_type, _types_of(members), pyarrow.null()))
    return pyarrow.struct([(member, _type_of_shape(shape)) for member, shape in members])


def _types_of(shapes: Iterable[Any]) -> Iterable[Any]:
    return map(_type_of_shape, shapes)
