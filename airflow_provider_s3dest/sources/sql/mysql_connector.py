"""mysql-connector-python: unbuffered cursors, and a converter of one connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from airflow_provider_s3dest.sources.sql import mysql_values
from airflow_provider_s3dest.sources.sql.column import Column
from airflow_provider_s3dest.sources.sql.driver import Driver, json_value
from airflow_provider_s3dest.sources.sql.mysqlclient import begin, killer

_BYTES = 63
"""The character set of bytes."""


class MysqlConnector(Driver):
    """The driver mysql-connector-python."""

    name, streams = "mysql-connector-python", True

    def begin(self, queries: int) -> bool:
        begin(self._connection, queries)
        return True

    def cursor(self) -> Any:
        if isinstance(getattr(type(self._connection), "converter_class", None), property):
            self._connection.converter_class = _converter()
        else:  # before 8.0.28
            self._connection.set_converter_class(_converter())
        return self._connection.cursor(buffered=False, raw=False, dictionary=False)

    def columns(self, cursor: Any) -> list[Column]:
        # The driver tells no precision.
        return [mysql_values.column(one[0], one[1], one[7], is_text=one[8] != _BYTES) for one in cursor.description]

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None]:
        return killer(reconnect, self._connection.connection_id)


@cache
def _converter() -> Any:
    """Make the class that converts values; what the driver would spoil becomes the text of the server."""
    from mysql.connector.conversion import MySQLConverter

    def date(converter: Any, value: Any, column: Any = None) -> Any:
        return mysql_values.date_or_text(bytes(value).decode())

    def timestamp(converter: Any, value: Any, column: Any = None) -> Any:
        return mysql_values.datetime_or_text(bytes(value).decode())

    def text(converter: Any, value: Any, column: Any = None) -> Any:
        return bytes(value).decode(converter.charset)

    def json(converter: Any, value: Any, column: Any = None) -> Any:
        return json_value(bytes(value))

    methods = {"date": date, "datetime": timestamp, "timestamp": timestamp, "set": text, "json": json}
    return type("ExactConverter", (MySQLConverter,), {f"_{name}_to_python": one for name, one in methods.items()})
