"""Casts Arrow arrays to other types where no value changes, and refuses all else.

Arrow's own safe casts are not enough: some drop a part of the value or overflow unnoticed, and none reads JSON text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.types import array_of, holds_views, is_list, parsed_json, whole_decimal
from airflow_provider_s3dest.records.arrow.values import has_no_rule, values_of
from airflow_provider_s3dest.records.values import csv_texts, too_deep


class InexactError(ValueError):
    """A value would change, or means something else in the other type."""


def exact_cast(array: Any, target: Any) -> Any:
    """Cast an array.

    Text is parsed: ``007`` is the integer 7, and JSON text a list or struct. Any value can become text, which is then
    the same as in CSV.

    :param array: a ``pyarrow.Array``.
    :param target: a ``pyarrow.DataType``.
    :raises InexactError: if a value would change.
    """
    pyarrow = import_pyarrow()
    types, source = pyarrow.types, array.type
    if source == target:
        return array
    if types.is_null(source):
        return pyarrow.nulls(len(array), target)
    if has_no_rule(source):
        raise InexactError("there is no rule for the type")
    if types.is_dictionary(source):
        return exact_cast(_decoded(array), target)
    if types.is_run_end_encoded(source):
        return exact_cast(pyarrow.compute.run_end_decode(array), target)
    if types.is_string_view(source) or types.is_large_string(source):
        array, source = array.cast(pyarrow.string()), pyarrow.string()
    try:
        if types.is_decimal(source) and source.scale < 0:  # Arrow can't compare these
            return exact_cast(array.cast(whole_decimal(source)), target)
        if types.is_string(target) or types.is_large_string(target):
            return _to_text(array).cast(target)
        if isinstance(source, pyarrow.BaseExtensionType):
            return exact_cast(array.storage, target)
        if types.is_struct(source) and types.is_struct(target):
            return _struct(array, target)
        if types.is_nested(target) and not types.is_nested(source) and types.is_string(source):
            return _from_json(array, target)
        if is_list(source) and is_list(target):
            return with_items(array, exact_cast(array.flatten(), target.value_type), target)
        if types.is_map(source) and types.is_map(target):
            if holds_views(source):  # take has no rule for them, and no cast of them fails
                return array.cast(target)
            # take copies: of a slice, Arrow would also cast the pairs of the whole array, and may fail on one of them.
            return array.take(pyarrow.array(range(len(array)), pyarrow.int64())).cast(target)
        return _from_text(array, target) if types.is_string(source) else _between(array, target)
    except RecursionError as error:
        raise InexactError(str(too_deep())) from error
    except (pyarrow.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InexactError(str(error)) from error


def _decoded(array: Any) -> Any:
    """Return the values of a dictionary array."""
    pyarrow = import_pyarrow()
    types, members = pyarrow.types, array.dictionary
    if types.is_string_view(members.type) or types.is_binary_view(members.type):  # Arrow can't decode these
        plain_type = pyarrow.string() if types.is_string_view(members.type) else pyarrow.binary()
        array = pyarrow.DictionaryArray.from_arrays(array.indices, members.cast(plain_type))
    return array.dictionary_decode()


def _to_text(array: Any) -> Any:
    pyarrow = import_pyarrow()
    if pyarrow.types.is_string(array.type):
        return array
    values = values_of(array)
    return pyarrow.array(csv_texts(values, set(map(type, values))), pyarrow.string())


def _struct(array: Any, target: Any) -> Any:
    pyarrow = import_pyarrow()
    if len({field.name for field in array.type.fields}) < array.type.num_fields:
        raise InexactError("a struct names a field twice")
    names = {field.name for field in target.fields}
    members = {field.name: member for field, member in zip(array.type.fields, array.flatten(), strict=True)}
    if late := [name for name in members if name not in names and members[name].null_count < len(array)]:
        raise InexactError(f"the field {late[0]!r} is not in the type {target}")
    cast = [
        exact_cast(members[field.name], field.type) if field.name in members else pyarrow.nulls(len(array), field.type)
        for field in target.fields
    ]
    return pyarrow.StructArray.from_arrays(cast, fields=list(target.fields), mask=array.is_null())


def with_items(array: Any, items: Any, target: Any) -> Any:
    """Return the lists of an array with other items.

    :param items: the items of all lists, end to end, as ``flatten`` returns those of the array.
    :param target: the ``pyarrow.DataType`` of the lists.
    """
    pyarrow = import_pyarrow()
    # flatten leaves out the items of nulls and those outside of a slice: its result needs offsets of its own.
    lengths = pyarrow.compute.list_value_length(array)
    ends = pyarrow.compute.cumulative_sum(pyarrow.compute.fill_null(lengths.cast(pyarrow.int64()), 0))
    large = pyarrow.types.is_large_list(target)
    width = pyarrow.int64() if large else pyarrow.int32()
    offsets = pyarrow.concat_arrays([pyarrow.array([0], width), ends.cast(width)])
    # The sums leave a validity buffer behind, without any null; pyarrow 25 refuses offsets that have one.
    offsets = pyarrow.Array.from_buffers(width, len(offsets), [None, offsets.buffers()[1]])
    make = pyarrow.LargeListArray if large else pyarrow.ListArray
    lists = make.from_arrays(offsets, items, mask=array.is_null() if array.null_count else None)
    return lists if lists.type == target else lists.cast(target)


def _from_json(array: Any, target: Any) -> Any:
    parsed = [None if text is None else parsed_json(text, Decimal) for text in array.to_pylist()]
    return exact_cast(array_of(parsed, target), target)


def _from_text(array: Any, target: Any) -> Any:
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_binary(target) or types.is_large_binary(target) or types.is_fixed_size_binary(target):
        raise InexactError("text can't become binary")
    if types.is_decimal(target):
        # Arrow would read foreign memory: it looks the power of ten up in a table, at any index.
        wild = pyarrow.compute.match_substring_regex(array, r"[eE][+-]?[0-9]{4,}")
        if pyarrow.compute.any(wild).as_py():
            raise InexactError("the exponent has more than 3 digits")
    if types.is_integer(target):
        # Arrow would also read hexadecimal numbers.
        is_integer = pyarrow.compute.match_substring_regex(array, r"^-?[0-9]+$")
        if pyarrow.compute.all(is_integer).as_py() is False:
            raise InexactError("the text is no integer")
    if types.is_time(target):
        # Arrow reads no texts as times, but as timestamps, which have a time of day.
        timestamps = pyarrow.compute.binary_join_element_wise("1970-01-01", array, "T")
        return timestamps.cast(pyarrow.timestamp(target.unit)).cast(target)
    cast = array.cast(target)
    if types.is_floating(target):
        _check_numbers(array, _to_text(cast), target)
    if types.is_decimal(target):
        # If a text has too many digits, Arrow may return another number, or 0. If its digits fit the type, it can't.
        scale = max(0, target.scale)
        fitting = rf"^[+-]?[0-9]{{0,{target.precision - scale}}}(\.[0-9]{{0,{scale}}})?$"
        others = pyarrow.compute.invert(pyarrow.compute.match_substring_regex(array, fitting))
        _check_numbers(array.filter(others), cast.filter(others), target)
    return cast


def _check_numbers(texts: Any, numbers: Any, target: Any) -> None:
    """Check that each parsed number equals its text exactly.

    :param numbers: an array of decimals, or of text.
    :raises InexactError: if one does not.
    """
    for text, number in zip(texts.to_pylist(), numbers.to_pylist(), strict=True):
        if text != number and text is not None and not _same_number(text, number):
            raise InexactError(f"{text} is not exact as {target}")


def _same_number(one: str, other: str | Decimal) -> bool:
    first, second = Decimal(one), Decimal(other)
    return first == second or (first.is_nan() and second.is_nan())


def _between(array: Any, target: Any) -> Any:
    pyarrow = import_pyarrow()
    types, compute, source = pyarrow.types, pyarrow.compute, array.type
    if not any(is_member(source) and is_member(target) for is_member in _families()):
        raise InexactError(f"{source} is no {target}")
    # Only timestamps can have a time zone; a date has none, and so is not the same as a timestamp that has one.
    if (getattr(source, "tz", None) is None) != (getattr(target, "tz", None) is None):
        raise InexactError("a timestamp with an offset can't become one without")
    # A float is the number that its shortest text names, whatever its width: float32 0.1 is the decimal 0.1.
    float_to_fraction = types.is_floating(source) and _has_fractions(target)
    fraction_to_float = types.is_floating(target) and _has_fractions(source)
    # Arrow casts integers to a decimal only if every integer of their width would fit.
    integer_to_decimal = types.is_integer(source) and types.is_decimal(target)
    if float_to_fraction or fraction_to_float or integer_to_decimal:
        return exact_cast(_to_text(array), target)
    cast = array.cast(target)
    # There and back again, for even Arrow's safe cast changes some values: a timestamp cast to a date loses its time.
    back = cast.cast(source, safe=False)
    same = compute.equal(back, array)
    if types.is_floating(source):
        same = compute.or_(same, compute.is_nan(array))
    if compute.all(same).as_py() is False:
        raise InexactError(f"{source} is not exact as {target}")
    return cast


def _has_fractions(arrow_type: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_floating(arrow_type) or types.is_decimal(arrow_type))


def _families() -> tuple[Any, ...]:
    """Return tests for families of types; only between types of one family can values stay the same."""
    types = import_pyarrow().types
    return (
        lambda one: types.is_integer(one) or types.is_floating(one) or types.is_decimal(one),
        lambda one: types.is_date(one) or types.is_timestamp(one),
        types.is_time,
        types.is_duration,
        types.is_boolean,
        lambda one: types.is_binary(one) or types.is_large_binary(one) or types.is_binary_view(one),
        lambda one: types.is_binary(one) or types.is_large_binary(one) or types.is_fixed_size_binary(one),
    )
