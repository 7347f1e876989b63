"""The queries of an operator: which faults they can have, and how their templates and files are rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.hooks.sql_connection import conn_id_faults
from airflow_provider_s3dest.operators.references import is_reference

if TYPE_CHECKING:
    import jinja2

FILE = ".sql"
"""The end of the name of a file that holds a query."""

_ONE_STATEMENT = frozenset({"postgres"})
"""Types of connections whose cursor would run further statements, and show the rows of the first alone."""


def sql_faults(sql: Any) -> Iterator[Fault]:
    """Yield what is wrong with the ``sql`` argument. References, whose value only the run knows, have no faults."""
    remedy = "Give a query, the name of a .sql file, or a mapping of table to either."
    if isinstance(sql, Mapping):
        if not sql:
            yield Fault("sql", "is an empty mapping.", remedy)
        for table, query in sql.items():
            if not is_reference(query) and (not isinstance(query, str) or not query.strip()):
                yield Fault("sql", f"has {short(query)} for table {short(table)}.", "Give a query.")
    elif not is_reference(sql) and (not isinstance(sql, str) or not sql.strip()):
        yield Fault("sql", f"is {short(sql)}.", remedy)


def argument_faults(sql_conn_id: Any, parameters: Any, hook_params: Any, fetch_size: Any) -> Iterator[Fault]:
    """Yield what is wrong with the arguments beside ``sql``, as far as it is known."""
    if not is_reference(sql_conn_id):
        yield from conn_id_faults(sql_conn_id)
    known = (type(None), Mapping, list, tuple)
    if not isinstance(parameters, known) and not is_reference(parameters):
        # The value may be secret, and so is not quoted.
        problem = f"is of the type {type(parameters).__name__}."
        yield Fault("parameters", problem, "Give a list, or a mapping for named ones.")
    if hook_params is not None and not isinstance(hook_params, Mapping) and not is_reference(hook_params):
        yield Fault("hook_params", f"is {short(hook_params)}.", "Give a mapping of the hook's arguments.")
    if type(fetch_size) is not int or fetch_size < 1:
        yield Fault("fetch_size", f"is {short(fetch_size)}.", "Give a number of rows, at least 1.")


def file_faults(sql: Any, environment: jinja2.Environment) -> Iterator[Fault]:
    """Yield a fault for each file that does not exist or can't be read as a template."""
    from airflow_provider_s3dest.spec.jinja import syntax_fault

    for name in filter(_is_file, _texts(sql)):
        try:
            text = _text_of(name, environment)
        except SpecError as error:
            yield from error.faults
        else:
            if fault := syntax_fault(text, "sql", environment):
                yield fault


def late_file_faults(sql: Any) -> Iterator[Fault]:
    """Yield a fault for each name of a file that came at run time: only what the DAG file holds names files."""
    for name in filter(_is_file, _texts(sql)):
        problem = f"is {name!r}, which came at run time: files are read only where the DAG file names them."
        yield Fault("sql", problem, "Name the file in the DAG, or hand over the query itself.")


def statement_faults(sql: Mapping[str, str], conn_type: str) -> Iterator[Fault]:
    """Yield a fault for each query that holds further statements, where these would run unnoticed."""
    if conn_type not in _ONE_STATEMENT:
        return
    import sqlparse  # common.sql needs it

    for table, query in sql.items():
        if ";" not in query.rstrip().rstrip(";"):
            continue
        statements = [one for one in sqlparse.split(query) if sqlparse.format(one, strip_comments=True).strip(" \n;")]
        if len(statements) > 1:
            problem = f"holds {len(statements)} statements for table {table!r}."
            yield Fault("sql", problem, "Give one query for each table, in a mapping of table to query.")


def rendered(
    sql: Any, environment: jinja2.Environment, render: Callable[[str], Any], resolve: Callable[[Any], Any]
) -> Any:
    """Render queries as the DAG file holds them, and read those that it names files of.

    :param render: renders a text.
    :param resolve: returns the value of a reference, which is data and no template.
    :raises SpecError: if a file does not exist, or a template can't be rendered.
    """
    from jinja2 import TemplateError

    if isinstance(sql, Mapping):
        return {table: rendered(query, environment, render, resolve) for table, query in sql.items()}
    if not isinstance(sql, str):
        return resolve(sql)
    text = _text_of(sql, environment) if _is_file(sql) else sql
    try:
        return str(render(text))
    except TemplateError as error:
        problem = f"{short(sql)} can't be rendered: {error}."
        raise SpecError([Fault("sql", problem, "Correct it; a run without a logical date has no `ds`.")]) from error


def _text_of(name: str, environment: jinja2.Environment) -> str:
    from jinja2 import TemplateNotFound

    try:
        if environment.loader is None:
            raise TemplateNotFound(name)
        return environment.loader.get_source(environment, name)[0]
    except TemplateNotFound as error:
        folders = ", ".join(map(str, getattr(environment.loader, "searchpath", ())))
        problem = f"names the file {name!r}, which is not in {folders or 'any folder: the task is in no DAG'}."
        remedy = "Put it there, or name its folder in `template_searchpath` of the DAG."
        raise SpecError([Fault("sql", problem, remedy)]) from error
    except UnicodeDecodeError as error:
        problem = f"names the file {name!r}, which is no UTF-8: {error}."
        raise SpecError([Fault("sql", problem, "Store it as UTF-8.")]) from error


def _texts(sql: Any) -> list[str]:
    return [text for text in (sql.values() if isinstance(sql, Mapping) else [sql]) if isinstance(text, str)]


def _is_file(text: str) -> bool:
    return text.endswith(FILE)
