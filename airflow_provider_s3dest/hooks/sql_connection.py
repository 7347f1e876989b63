"""Finds the hook of a SQL connection, whose ``get_conn()`` opens the connections of a load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_s3dest.errors import Fault, MissingExtraError, SpecError, short


def sql_hook(conn_id: Any, hook_params: Mapping[str, Any] | None) -> Any:
    """Return the ``DbApiHook`` of a connection.

    :param hook_params: further arguments of the hook.
    :raises MissingExtraError: if the provider common.sql is not installed.
    :raises SpecError: if there is no such connection, or its hook is not one of SQL.
    """
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError as error:
        raise MissingExtraError(
            "Queries need the provider common.sql: pip install 'airflow-provider-s3dest[sql]'."
        ) from error
    if faults := list(conn_id_faults(conn_id)):
        raise SpecError(faults)
    try:
        connection: Any = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        problem = f"there is no connection {conn_id!r}."
        raise SpecError([Fault("sql_conn_id", problem, "Create it, or name another one.")]) from error
    try:
        hook = connection.get_hook(hook_params=dict(hook_params or {}))
    except TypeError as error:
        problem = f"does not suit the hook of the connection {conn_id!r}: {error}."
        raise SpecError([Fault("hook_params", problem, "Give arguments of that hook.")]) from error
    except Exception as error:  # such as that of a type whose provider is not installed; the text may be of anybody
        problem = f"the connection {conn_id!r} has no hook: {type(error).__name__}: {error}."
        remedy = "Install the provider of its type, or correct the type."
        raise SpecError([Fault("sql_conn_id", problem, remedy)]) from error
    if not isinstance(hook, DbApiHook):
        problem = f"the connection {conn_id!r} has the hook {type(hook).__name__}, which is no DbApiHook."
        raise SpecError([Fault("sql_conn_id", problem, "Name the connection of a SQL database.")])
    return hook


def conn_id_faults(conn_id: Any) -> Iterator[Fault]:
    """Yield what is wrong with the id of a SQL connection."""
    if not isinstance(conn_id, str) or not conn_id:
        yield Fault("sql_conn_id", f"is {short(conn_id)}.", "Give the id of a connection.")


def connect(hook: Any) -> Any:
    """Open a connection whose statements make one transaction."""
    connection = hook.get_conn()
    if hook.supports_autocommit:
        hook.set_autocommit(connection, False)
    return connection
