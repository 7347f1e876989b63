"""Casts Arrow arrays to other types where no value changes, and refuses all else."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.types import array_of, is_list, unique_keys
from airflow_provider_s3dest.records.arrow.values import values_of
from airflow_provider_s3dest.records.values import csv_texts


class InexactError(ValueError):
    """A value would change, or means something else in the other type."""


def exact_cast(array: Any, kind: Any) -> Any:
    """Cast an array.

    Text is read: ``007`` is the integer 7, and JSON text a list or struct. Anything becomes text, spelled as in CSV.

    :param array: a ``pyarrow.Array``.
    :param kind: a ``pyarrow.DataType``.
    :raises InexactError: if a value would change.
    """
    pyarrow = import_pyarrow()
    types, source = pyarrow.types, array.type
    if source == kind:
        return array
    if types.is_null(source):
        return pyarrow.nulls(len(array), kind)
    if types.is_dictionary(source):
        return exact_cast(array.dictionary_decode(), kind)
    if types.is_run_end_encoded(source):
        return exact_cast(pyarrow.compute.run_end_decode(array), kind)
    if types.is_string_view(source) or types.is_large_string(source):
        array, source = array.cast(pyarrow.string()), pyarrow.string()
    try:
        if types.is_string(kind) or types.is_large_string(kind):
            return _to_text(array).cast(kind)
        if isinstance(source, pyarrow.BaseExtensionType):
            return exact_cast(array.storage, kind)
        if types.is_struct(source) and types.is_struct(kind):
            return _struct(array, kind)
        if types.is_nested(kind) and not types.is_nested(source) and types.is_string(source):
            return _from_json(array, kind)
        if is_list(source) and is_list(kind):
            return _list(array, kind)
        if types.is_map(source) and types.is_map(kind):
            # Taken out of the array that it may be a slice of, whose other pairs would be cast too.
            return array.take(pyarrow.array(range(len(array)), pyarrow.int64())).cast(kind)
        return _from_text(array, kind) if types.is_string(source) else _between(array, kind)
    except (pyarrow.ArrowException, OverflowError, ValueError) as error:
        raise InexactError(str(error)) from error


def _to_text(array: Any) -> Any:
    pyarrow = import_pyarrow()
    if pyarrow.types.is_string(array.type):
        return array
    values = values_of(array)
    return pyarrow.array(csv_texts(values, set(map(type, values))), pyarrow.string())


def _struct(array: Any, kind: Any) -> Any:
    pyarrow = import_pyarrow()
    known = {field.name for field in kind.fields}
    given = {field.name: part for field, part in zip(array.type.fields, array.flatten(), strict=True)}
    if late := [name for name in given if name not in known and given[name].null_count < len(array)]:
        raise InexactError(f"the field {late[0]!r} is none of the type {kind}")
    parts = [
        exact_cast(given[field.name], field.type) if field.name in given else pyarrow.nulls(len(array), field.type)
        for field in kind.fields
    ]
    return pyarrow.StructArray.from_arrays(parts, fields=list(kind.fields), mask=array.is_null())


def _list(array: Any, kind: Any) -> Any:
    pyarrow = import_pyarrow()
    lengths = pyarrow.compute.list_value_length(array)
    ends = pyarrow.compute.cumulative_sum(pyarrow.compute.fill_null(lengths.cast(pyarrow.int64()), 0))
    large = pyarrow.types.is_large_list(kind)
    width = pyarrow.int64() if large else pyarrow.int32()
    offsets = pyarrow.concat_arrays([pyarrow.array([0], width), ends.cast(width)])
    # Without the validity that the sums left behind, which pyarrow 25 refuses, although nothing in it is null.
    offsets = pyarrow.Array.from_buffers(width, len(offsets), [None, offsets.buffers()[1]])
    make = pyarrow.LargeListArray if large else pyarrow.ListArray
    cast = make.from_arrays(
        offsets, exact_cast(array.flatten(), kind.value_type), mask=array.is_null() if array.null_count else None
    )
    return cast.cast(kind)


def _from_json(array: Any, kind: Any) -> Any:
    load = partial(json.loads, parse_float=Decimal, object_pairs_hook=unique_keys)
    parsed = [None if text is None else load(text) for text in array.to_pylist()]
    return exact_cast(array_of(parsed, kind), kind)


def _from_text(array: Any, kind: Any) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        raise InexactError("text is no bytes")
    if types.is_integer(kind):
        plain = pyarrow.compute.match_substring_regex(array, r"^-?[0-9]+$")
        if pyarrow.compute.all(plain).as_py() is False:
            raise InexactError("the text is no integer")
    if types.is_time(kind):
        moments = pyarrow.compute.binary_join_element_wise("1970-01-01", array, "T")
        return moments.cast(pyarrow.timestamp(kind.unit)).cast(kind)
    cast = array.cast(kind)
    if types.is_floating(kind):
        _check_numbers(array, _to_text(cast), kind)
    if types.is_decimal(kind):
        # Where digits overflow, Arrow may give another number, or 0; where they are as many as the type's, it can't.
        scale = max(0, kind.scale)
        few = rf"^[+-]?[0-9]{{0,{kind.precision - scale}}}(\.[0-9]{{0,{scale}}})?$"
        others = pyarrow.compute.invert(pyarrow.compute.match_substring_regex(array, few))
        _check_numbers(array.filter(others), cast.filter(others), kind)
    return cast


def _check_numbers(texts: Any, numbers: Any, kind: Any) -> None:
    """See that what was read of texts are the numbers that they spell.

    :param numbers: an array of decimals, or of text.
    :raises InexactError: if one is not.
    """
    for text, number in zip(texts.to_pylist(), numbers.to_pylist(), strict=True):
        if text != number and text is not None and not _same_number(text, number):
            raise InexactError(f"{text} is not exact as {kind}")


def _same_number(one: str, other: str | Decimal) -> bool:
    first, second = Decimal(one), Decimal(other)
    return first == second or (first.is_nan() and second.is_nan())


def _between(array: Any, kind: Any) -> Any:
    pyarrow = import_pyarrow()
    types, compute, source = pyarrow.types, pyarrow.compute, array.type
    if not any(is_one(source) and is_one(kind) for is_one in _families()):
        raise InexactError(f"{source} is no {kind}")
    # A date has none either.
    if (getattr(source, "tz", None) is None) != (getattr(kind, "tz", None) is None):
        raise InexactError("a moment with an offset is none without")
    # A float is the number that its shortest text spells, whatever its width.
    by_text = types.is_floating(source) and _has_fractions(kind), types.is_floating(kind) and _has_fractions(source)
    # Arrow casts an integer to a decimal only where any integer of its width would fit.
    if any(by_text) or (types.is_integer(source) and types.is_decimal(kind)):
        return exact_cast(_to_text(array), kind)
    cast = array.cast(kind)
    back = cast.cast(source, safe=False)
    same = compute.equal(back, array)
    if types.is_floating(source):
        same = compute.or_(same, compute.is_nan(array))
    if compute.all(same).as_py() is False:
        raise InexactError(f"{source} is not exact as {kind}")
    return cast


def _has_fractions(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_floating(kind) or types.is_decimal(kind))


def _families() -> tuple[Any, ...]:
    types = import_pyarrow().types
    return (
        lambda kind: types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind),
        lambda kind: types.is_date(kind) or types.is_timestamp(kind),
        types.is_time,
        types.is_duration,
        types.is_boolean,
        lambda kind: types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind),
        lambda kind: types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind),
    )
