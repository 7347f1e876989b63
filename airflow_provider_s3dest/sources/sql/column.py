"""A column of a result: its name and its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ArrowType = Callable[[], Any]
"""Makes a ``pyarrow.DataType``: pyarrow is imported only if somebody asks for the type."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result.

    :param arrow: makes its type; None: the values decide.
    :param without_type: why it has no type although its values could not decide; empty if they can.
    :param spoiled: what the driver may have changed in its values; empty: nothing.
    """

    name: str
    arrow: ArrowType | None = None
    without_type: str = ""
    spoiled: str = ""


NO_PRECISION = "a number of any precision, and the database tells none"


def decimal_type(precision: int, scale: int) -> ArrowType | None:
    """Return the type of decimals; None if Arrow has no type of so many digits.

    :param scale: decimals behind the point; negative: that many digits before the point are zero.
    """
    digits = precision - scale if scale < 0 else max(precision, scale)
    if not 1 <= digits <= 76:
        return None

    def make() -> Any:
        from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow

        pyarrow = import_pyarrow()
        return (pyarrow.decimal128 if digits <= 38 else pyarrow.decimal256)(digits, max(0, scale))

    return make


def decimal_column(name: str, precision: int | None, scale: int | None) -> Column:
    """Return a column of decimals.

    :param precision: digits in all; None: not known.
    """
    arrow = None if precision is None or scale is None else decimal_type(precision, scale)
    if precision is not None and arrow is None:
        return Column(name, without_type=f"a number of {precision} digits, and there are types for 76")
    return Column(name, arrow, "" if arrow else NO_PRECISION)


def plain_type(name: str, *arguments: Any) -> ArrowType:
    """Return a function that makes a type.

    :param name: the function of pyarrow, such as ``int64``.
    """

    def make() -> Any:
        from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow

        return getattr(import_pyarrow(), name)(*arguments)

    return make


def list_type(item: ArrowType) -> ArrowType:
    """Return a function that makes the type of lists of one type."""
    return lambda: plain_type("list_", item())()


def types_of(columns: Mapping[str, Column]) -> Callable[[Any], Mapping[str, Any]]:
    """Return a function that makes the types of some columns; those whose type is not known are left out."""

    def types(names: Any) -> Mapping[str, Any]:
        return {name: make() for name in names if name in columns and (make := columns[name].arrow) is not None}

    return types
