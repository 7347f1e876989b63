"""The module sqlite3 of Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_s3dest.sources.sql.driver import Driver


class Sqlite(Driver):
    """The driver sqlite3. A result is computed as it is fetched."""

    name, streams = "sqlite3", True

    def begin(self, queries: int) -> bool:
        # By itself, sqlite3 begins no transaction for a query. One sees the state at its first query to the end.
        if queries > 1 and not self._connection.in_transaction:
            self._connection.execute("BEGIN")
        return True

    def canceller(self, reconnect: Callable[[], Any]) -> Callable[[], None]:
        interrupt: Callable[[], None] = self._connection.interrupt
        return interrupt
