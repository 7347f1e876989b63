"""Chooses the driver of a connection or a cursor by the module of its class, without importing any."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow_provider_s3dest.sources.sql.driver import Driver

_DRIVERS = {
    "psycopg2": ("psycopg2", "Psycopg2"),
    "psycopg": ("psycopg3", "Psycopg3"),
    "psycopg_binary": ("psycopg3", "Psycopg3"),
    "MySQLdb": ("mysqlclient", "MysqlClient"),
    "mysql": ("mysql_connector", "MysqlConnector"),
    "sqlite3": ("sqlite", "Sqlite"),
}
"""The module and the class of each known driver, by the first name of the driver's own module."""


def driver_of(connection: Any) -> Driver:
    """Return the driver of an open connection."""
    return _class_of(connection)(connection)


def driver_of_cursor(cursor: Any) -> Driver:
    """Return the driver of a cursor that somebody else opened."""
    return _class_of(cursor)()


def _class_of(value: Any) -> type[Driver]:
    # A hook may wrap a driver's class in one of its own that inherits from it.
    for base in type(value).__mro__:
        if found := _DRIVERS.get(base.__module__.partition(".")[0]):
            module, name = found
            driver: type[Driver] = getattr(import_module(f"airflow_provider_s3dest.sources.sql.{module}"), name)
            return driver
    return Driver
