"""The types of columns as table definitions need them: Arrow types, without details that SQL does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow


@dataclass(frozen=True, slots=True)
class SqlType:
    """The type of a column or of a value inside it.

    :param family: ``bool``, ``int``, ``uint``, ``float``, ``decimal``, ``text``, ``bytes``, ``date``, ``time``,
        ``timestamp``, ``timestamptz`` (a timestamp in a time zone), ``duration``, ``list``, ``map``, ``struct``,
        ``uuid`` (text in CSV and JSON, 16 bytes in Parquet), ``other``.
    :param arrow: the name of the Arrow type.
    :param bits: size of a number.
    :param digits: precision and scale of a decimal.
    :param nanoseconds: whether a time or timestamp is counted in nanoseconds.
    :param members: name and type of the items of a list, of the values of a map, or of each field of a struct.
    """

    family: str
    arrow: str
    bits: int = 0
    digits: tuple[int, int] = (0, 0)
    nanoseconds: bool = False
    members: tuple[tuple[str, SqlType], ...] = ()

    @property
    def is_nested(self) -> bool:
        """Whether its values are JSON in a text format."""
        return self.family in ("list", "map", "struct")


TEXT = SqlType("text", "string")
"""The type of a column whose type is not known."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name in the objects, and its type."""

    name: str
    sql_type: SqlType = TEXT


def columns_of(names: Sequence[str], arrow_types: Sequence[Any]) -> tuple[Column, ...]:
    """Return a column for each name.

    :param arrow_types: the ``pyarrow.DataType`` of each column; None where it is not known.
    """
    return tuple(Column(name, sql_type_of(arrow)) for name, arrow in zip(names, arrow_types, strict=True))


def sql_type_of(arrow: Any) -> SqlType:
    """Return the type for a ``pyarrow.DataType``; None is text.

    Example::

        >>> sql_type_of(pyarrow.int16())
        SqlType(family='int', arrow='int16', bits=16, ...)
    """
    if arrow is None:
        return TEXT
    pyarrow = import_pyarrow()
    types, name = pyarrow.types, str(arrow)
    if isinstance(arrow, pyarrow.BaseExtensionType):
        if arrow.extension_name == "arrow.uuid":
            return SqlType("uuid", "uuid")
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
