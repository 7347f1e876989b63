"""Finds the Arrow type of Python values, the one type that holds two types, and the type that Parquet stores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache, partial, reduce
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.values import has_no_rule
from airflow_provider_s3dest.records.nesting import nesting_problem
from airflow_provider_s3dest.records.values import NoRuleError, json_bytes, plain, too_deep

_WIDEST_DECIMAL = 76
"""Digits of a decimal256 of Arrow."""

DECIMAL_DIGITS = 38
"""Digits of a decimal, as many as data warehouses read."""

SCHEMA_LEVELS = 99
"""Levels below the root of a schema that Arrow's own reader of Parquet accepts."""

_INT64 = range(-(2**63), 2**63)

_ALIASES: Mapping[type, str] = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    date: "date32",
    bytes: "binary",
}
"""Arrow types of Python types whose values all have the same one; most columns need no more than this table."""

_ALIASES_OF_SHAPES: Mapping[type, str] = {
    type(None): "null",
    str: "string",
    bool: "bool",
    float: "float64",
    bytes: "binary",
}

_ARROW_TAKES = frozenset({type(None), str, bool, int, float, Decimal, datetime, date, bytes})
"""Python types whose values Arrow takes as they are."""


class MixedTypesError(TypeError):
    """Two values of a column have no type in common."""

    def __init__(self, one: Any, other: Any) -> None:
        self.one, self.other = one, other
        super().__init__(f"{other} does not go with {one}")


class NoRuleTypeError(TypeError):
    """The values of a type can't be written in any format, and not as text either."""


def array_of(values: Sequence[Any], target: Any = None) -> Any:
    """Make a ``pyarrow.Array`` of Python values, exactly, of the narrowest type that this module knows for them.

    ``pyarrow.array`` alone would accept some mixtures: it turns text beside bytes into bytes, and a timestamp beside a
    date into a date.

    :param target: the type that the array is to be cast to later. If it contains decimals, numbers in JSON become
        decimals at once.
    :raises MixedTypesError: if the values have no type in common.
    :raises NoRuleError, ValueError, OverflowError: if a value has no exact form.
    """
    try:
        return _array_of(values, target)
    except RecursionError as error:
        raise too_deep() from error


def _array_of(values: Sequence[Any], target: Any) -> Any:
    pyarrow = import_pyarrow()
    python_types = set(map(type, values)) - {type(None)}
    if len(python_types) == 1 and (alias := _ALIASES.get(next(iter(python_types)))):
        try:
            return pyarrow.array(values, alias)
        except (OverflowError, pyarrow.ArrowInvalid):
            if alias != "int64":  # a larger int becomes a decimal below
                raise
    if msgspec.Raw in python_types:
        values = _parsed(values, "decimal" in str(target))
    if problem := nesting_problem(values):
        raise NoRuleError(problem)
    values = [_simple(value) for value in values]
    # Shapes before types: a column has few shapes, and a type costs more to make.
    shapes = dict.fromkeys(map(_shape, values))
    arrow_type = reduce(common_type, map(_type_of_shape, shapes), pyarrow.null())
    try:
        return pyarrow.array(values, arrow_type)
    except ValueError as error:  # Arrow's own, or Python's for a number of more than 4,300 digits
        if "precision" in str(error) or "int_max_str_digits" in str(error):
            raise _too_many_digits() from error
        raise


def common_type(one: Any, other: Any) -> Any:
    """Return the type that holds the values of two types exactly, as far as types alone can ensure it.

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
    decimals = [arrow_type for arrow_type in (one, other) if types.is_decimal(arrow_type)]
    if decimals and all(types.is_decimal(arrow_type) or types.is_integer(arrow_type) for arrow_type in (one, other)):
        scale = max(arrow_type.scale for arrow_type in decimals)
        make = pyarrow.decimal256 if any(map(types.is_decimal256, decimals)) else pyarrow.decimal128
        return make(max(DECIMAL_DIGITS, *(arrow_type.precision for arrow_type in decimals)), scale)
    # Arrow promotes within these families only as far as the values stay what they are.
    if any(all(map(is_member, (one, other))) for is_member in (_is_number, is_text, is_bytes, types.is_date)):
        schemas = [pyarrow.schema([("x", arrow_type)]) for arrow_type in (one, other)]
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    raise MixedTypesError(one, other)


def storable_type(arrow_type: Any, *, nanoseconds: bool = True) -> Any:
    """Return the type in which Parquet stores a column: without encodings, and text for a column of nulls alone.

    :param nanoseconds: whether the version of Parquet has them.
    :raises TypeError: if Parquet has no such type, or its readers refuse it; a NoRuleTypeError if text is no way out.
    """
    try:
        stored = _stored(arrow_type, nanoseconds)
        levels = _levels(stored)
    except RecursionError as error:
        problem = f"nested in far more levels of Parquet's schema than the {SCHEMA_LEVELS} that its readers take"
        raise TypeError(problem) from error
    if levels > SCHEMA_LEVELS:
        raise TypeError(f"nested in {levels} levels of Parquet's schema, and its readers take {SCHEMA_LEVELS}")
    return stored


def _stored(arrow_type: Any, nanoseconds: bool) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        return _stored(arrow_type.value_type, nanoseconds)
    if types.is_null(arrow_type) or types.is_string_view(arrow_type):
        return pyarrow.string()
    if types.is_binary_view(arrow_type):
        return pyarrow.binary()
    if types.is_decimal(arrow_type) and arrow_type.scale < 0:
        return whole_decimal(arrow_type)
    if types.is_timestamp(arrow_type) and arrow_type.unit == "ns" and not nanoseconds:
        return pyarrow.timestamp("us", arrow_type.tz)
    if types.is_fixed_size_binary(arrow_type) and not arrow_type.byte_width:
        return pyarrow.binary()
    if types.is_struct(arrow_type):
        if not arrow_type.num_fields:
            raise TypeError("an object without fields, for which Parquet has no type")
        names = [field.name for field in arrow_type.fields]
        if len(set(names)) < len(names):
            raise NoRuleTypeError(f"an object that has the field {max(names, key=names.count)!r} twice")
        return pyarrow.struct([(field.name, _stored(field.type, nanoseconds)) for field in arrow_type.fields])
    if is_list(arrow_type):
        make = pyarrow.large_list if types.is_large_list(arrow_type) else pyarrow.list_
        return make(_stored(arrow_type.value_type, nanoseconds))
    if types.is_interval(arrow_type) or has_no_rule(arrow_type):
        raise NoRuleTypeError(f"of the type {getattr(arrow_type, 'type_name', arrow_type)}, which has no rule")
    if types.is_union(arrow_type):
        raise TypeError(f"of the type {arrow_type}, which Parquet does not have")
    if types.is_map(arrow_type):
        # Also with nanoseconds, for the TypeErrors alone: Parquet's writer undoes encodings in a map itself.
        stored = [_stored(inside, nanoseconds) for inside in (arrow_type.key_type, arrow_type.item_type)]
        as_it_is = nanoseconds and not holds_views(arrow_type) and not _has_other_form(arrow_type)
        return arrow_type if as_it_is else pyarrow.map_(*stored, keys_sorted=arrow_type.keys_sorted)
    return arrow_type


def whole_decimal(arrow_type: Any) -> Any:
    """Return the decimal without a fraction that holds all values of one whose scale is negative.

    :raises TypeError: if Arrow has none that is so wide.
    """
    pyarrow, digits = import_pyarrow(), arrow_type.precision - arrow_type.scale
    if digits > _WIDEST_DECIMAL:
        raise TypeError(f"of the type {arrow_type}, whose values have up to {digits} digits")
    return (pyarrow.decimal128 if digits <= DECIMAL_DIGITS else pyarrow.decimal256)(digits, 0)


def holds_views(arrow_type: Any) -> bool:
    """Return whether a type has a view or a null at any level, which Parquet's writer does not write as they are."""
    types = import_pyarrow().types
    if types.is_nested(arrow_type):
        return any(holds_views(arrow_type.field(number).type) for number in range(arrow_type.num_fields))
    return bool(types.is_null(arrow_type) or types.is_string_view(arrow_type) or types.is_binary_view(arrow_type))


def _has_other_form(arrow_type: Any) -> bool:
    """Return whether a type has at any level a decimal without its last digits, or bytes of the fixed length 0.

    Parquet has no type for either.
    """
    types = import_pyarrow().types
    if types.is_nested(arrow_type):
        return any(_has_other_form(arrow_type.field(number).type) for number in range(arrow_type.num_fields))
    if types.is_fixed_size_binary(arrow_type) and not types.is_decimal(arrow_type):
        return bool(arrow_type.byte_width == 0)
    return bool(types.is_decimal(arrow_type)) and arrow_type.scale < 0


def _levels(arrow_type: Any) -> int:
    """Count the levels of a type in Parquet's schema, where a list has one more level for its members."""
    types = import_pyarrow().types
    if types.is_nested(arrow_type):
        own_levels = 2 if is_list(arrow_type) else 1  # the members of a map are a struct, and so count by themselves
        return own_levels + max(_levels(arrow_type.field(number).type) for number in range(arrow_type.num_fields))
    return 1


def _common_struct(one: Any, other: Any) -> Any:
    fields = {field.name: field.type for field in one.fields}
    for field in other.fields:
        fields[field.name] = common_type(fields[field.name], field.type) if field.name in fields else field.type
    return import_pyarrow().struct(list(fields.items()))


def is_list(arrow_type: Any) -> bool:
    """Return whether a type is one of lists, of any layout."""
    types = import_pyarrow().types
    return any(
        is_member(arrow_type)
        for is_member in (
            types.is_list,
            types.is_large_list,
            types.is_fixed_size_list,
            types.is_list_view,
            types.is_large_list_view,
        )
    )


def _is_number(arrow_type: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_integer(arrow_type) or types.is_floating(arrow_type))


def is_text(arrow_type: Any) -> bool:
    """Return whether a type is one of texts, of any layout."""
    types = import_pyarrow().types
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type))


def is_bytes(arrow_type: Any) -> bool:
    """Return whether a type is one of bytes of any length, of any layout."""
    types = import_pyarrow().types
    return bool(types.is_binary(arrow_type) or types.is_large_binary(arrow_type) or types.is_binary_view(arrow_type))


def _finer(one: str, other: str) -> str:
    units = ("s", "ms", "us", "ns")
    return max(one, other, key=units.index)


def _parsed(values: Sequence[Any], as_decimals: bool) -> list[Any]:
    """Parse staged JSON values; a number that a double would change becomes a decimal."""
    raws = b",".join(bytes(value) if isinstance(value, msgspec.Raw) else b"null" for value in values)
    parse_float = Decimal if as_decimals else _number
    try:
        parsed: list[Any] = parsed_json(b"[" + raws + b"]", parse_float)
    except InvalidOperation as error:  # in Decimal, whose exponents have 18 digits at most
        raise NoRuleError("the exponent of a number is larger than that of any decimal") from error
    return parsed


def parsed_json(text: str | bytes, parse_float: Callable[[str], Any]) -> Any:
    """Parse JSON without losing a value.

    :raises NoRuleError: if an integer has too many digits for Python, which is far more than a decimal has.
    :raises ValueError: if it is no JSON, or a key occurs twice in an object.
    """
    load = partial(json.loads, text, parse_float=parse_float, object_pairs_hook=_unique_keys)
    try:
        return load()
    except ValueError:
        # Python's own error names no rule of ours; a function that is called for each integer would be slow.
        return load(parse_int=_integer)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _too_many_digits() from error


def _too_many_digits() -> NoRuleError:
    return NoRuleError(f"the number has more than {DECIMAL_DIGITS} digits, the most of a decimal")


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of the pairs of a JSON object, without losing a value.

    :raises ValueError: if a key occurs twice.
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
    """Turn a value into one of the types that Arrow takes as they are.

    A value that is text in JSON, and for which this module has no type, becomes that text.
    """
    if type(value) in _ARROW_TAKES:
        return value
    if isinstance(value, Enum):
        return _simple(value.value)
    if isinstance(value, orjson.Fragment):  # the text of a database's JSON
        return json_bytes(value).decode()
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise NoRuleError(f"the key {wrong[0]!r} of a nested mapping is no string but {type(wrong[0]).__name__}")
        # The text itself, even if a subclass such as an Enum overrides __str__.
        return {str.__str__(key): _simple(member) for key, member in value.items()}
    if isinstance(value, (set, frozenset)):
        return [_simple(item) for item in sorted(value, key=json_bytes)]
    if isinstance(value, (list, tuple)):
        return [_simple(item) for item in value]
    if isinstance(value, time):
        return value if value.tzinfo is None else value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (Decimal, date)):
        return None if type(value).__name__ == "NaTType" else value
    if isinstance(value, int):
        return int(value)
    if getattr(value, "ndim", 0):
        return [_simple(item) for item in value]
    return plain(value)


def _shape(value: Any) -> Hashable:
    """Return a hashable summary of a value's type: values with the same shape have the same Arrow type."""
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
    return "time64[us]" if isinstance(value, time) else _ALIASES_OF_SHAPES[type(value)]


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
        return pyarrow.list_(reduce(common_type, map(_type_of_shape, members), pyarrow.null()))
    return pyarrow.struct([(member, _type_of_shape(shape)) for member, shape in members])
