"""The operator for queries: delivers what a query returns to S3, with flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.hooks.sql_connection import connect, sql_hook
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators import queries, templates
from airflow_provider_s3dest.operators.hidden_records import hide_parameters, reveal_parameters
from airflow_provider_s3dest.operators.references import FromQuery
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec.typed_texts import typed

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
    from airflow_provider_s3dest.report import LoadReport
    from airflow_provider_s3dest.sources.sql.session import Session

log = safe_logger(__name__)

_REFUSED = ("records", "staging_path", "delete_staging")
"""Arguments of the operator for records that make no sense here."""


class SqlToS3DestinationOperator(S3DestinationOperator):
    """Deliver the rows of a query to S3 as CSV, JSON or Parquet objects. It needs the ``sql`` extra.

    Names and types of the columns come from the database. Rows are read in pieces, so that memory does not grow with
    the result where the driver has cursors on the server: PostgreSQL (psycopg2, psycopg 3), MySQL and MariaDB
    (mysqlclient, mysql-connector-python); and sqlite3. All queries of a task see one state of the database.

    :param sql_conn_id: connection of the database; its hook must be a ``DbApiHook``. (templated)
    :param sql: query, or name of a ``.sql`` file, whose text is a template too; for several tables a mapping of table
        name to either. What came from another task is neither rendered nor read from a file. (templated)
    :param parameters: what the driver fills into each query: a list, or a mapping for named ones. They are never
        logged, and not shown among the rendered fields. (templated)
    :param hook_params: further arguments of the database's hook. (templated)
    :param fetch_size: how many rows are fetched at a time, at most; fewer if the rows are large.
    :param kwargs: arguments of :class:`~airflow_provider_s3dest.operators.s3_destination.S3DestinationOperator`,
        without ``records``, ``staging_path`` and ``delete_staging``.
    :return: what was written: records, objects, bytes, bucket, tables, uris, manifest and bad_records.
    :raises SpecError: while the DAG is parsed, with everything that is wrong with literal arguments.

    Example::

        SqlToS3DestinationOperator(
            task_id="orders_to_s3",
            sql_conn_id="shop",
            sql="SELECT * FROM orders WHERE day = %(day)s ORDER BY id",
            parameters={"day": "{{ ds }}"},
            table="orders",
            bucket="lake",
            path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
            format="parquet",
        )
    """

    template_fields: Sequence[str] = (
        "sql_conn_id",
        "sql",
        "parameters",
        "hook_params",
        *S3DestinationOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    sql_conn_id: Any
    sql: Any
    hook_params: Any
    atomic: bool
    _session: Session | None = None

    def __init__(
        self,
        *,
        sql_conn_id: str,
        sql: str | Mapping[str, str],
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        hook_params: Mapping[str, Any] | None = None,
        fetch_size: int = 10_000,
        **kwargs: Any,
    ) -> None:
        if faults := _refused(kwargs):
            raise SpecError(faults, f"task {kwargs.get('task_id')!r}")
        # Before the arguments of the load, since all are checked together.
        self.sql_conn_id = sql_conn_id
        self.sql = sql
        self.parameters = parameters
        self.hook_params = hook_params
        self.fetch_size = fetch_size
        records = dict.fromkeys(sql, FromQuery()) if isinstance(sql, Mapping) else FromQuery()
        super().__init__(records=records, **kwargs)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Set arguments that all mapped instances share; parameters stay out of the serialized DAG."""
        if faults := _refused(kwargs):
            raise SpecError(faults, f"task {kwargs.get('task_id')!r}")
        if "parameters" in kwargs:
            kwargs["parameters"] = hide_parameters(kwargs["parameters"])
        return super().partial(**kwargs)

    @property
    def parameters(self) -> Any:
        """The parameters, hidden so that Airflow stores none of them."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: Any) -> None:
        self._parameters = hide_parameters(parameters)

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render the queries by Jinja alone: it has no placeholders of ours, but it has files."""
        if parent is self and "sql" not in self._rendered:
            if not templates.data_arguments(self, {"sql": self.sql}, context):
                render = super(S3DestinationOperator, self).render_template
                try:
                    self.sql = queries.rendered(
                        self.sql,
                        jinja_env,
                        lambda text: render(text, context, jinja_env),
                        lambda value: render(value, context, jinja_env, set()),
                    )
                except SpecError as error:
                    raise AirflowFailException(str(SpecError(error.faults, f"task {self.task_id!r}"))) from error
            self._rendered = self._rendered.union({"sql"})
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)

    def _deliver(self, context: Context, hook: S3DestinationHook) -> LoadReport:
        attempt = context["ti"].try_number
        if attempt > 1 and typed(self.atomic, {bool}) is not True:
            log.warning(
                "This is attempt %d. Until it succeeds, rows may be in S3 twice or not at all, if the query returned "
                "them in another order before. ORDER BY a unique key prevents that, and so does atomic=True.",
                attempt,
            )
        try:
            return super()._deliver(context, hook)
        finally:
            if self._session is not None:
                self._session.close()

    def on_kill(self) -> None:
        """Stop the load, and cancel the query."""
        super().on_kill()
        if self._session is not None:
            self._session.cancel()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what the queries read and what the load wrote, for OpenLineage."""
        return self._with_inputs(super().get_openlineage_facets_on_complete(task_instance), succeeded=True)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what the queries of a failed load were to read, and where it was to write, for OpenLineage."""
        return self._with_inputs(super().get_openlineage_facets_on_failure(task_instance), succeeded=False)

    def _with_inputs(
        self, lineage: OperatorLineage[Any, Any] | None, *, succeeded: bool
    ) -> OperatorLineage[Any, Any] | None:
        if lineage is not None:
            from airflow_provider_s3dest.operators.lineage import inputs_of_queries

            texts = list(self.sql.values()) if isinstance(self.sql, Mapping) else [self.sql]
            hook_of = partial(sql_hook, self.sql_conn_id, self.hook_params)
            lineage.inputs = inputs_of_queries(texts, hook_of, asks_database=succeeded)
        return lineage

    def _check_literals(self, fields: Mapping[str, Any], faults: Sequence[Fault]) -> None:
        found = [*queries.sql_faults(self.sql), *self._argument_faults()]
        if self.get_dag() is not None:  # without a DAG, it is not known yet where its files lie
            found += queries.file_faults(self.sql, self.get_template_env())
        super()._check_literals(fields, [*faults, *found])

    def _argument_faults(self) -> Iterable[Fault]:
        parameters = reveal_parameters(self.parameters)
        return queries.argument_faults(self.sql_conn_id, parameters, self.hook_params, self.fetch_size)

    def _arguments_of_run(self, context: Context, hook: S3DestinationHook) -> LoadArguments:
        from airflow_provider_s3dest.sources.sql.session import QueryCursor, Session

        arguments = super()._arguments_of_run(context, hook)
        faults = [*queries.sql_faults(self.sql), *self._argument_faults(), *queries.late_file_faults(self.sql)]
        database: Any = None
        try:
            database = sql_hook(self.sql_conn_id, self.hook_params)
        except SpecError as error:
            faults += [fault for fault in error.faults if fault not in faults]
        texts = self.sql if isinstance(self.sql, Mapping) else {self.table: self.sql}
        if database is not None and not faults:
            faults += queries.statement_faults(texts, database.conn_type)
        # All faults at once, before the database is asked anything.
        hook.check(replace(arguments, found=[*arguments.found, *faults]), {"records"})
        assert self._stop is not None
        self._session = session = Session(
            partial(connect, database),
            self.sql_conn_id,
            queries=len(texts),
            fetch_size=self.fetch_size,
            stop=self._stop,
        )
        parameters = reveal_parameters(self.parameters)
        cursors = {table: QueryCursor(session, str(table), query, parameters) for table, query in texts.items()}
        self.records = cursors if isinstance(self.sql, Mapping) else cursors[self.table]
        return super()._arguments_of_run(context, hook)


def _refused(arguments: Mapping[str, Any]) -> list[Fault]:
    return [
        Fault(name, "can't be given: the query returns the records.", "Leave it out.")
        for name in _REFUSED
        if name in arguments
    ]
