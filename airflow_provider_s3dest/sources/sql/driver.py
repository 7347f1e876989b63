"""What a load asks of a DB-API driver; the answers here are those for drivers that it does not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.sources.sql.column import Column


class Driver:
    """A driver that is known by DB-API alone.

    :param connection: an open connection of the driver; None for a cursor that somebody else executed.
    """

    name = "the driver"
    streams = False
    """Whether a cursor of :meth:`cursor` reads its result in pieces from the server."""

    def __init__(self, connection: Any = None) -> None:
        self._connection = connection

    def begin(self, queries: int) -> bool:
        """Begin the transaction of a load.

        :param queries: how many queries run in it.
        :return: whether all of them see the same state of the database.
        """
        return queries == 1

    def cursor(self) -> Any:
        """Open a cursor for one query, whose rows are sequences."""
        return self._connection.cursor()

    def read_exactly(self, cursor: Any) -> bool:
        """Let a cursor that somebody else opened read what the driver would spoil as the text of the server.

        :return: whether that is still possible.
        """
        return False

    def columns(self, cursor: Any) -> list[Column]:
        """Return the columns of the result of a cursor, from its ``description``."""
        return [Column(str(column[0])) for column in cursor.description]

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None] | None:
        """Return a function that cancels the running query, from any thread; None if the driver has none.

        :param reconnect: opens a further connection to the same database.
        """
        return getattr(self._connection, "cancel", None)

    def close(self) -> None:
        """Close the connection. What is left of a result is not read, and the transaction ends without a commit."""
        self._connection.close()

    def problem(self, error: Exception) -> str:
        """Return what an error of the driver says, without the text of the query."""
        return str(error)


def json_value(text: str | bytes) -> Any:
    """Return a JSON text as a value that is written as it stands, in one line."""
    data = text.encode() if isinstance(text, str) else bytes(text)
    if b"\n" in data or b"\r" in data:
        data = msgspec.json.format(data, indent=-1)
    return orjson.Fragment(data)
