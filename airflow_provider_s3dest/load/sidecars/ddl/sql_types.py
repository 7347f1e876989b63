"""The type of a column as table definitions see it: an Arrow type without what makes no difference to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type.

    :param family: ``bool``, ``int``, ``uint``, ``float``, ``decimal``, ``text``, ``bytes``, ``date``, ``time``,
        ``timestamp``, ``timestamptz`` (a timestamp in a time zone), ``duration``, ``list``, ``map``, ``struct``,
        ``other``.
    :param arrow: the name of the Arrow type.
    :param bits: of a number.
    :param digits: precision and scale of a decimal.
    :param nanoseconds: whether a time is counted in them.
    :param members: what is in a list, a map (its values) or a struct, by name.
    """

    family: str
    arrow: str
    bits: int = 0
    digits: tuple[int, int] = (0, 0)
    nanoseconds: bool = False
    members: tuple[tuple[str, SqlType], ...] = ()

    @property
    def is_nested(self) -> bool:
        """Whether it is JSON where it is written as text."""
        return self.family in ("list", "map", "struct")


TEXT = SqlType("text", "string")
"""That of a column whose type is not known."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name in the objects, and its type."""

    name: str
    kind: SqlType = TEXT


def columns_of(names: Sequence[str], kinds: Sequence[Any]) -> tuple[Column, ...]:
    """Make columns of names and ``pyarrow.DataType``, None where that is not known."""
    return tuple(Column(name, sql_type_of(kind)) for name, kind in zip(names, kinds, strict=True))


def sql_type_of(arrow: Any) -> SqlType:
    """Classify a ``pyarrow.DataType``; None is text.

    Example::

        >>> kind_of(pyarrow.int16())
        Kind(family='int', arrow='int16', bits=16, ...)
    """
    if arrow is None:
        return TEXT
    pyarrow = import_pyarrow()
    types, name = pyarrow.types, str(arrow)
    if isinstance(arrow, pyarrow.BaseExtensionType):
        return sql_type_of(arrow.storage_type)
    if types.is_dictionary(arrow) or types.is_run_end_encoded(arrow):
        return sql_type_of(arrow.value_type)
    if types.is_struct(arrow):
        return SqlType("struct", name, members=tuple((field.name, sql_type_of(field.type)) for field in arrow.fields))
    if types.is_map(arrow):
        return SqlType("map", name, members=(("value", sql_type_of(arrow.item_type)),))
    if hasattr(arrow, "value_type"):
        return SqlType("list", name, members=(("item", sql_type_of(arrow.value_type)),))
    if types.is_decimal(arrow):
        return SqlType("decimal", name, digits=(arrow.precision, arrow.scale))
    if types.is_timestamp(arrow):
        return SqlType("timestamp" if arrow.tz is None else "timestamptz", name, nanoseconds=arrow.unit == "ns")
    if types.is_time(arrow):
        return SqlType("time", name, nanoseconds=arrow.unit == "ns")
    for family, is_one in (
        ("bool", types.is_boolean),
        ("int", types.is_signed_integer),
        ("uint", types.is_unsigned_integer),
        ("float", types.is_floating),
        ("date", types.is_date),
        ("duration", types.is_duration),
    ):
        if is_one(arrow):
            return SqlType(family, name, bits=arrow.bit_width)
    if any(is_one(arrow) for is_one in (types.is_string, types.is_large_string, types.is_string_view, types.is_null)):
        return TEXT
    binary = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return SqlType("bytes" if any(is_one(arrow) for is_one in binary) else "other", name)
