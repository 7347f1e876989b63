"""The connection of a load to a database, and the queries that it executes when their tables are opened."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_s3dest.errors import QueryError
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import HIDDEN, safe_logger
from airflow_provider_s3dest.sources.sql.column import Column
from airflow_provider_s3dest.sources.sql.connection_thread import Call, CallFailed, ConnectionThread
from airflow_provider_s3dest.sources.sql.driver import Driver
from airflow_provider_s3dest.sources.sql.drivers import driver_of

log = safe_logger(__name__)

_CANCEL_SECONDS = 30.0
"""How long a load that ends early waits for its query to be cancelled."""

_CLOSE_SECONDS = 10.0


class Session:
    """One connection, opened for the first query, and all queries of a load in one transaction on it.

    Used as a context: at its end the query that still runs is cancelled, and the connection is closed.

    :param connect: opens a connection.
    :param conn_id: the id of the connection, for errors.
    :param queries: how many queries there are.
    :param fetch_size: how many rows are fetched at a time, at most.
    :param stop: set from outside to end the load.
    """

    def __init__(
        self, connect: Callable[[], Any], conn_id: str, *, queries: int, fetch_size: int, stop: StopFlag
    ) -> None:
        self._connect, self._conn_id, self._queries = connect, conn_id, queries
        self.fetch_size, self.stop = fetch_size, stop
        self._thread: ConnectionThread | None = None
        self._connection: Any = None
        self._driver: Driver | None = None
        self._cancel: Callable[[], None] | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, function: Callable[[Driver], Any]) -> Any:
        """Make a call on the thread of the connection, which is opened before the first one, and wait for it.

        :raises CallFailed: if the call raised an error.
        """
        return self.submit(function).result(self.stop)

    def submit(self, function: Callable[[Driver], Any]) -> Call:
        """Let the thread of the connection make a call.

        :raises QueryError: if the connection can't be opened.
        """
        if self._thread is None:
            self._thread = ConnectionThread()
            try:
                self._thread.submit(self._open).result(self.stop)
            except CallFailed as failed:
                raise QueryError(
                    f"The connection {self._conn_id!r} can't be opened: {self.described(failed)}"
                ) from None
        driver = self._driver
        assert driver is not None
        return self._thread.submit(lambda: function(driver))

    def described(self, failed: CallFailed) -> str:
        """Return what the error of a call says, without the text of the query."""
        problem = str(failed.error) if self._driver is None else self._driver.problem(failed.error)
        return f"{type(failed.error).__name__}: {problem.strip()}"

    def _open(self) -> None:
        self._connection = self._connect()
        driver = driver_of(self._connection)
        self._cancel = driver.canceller(self._connect)
        if not driver.begin(self._queries):
            log.warning(
                "The %d queries of the load may see different states of the database: nothing is known here that makes "
                "them see the same through %s.",
                self._queries,
                driver.name,
            )
        if not driver.streams:
            log.info(
                "Rows are fetched in pieces of up to %d. Whether %s holds the whole result in memory is up to it.",
                self.fetch_size,
                driver.name,
            )
        self._driver = driver

    def cancel(self) -> None:
        """Cancel the query that runs, without waiting; may be called in any thread and in a signal handler."""
        if self._cancel is not None and self._thread is not None and self._thread.is_busy:
            threading.Thread(target=self._cancel_now, name="s3dest-sql-cancel", daemon=True).start()

    def _cancel_now(self) -> None:
        try:
            assert self._cancel is not None
            self._cancel()
            log.info("The query is cancelled.")
        except Exception as error:
            log.warning("The query can't be cancelled: %s: %s", type(error).__name__, error)

    def close(self) -> None:
        """Cancel the query that still runs, and close the connection."""
        thread = self._thread
        if thread is None:
            return
        self.cancel()
        if not thread.idle_within(_CANCEL_SECONDS):
            log.warning("The query of the connection %s goes on: its driver did not cancel it.", self._conn_id)
        thread.submit(self._close_connection)
        if not thread.idle_within(_CLOSE_SECONDS):
            log.warning("The connection %s is not closed yet: its driver does not answer.", self._conn_id)
        thread.end()
        self._thread = None

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            (self._driver or Driver(connection)).close()
        except Exception as error:
            log.warning("The connection %s was not closed in order: %s.", self._conn_id, type(error).__name__)


class QueryCursor:
    """A query that is executed when its first rows are fetched; a load reads it as it reads any cursor.

    While the rows that were fetched are encoded, the next ones are fetched already.

    :param session: the connection.
    :param table: name of the table, for errors.
    :param sql: the query.
    :param parameters: what the driver fills into it; None: nothing.
    """

    def __init__(self, session: Session, table: str, sql: str, parameters: Any = None) -> None:
        self._session, self._table, self._sql, self._parameters = session, table, sql, parameters
        self._cursor: Any = None
        self._ahead: Call | None = None
        self.columns: Sequence[Column] = ()

    @property
    def description(self) -> Any:
        """What DB-API says about the columns; None before the query is executed."""
        return None if self._cursor is None else self._cursor.description

    @property
    def fetch_size(self) -> int:
        """How many rows are fetched at a time, at most."""
        return self._session.fetch_size

    def fetchmany(self, size: int) -> Sequence[Any]:
        """Return the next rows, and none at the end.

        :param size: how many rows to fetch. Those that are fetched already may be fewer or more.
        :raises QueryError: if the database refuses the query, or the connection breaks.
        """
        try:
            if self._ahead is None:
                self._cursor = self._session.run(self._executed)
                self._ahead = self._fetch(size)
            rows: Sequence[Any] = self._ahead.result(self._session.stop)
            if not self.columns and self._cursor.description:
                self.columns = self._session.run(lambda driver: driver.columns(self._cursor))
        except CallFailed as failed:
            problem = _without_values(self._session.described(failed), self._parameters)
            raise QueryError(f"The query of table {self._table!r} failed: {problem}") from None
        if rows:
            self._ahead = self._fetch(size)
        else:
            cursor, self._cursor = self._cursor, None
            self._session.run(lambda driver: cursor.close())
        return rows

    def _executed(self, driver: Driver) -> Any:
        cursor = driver.cursor()
        log.info("Table %s: the query is executed.", self._table)
        if self._parameters:
            cursor.execute(self._sql, self._parameters)
        else:  # so that a percent sign in the query stays one
            cursor.execute(self._sql)
        return cursor

    def _fetch(self, size: int) -> Call:
        cursor = self._cursor
        return self._session.submit(lambda driver: cursor.fetchmany(size))


def _without_values(text: str, parameters: Any) -> str:
    """Take the values of parameters out of the text of an error: databases quote what they can't read."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters or ()
    for shown in sorted({str(value) for value in values if value is not None} - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(shown)}(?!\w)", HIDDEN, text)
    return text
