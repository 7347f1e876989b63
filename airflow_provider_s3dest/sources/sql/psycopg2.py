"""psycopg2: named cursors, and casters of one connection or cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from airflow_provider_s3dest.sources.sql.column import Column
from airflow_provider_s3dest.sources.sql.driver import Driver, json_value
from airflow_provider_s3dest.sources.sql.postgresql_types import (
    AS_SERVER_TEXT,
    DATES,
    JSON_ARRAYS,
    NUMERICS,
    TIME,
    column,
    is_python_date,
    is_python_time,
)

_NONE = 65535
"""What psycopg2 gives as precision of a ``numeric`` without one."""


class Psycopg2(Driver):
    """The driver psycopg2."""

    name, streams = "psycopg2", True

    def begin(self, queries: int) -> bool:
        if queries > 1:
            self._connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return True

    def cursor(self) -> Any:
        from psycopg2.extensions import cursor

        # The class itself, since the connection may be set up for rows of another form.
        opened = self._connection.cursor(f"s3dest_{uuid4().hex}", cursor_factory=cursor)
        self.read_exactly(opened)
        return opened

    def read_exactly(self, cursor: Any) -> bool:
        from psycopg2.extensions import register_type

        for caster in _casters():
            register_type(caster, cursor)
        # A cursor without a name has chosen the casters when it was executed, one with a name does at its first fetch.
        return cursor.description is None

    def columns(self, cursor: Any) -> list[Column]:
        return [_column(one) for one in cursor.description]

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None]:
        cancel: Callable[[], None] = self._connection.cancel
        return cancel

    def problem(self, error: Exception) -> str:
        # The text of the error shows a line of the query, with the parameters in it.
        return getattr(getattr(error, "diag", None), "message_primary", None) or str(error).partition("\nLINE ")[0]


def _column(described: Any) -> Column:
    number, precision, scale = described.type_code, described.precision, described.scale
    if number == NUMERICS and described.internal_size > 0:  # the modifier of the type, less four
        precision, scale = described.internal_size >> 16, described.internal_size & 0xFFFF
    if scale is not None and scale >= 1024:  # eleven bits with a sign
        scale -= 2048
    if precision == _NONE:
        precision = None
    return column(described.name, number, precision, scale)


_CASTERS: list[Any] = []


def _casters() -> list[Any]:
    """Return what casts the values that psycopg2 itself would spoil; made once, since psycopg2 keeps each forever."""
    if not _CASTERS:
        import psycopg2
        from psycopg2 import extensions

        def cast_json(text: str | None, cursor: Any) -> Any:
            return None if text is None else json_value(text)

        def cast_text(text: str | None, cursor: Any) -> Any:
            return text if text is None else psycopg2.STRING(text, cursor)

        made: list[tuple[Mapping[int, int], Any]] = [(JSON_ARRAYS, cast_json), (AS_SERVER_TEXT, cast_text)]
        usual = {
            1082: extensions.PYDATE,
            1083: extensions.PYTIME,
            1114: extensions.PYDATETIME,
            1184: extensions.PYDATETIMETZ,
        }
        for number, caster in usual.items():
            made.append(
                ({number: DATES[number]}, _or_text(caster, is_python_time if number == TIME else is_python_date))
            )
        for numbers, cast in made:
            single = extensions.new_type(tuple(numbers), "S3DEST", cast)
            _CASTERS.extend((single, extensions.new_array_type(tuple(numbers.values()), "S3DEST", single)))
    return _CASTERS


def _or_text(caster: Any, is_known: Callable[[str], bool]) -> Callable[[str | None, Any], Any]:
    return lambda text, cursor: caster(text, cursor) if text is None or is_known(text) else text
