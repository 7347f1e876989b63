"""Converts texts, which Jinja and connections give, to the numbers and truth values that fields expect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from airflow_provider_s3dest.spec.fields import CsvOptions, JsonOptions, ParquetOptions, SpecFields

OPTIONS: Mapping[str, type[BaseModel]] = {"csv": CsvOptions, "json": JsonOptions, "parquet": ParquetOptions}
"""The model of ``format_spec``, by format."""

_SWITCHES = {"true": True, "1": True, "false": False, "0": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")  # Python converts up to 4,300 digits
_DECIMAL = re.compile(r"[0-9]{0,400}\.[0-9]{1,400}")


def typed_field(name: str, value: Any) -> Any:
    """Return the value of a field of the spec, converted if it is a text that stands for a number or a truth value."""
    if name == "format_spec":
        for model in OPTIONS.values():
            value = typed_options(model, value)
        return value
    return typed(value, types_of(SpecFields, name)) if isinstance(value, str) else value


def typed_options(model: type[BaseModel], options: Any) -> Any:
    """Return a mapping of options, with texts converted to the types that a model gives the options."""
    if not isinstance(options, Mapping):
        return options
    converted = {name: typed(value, types_of(model, name)) for name, value in options.items()}
    return options if all(converted[name] is options[name] for name in converted) else converted


def typed(value: Any, types: set[Any]) -> Any:
    """Return the number or truth value that a text stands for; any other value, and any other text, as it is.

    Truth values are ``true``, ``false``, ``1`` and ``0``, in small or capital letters; integers are digits, with or
    without a sign. Blanks and line ends around them are allowed, since a template may have them.

    :param types: what the value may be; a text that may be a text is one.

    Example::

        >>> typed(" 10 ", {int}), typed("True", {bool}), typed("ten", {int}), typed("0.5", {int, float})
        (10, True, 'ten', 0.5)
    """
    if not isinstance(value, str) or str in types:
        return value
    text = value.strip()
    if bool in types and text.lower() in _SWITCHES:
        return _SWITCHES[text.lower()]
    if int in types and _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if float in types and _DECIMAL.fullmatch(text) else value


def types_of(model: type[BaseModel], name: str) -> set[Any]:
    """Return the types that a field of a model may have; those of a text if there is no such field."""
    field = model.model_fields.get(name)
    if field is None:
        return {str}
    several = get_origin(field.annotation) in (Union, UnionType)
    types = get_args(field.annotation) if several else (field.annotation,)
    return {get_args(one)[0] if get_origin(one) is Annotated else one for one in types} - {NoneType}
