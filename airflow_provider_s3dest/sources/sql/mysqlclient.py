"""mysqlclient: cursors that leave the result on the server, and converters of one connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_provider_s3dest.sources.sql import mysql_values
from airflow_provider_s3dest.sources.sql.column import Column
from airflow_provider_s3dest.sources.sql.driver import Driver, json_value

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


def begin(connection: Any, queries: int) -> None:
    """Begin the transaction of a load, by an ordinary cursor."""
    if queries > 1:
        cursor = connection.cursor()
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(_SNAPSHOT)
        cursor.close()


def killer(reconnect: Callable[[], Any], connection_id: int) -> Callable[[], None]:
    """Return a function that ends the query of a connection, through another one."""

    def kill() -> None:
        other = reconnect()
        try:
            other.cursor().execute(f"KILL QUERY {connection_id:d}")
        finally:
            other.close()

    return kill


class MysqlClient(Driver):
    """The driver mysqlclient, whose module is MySQLdb."""

    name, streams = "mysqlclient", True

    def begin(self, queries: int) -> bool:
        begin(self._connection, queries)
        return True

    def cursor(self) -> Any:
        from MySQLdb.cursors import SSCursor

        self._read_exactly()
        # The class itself, since the connection may be set up for rows of another form.
        return self._connection.cursor(SSCursor)

    def _read_exactly(self) -> None:
        converter = self._connection.converter  # of this connection alone: MySQLdb copies its own for each
        converter[mysql_values.JSON] = _json
        converter[mysql_values.BIT] = partial(int.from_bytes, byteorder="big")
        converter[mysql_values.DATE] = mysql_values.date_or_text
        for number in (mysql_values.DATETIME, mysql_values.TIMESTAMP):
            converter[number] = mysql_values.datetime_or_text

    def columns(self, cursor: Any) -> list[Column]:
        described = zip(cursor.description, cursor.description_flags, strict=True)
        return [
            mysql_values.column(
                one[0],
                one[1],
                flags,
                length=one[4],
                scale=one[5],
                # Texts of a binary collation have the same flag as bytes.
                is_text=None if flags & mysql_values.BINARY else True,
            )
            for one, flags in described
        ]

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None]:
        return killer(reconnect, self._connection.thread_id())


def _json(text: str | bytes) -> Any:
    return json_value(text)
