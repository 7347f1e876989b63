"""psycopg 3: server-side cursors, and loaders of one cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from airflow_provider_s3dest.sources.sql.column import Column
from airflow_provider_s3dest.sources.sql.driver import Driver, json_value
from airflow_provider_s3dest.sources.sql.postgresql_types import (
    AS_SERVER_TEXT,
    DATES,
    JSON,
    TIME,
    column,
    is_python_date,
    is_python_time,
)


class Psycopg3(Driver):
    """The driver psycopg, version 3."""

    name, streams = "psycopg", True

    def begin(self, queries: int) -> bool:
        if queries > 1:
            from psycopg import IsolationLevel

            self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
        return True

    def cursor(self) -> Any:
        from psycopg.rows import tuple_row

        # Rows as tuples, since the connection may be set up for rows of another form.
        opened = self._connection.cursor(f"s3dest_{uuid4().hex}", row_factory=tuple_row)
        for number, loader in _loaders(opened.adapters):
            opened.adapters.register_loader(number, loader)
        return opened

    def columns(self, cursor: Any) -> list[Column]:
        return [column(one.name, one.type_code, one.precision, one.scale) for one in cursor.description]

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None]:
        cancel: Callable[[], None] = self._connection.cancel
        return cancel

    def problem(self, error: Exception) -> str:
        diagnosis = getattr(error, "diag", None)
        return getattr(diagnosis, "message_primary", None) or str(error).partition("\nLINE ")[0]


def _loaders(adapters: Any) -> Iterator[tuple[int, Any]]:
    """Yield what loads the values that psycopg itself would spoil, by the number of the type.

    The loaders of arrays look up the loader of their items, and so need none here.

    :param adapters: knows the loaders of the connection.
    """
    from psycopg.pq import Format
    from psycopg.types.string import TextLoader

    class JsonLoader:
        format = Format.TEXT

        def __init__(self, oid: int, context: Any = None) -> None:
            pass

        def load(self, data: Any) -> Any:
            return json_value(bytes(data))

    def loader_of(number: int, is_known: Callable[[str], bool]) -> Any:
        # Not a subclass: those of loaders in C are called past their own method.
        usual = adapters.get_loader(number, Format.TEXT)

        class DateLoader:
            format = Format.TEXT

            def __init__(self, oid: int, context: Any = None) -> None:
                self._load = usual(oid, context).load

            def load(self, data: Any) -> Any:
                text = bytes(data).decode()
                return self._load(data) if is_known(text) else text

        return DateLoader

    for number in JSON:
        yield number, JsonLoader
    for number in AS_SERVER_TEXT:
        yield number, TextLoader
    for number in DATES:
        yield number, loader_of(number, is_python_time if number == TIME else is_python_date)
