"""The operator: delivers the records of an upstream task, or staged files, to S3."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, XComArg
from packaging.version import Version

from airflow_provider_s3dest import path_template
from airflow_provider_s3dest.arguments import LoadArguments, check_literal_records
from airflow_provider_s3dest.delivery.state import Attempt
from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError
from airflow_provider_s3dest.links.s3_destination import S3ConsoleLink, S3ManifestLink, links_of, store_links
from airflow_provider_s3dest.naming import LoadIdentity, stable_prefix
from airflow_provider_s3dest.not_given import NOT_GIVEN, NotGiven, is_given
from airflow_provider_s3dest.operators.assets import announce, outlets_for
from airflow_provider_s3dest.operators.held_records import (
    FromFunction,
    HeldRecords,
    has_reference,
    hold,
    holding,
    is_reference,
    release,
    rendered,
)
from airflow_provider_s3dest.operators.outcome import Outcome
from airflow_provider_s3dest.operators.task_state import TaskState
from airflow_provider_s3dest.sources.records import NoRecordsError, flattened
from airflow_provider_s3dest.spec import DestinationSpec, merged, spec_fields_of

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import AssetAlias, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

_SPEC_FIELDS = (
    "bucket",
    "path",
    "format",
    "format_spec",
    "compression",
    "batch_size",
    "batch_size_bytes",
    "no_rotate",
)
"""Fields of the destination spec that are arguments by their own names."""

_KEEPS_STATE = Version(version("apache-airflow")) >= Version("3.3")
"""Whether Airflow keeps a state for each task instance."""

_OF_INSTANCE = re.compile(r"map_index|op_args|op_kwargs")
"""What Jinja can name that differs between the mapped instances of a task."""

_LIKE_A_PLACEHOLDER = re.compile(r"\{\{-?\s*([A-Z][A-Z0-9_]*)\s*-?\}\}")


class S3DestinationOperator(BaseOperator):
    """Deliver records to S3 as CSV or JSON objects: append across runs, replace within a task instance.

    Exactly one of ``records`` and ``staging_path`` is given. What an argument does not say, ``spec`` says, else the
    connection, else the default.

    :param records: records of one table (a list, tuple, iterator or generator of mappings, a mapped task's output, or
        anything with ``__arrow_c_stream__``), or a mapping of table name to such. (templated)
    :param staging_path: path or paths of staged files: file, folder or glob; local, ``s3://``, or of any scheme that
        ObjectStoragePath knows; ``{{TABLE}}`` in it captures the table. (templated)
    :param table: name of the table, unless a mapping or ``{{TABLE}}`` in the staging path tells it. (templated)
    :param columns: names of the columns that are written, in order; by default all. (templated)
    :param spec: a :class:`~airflow_provider_s3dest.spec.DestinationSpec`, or a CloudQuery document as a mapping or
        YAML text, for all fields that have no argument of their own. (templated)
    :param bucket: name of the bucket. (templated)
    :param path: template of the keys: Jinja, and the placeholders ``{{TABLE}}``, ``{{TABLE_HYPHEN}}``, ``{{UUID}}``,
        ``{{FORMAT}}``, ``{{YEAR}}``, ``{{MONTH}}``, ``{{DAY}}``, ``{{HOUR}}``, ``{{MINUTE}}``, ``{{SYNC_ID}}`` and
        ``{{BATCH}}``. (templated)
    :param format: ``csv`` or ``json``.
    :param format_spec: of csv: ``delimiter`` (``,``) and ``skip_header`` (False).
    :param compression: empty, or ``gzip``.
    :param batch_size: records in an object, at most (10,000).
    :param batch_size_bytes: bytes of an object before compression, at most (5 MiB).
    :param no_rotate: write one object per table.
    :param atomic: let no object be seen before all are complete; then all appear within moments. Before Airflow 3.3 it
        needs ``state_path``.
    :param state_path: folder of S3, ``s3://bucket/folder`` or one of the destination's bucket, where a record of what
        the task instance wrote is kept from try to try. From Airflow 3.3 on, Airflow keeps it by default. (templated)
    :param delete_staging: delete the staged files once they are loaded; a later try then only gives the report again.
        Before Airflow 3.3 it needs ``state_path``.
    :param dry_run: read, encode and report names and counts, and write nothing.
    :param asset: announce for each table an event of the asset ``s3://bucket/prefix``, where the prefix is the folder
        that its objects share in all runs; True, or an AssetAlias of your own. Assets among ``outlets`` need no
        ``asset``. The extra of each event is what the task returns.
    :param s3_destination_conn_id: connection with defaults of the spec; None: none is looked up. (templated)
    :param aws_conn_id: AWS connection; not given: that of the s3_destination connection, else ``aws_default``;
        None: boto3's own chain of credentials. (templated)
    :return: what was written: records, objects, bytes, bucket, tables, uris and manifest.
    :raises SpecError: while the DAG is parsed, with everything that is wrong with literal arguments.

    Example::

        S3DestinationOperator(
            task_id="load",
            records=extract(),
            table="orders",
            bucket="lake",
            path="raw/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
            format="json",
        )
    """

    template_fields: Sequence[str] = (
        "records",
        "staging_path",
        "table",
        "columns",
        "bucket",
        "path",
        "spec",
        "state_path",
        "s3_destination_conn_id",
        "aws_conn_id",
    )
    template_ext: Sequence[str] = ()
    # Records may be many, or a generator: copies of the operator share them.
    shallow_copy_attrs: Sequence[str] = ("_records", "_BaseOperator__init_kwargs")
    ui_color = "#e8f3ec"
    _stop: threading.Event | None = None
    _begun: LoadArguments | None = None
    _outcome: Outcome | None = None
    links: Mapping[str, str] = {}
    operator_extra_links = (S3ConsoleLink(), S3ManifestLink())

    def __init__(
        self,
        *,
        records: Any = NOT_GIVEN,
        staging_path: Any = NOT_GIVEN,
        table: str | None = None,
        columns: Sequence[str] | None = None,
        spec: DestinationSpec | Mapping[str, Any] | str | None = None,
        bucket: str | NotGiven = NOT_GIVEN,
        path: str | NotGiven = NOT_GIVEN,
        format: str | NotGiven = NOT_GIVEN,
        format_spec: Mapping[str, Any] | NotGiven | None = NOT_GIVEN,
        compression: str | NotGiven = NOT_GIVEN,
        batch_size: int | NotGiven | None = NOT_GIVEN,
        batch_size_bytes: int | NotGiven | None = NOT_GIVEN,
        no_rotate: bool | NotGiven = NOT_GIVEN,
        atomic: bool = False,
        state_path: str | None = None,
        delete_staging: bool = False,
        dry_run: bool = False,
        asset: bool | AssetAlias = False,
        s3_destination_conn_id: str | None = None,
        aws_conn_id: str | NotGiven | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        place = {"spec": spec, "bucket": bucket, "path": path, "table": table}
        known = {**kwargs, **place, "asset": asset, "s3_destination_conn_id": s3_destination_conn_id}
        super().__init__(**{**kwargs, **outlets_for(known)})
        self._records_sources: dict[str | None, list[str]] = {}
        self.records = records
        self.staging_path = staging_path
        self.table = table
        self.columns = columns
        self.spec = spec
        self.bucket = bucket
        self.path = path
        self.format = format
        self.format_spec = format_spec
        self.compression = compression
        self.batch_size = batch_size
        self.batch_size_bytes = batch_size_bytes
        self.no_rotate = no_rotate
        self.atomic = atomic
        self.state_path = state_path
        self.delete_staging = delete_staging
        self._dry_run = dry_run  # BaseOperator has a method of that name
        self.asset = asset
        self.s3_destination_conn_id = s3_destination_conn_id
        self.aws_conn_id = aws_conn_id
        self._written_path: str | None = None
        self._references = {name for name in self.template_fields if has_reference(getattr(self, name))}
        if type(self.records) is dict:
            self._references.discard("records")  # the names of its tables don't come by reference
        from_mapped = getattr(self, "_BaseOperator__from_mapped", False)
        try:
            arguments = self._arguments({})
        except SpecError:
            if not from_mapped and _is_literal(spec):
                raise
        else:
            written = arguments.fields.get("path")
            self._written_path = written if isinstance(written, str) else None
            if not from_mapped:
                self._check_literals(arguments)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Set arguments that all mapped instances share; literal records stay out of the serialized DAG."""
        if "records" in kwargs:
            kwargs["records"] = hold(kwargs["records"])
        return holding(super().partial(**{**kwargs, **outlets_for(kwargs)}))

    @property
    def records(self) -> Any:
        """The records, held so that Airflow stores none of them."""
        return self._records

    @records.setter
    def records(self, records: Any) -> None:
        self._records = hold(records)
        if sources := _sources(self._records):
            self._records_sources = sources

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render Jinja beside our placeholders, which stay as they are.

        :raises AirflowFailException: at a placeholder that is misused or misspelt.
        """
        if isinstance(content, HeldRecords):
            if seen_oids is not None and id(content.value) in seen_oids:  # data of a mapped task is not to be rendered
                return content.value
            return rendered(content.value, lambda text: self.render_template(text, context, jinja_env, seen_oids))
        if not isinstance(content, str) or "{" not in content:
            return super().render_template(content, context, jinja_env, seen_oids)
        from jinja2 import UndefinedError

        faults = list(path_template.misuses(content))
        if faults:
            raise AirflowFailException(str(SpecError(faults)))
        environment = (jinja_env or self.get_template_env()).overlay()
        environment.globals = {**environment.globals, **path_template.jinja_globals()}
        try:
            return super().render_template(content, context, environment, seen_oids)
        except UndefinedError as error:
            for name in _LIKE_A_PLACEHOLDER.findall(content):
                if not path_template.is_placeholder(name) and f"'{name}'" in str(error):
                    raise AirflowFailException(str(path_template.unknown_name(name))) from error
            raise

    def execute(self, context: Context) -> dict[str, Any]:
        """Deliver the records and report what was written."""
        from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

        ti: Any = context["ti"]
        store = context.get("task_state_store")
        self._stop = threading.Event()
        try:
            hook = S3DestinationHook(self.s3_destination_conn_id, self.aws_conn_id)
            arguments = self._arguments_of_run(context, hook.connection_fields())
            self._begun = arguments
            self._refuse_none()
            self._refuse_shared_key(ti, arguments)
            report = hook.deliver(
                arguments,
                LoadIdentity.of_task_instance(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
                _moment(context),
                attempt=Attempt(_run_began(context), ti.try_number),
                state=None if store is None else TaskState(store),
                dry_run=self._dry_run,
                stop=self._stop,
            )
        except S3DestinationError as error:
            if error.final:
                raise AirflowFailException(str(error)) from error
            raise
        if not self._dry_run:
            self._outcome = Outcome(report, self._written_path or arguments.fields["path"])
            announce(context, self.outlets, self.asset, self._outcome)
            self.links = links_of(report, hook.client_meta, hook.console_url)
            store_links(context, self.links)
        return report.as_dict()

    def on_kill(self) -> None:
        """Stop the load: no further request begins."""
        if self._stop is not None:
            self._stop.set()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what was read and written."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_outcome

        return None if self._outcome is None else lineage_of_outcome(self._outcome, self.staging_path)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what was to be read, and where written."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_failure

        if self._begun is None:
            return None
        bucket, path = self._begun.fields.get("bucket"), self._written_path or self._begun.fields.get("path")
        if not isinstance(bucket, str) or not isinstance(path, str):
            return None
        tables = list(self.records) if type(self.records) is dict else [self.table] if self.table else []
        prefixes = [stable_prefix(path, table) for table in tables] or [path_template.folder_of(path, {})]
        return lineage_of_failure(bucket, prefixes, self.staging_path)

    def _arguments_of_run(self, context: Context, connection_fields: Mapping[str, Any]) -> LoadArguments:
        """Give the arguments as they are in a run."""
        return self._arguments(connection_fields, keeps_state=context.get("task_state_store") is not None)

    def _arguments(self, connection_fields: Mapping[str, Any], *, keeps_state: bool = _KEEPS_STATE) -> LoadArguments:
        own = {name: getattr(self, name) for name in _SPEC_FIELDS if is_given(getattr(self, name))}
        return LoadArguments(
            fields=merged(own, spec_fields_of(self.spec), connection_fields),
            records=self._released(),
            staging_path=NOT_GIVEN if self.staging_path is None else self.staging_path,
            table=self.table,
            columns=self.columns,
            atomic=self.atomic,
            state_path=self.state_path,
            delete_staging=self.delete_staging,
            keeps_state=keeps_state,
            written_path=self._written_path,
        )

    def _released(self) -> Any:
        """Give the records; what references gave may be lists of records, such as the output of a mapped task group."""

        def flat(own: Any, table: Any = None) -> Any:
            resolved = isinstance(own, (list, tuple)) and not {table, None}.isdisjoint(self._records_sources)
            return list(flattened(own)) if resolved else own

        records = release(self.records)
        return {table: flat(own, table) for table, own in records.items()} if type(records) is dict else flat(records)

    def _check_literals(self, arguments: LoadArguments) -> None:
        """Check what the DAG file alone tells; the rest is checked when the task starts."""
        unknown = {name for name in self.template_fields if not _is_literal(getattr(self, name))}
        unknown |= {name for name, value in arguments.fields.items() if not _is_literal(value)}
        if self.s3_destination_conn_id is not None or "spec" in unknown:
            unknown |= {name for name in DestinationSpec.model_fields if name not in arguments.fields}
        faults = list(arguments.faults(unknown))
        path = arguments.fields.get("path")
        if "path" in unknown and isinstance(path, str):
            faults += path_template.faults(path, jinja=True)
        if faults:
            raise SpecError(faults, f"task {self.task_id!r}")
        if "records" not in unknown:
            check_literal_records(arguments.records, self.table)

    def _refuse_none(self) -> None:
        tables = self.records if type(self.records) is dict else {self.table: self.records}
        for table, records in tables.items():
            if records is None:
                of_table = "" if table is None else f" of table {table!r}"
                raise NoRecordsError(
                    f"The records{of_table} are None: {self._why_none(table)} "
                    "Return a list, an empty one for no records."
                )

    def _why_none(self, table: str | None) -> str:
        named = self._records_sources.get(table) or self._records_sources.get(None)
        tasks = ", ".join(repr(task) for task in named or sorted(self.upstream_task_ids)) or "the upstream task"
        return f"{tasks} returned nothing, was skipped, or pushed under another key."

    def _refuse_shared_key(self, ti: Any, arguments: LoadArguments) -> None:
        """Refuse mapped instances that would overwrite each other's only object."""
        if ti.map_index < 0 or not arguments.fields.get("no_rotate"):
            return
        mapped = self.dag.task_dict.get(self.task_id) if self._dag is not None else None
        to_all = getattr(mapped, "partial_kwargs", None)
        if to_all is None:  # a task of a mapped task group is not expanded itself: what differs comes by reference
            to_all = {name: getattr(mapped or self, name) for name in {*self.template_fields} - self._references}
        shared = {name for name, value in to_all.items() if not _OF_INSTANCE.search(str(value))}
        varying = {"path", "bucket", "spec"}
        written = self._written_path or arguments.fields.get("path") or ""
        if {"TABLE", "TABLE_HYPHEN"} & path_template.placeholders(written):
            varying |= {"table"} if self.table is not None else {"records", "staging_path"}
        given = {name for name in varying if getattr(self, name) is not None and is_given(getattr(self, name))}
        if not given - shared:
            problem = "gives all mapped instances the same key with `no_rotate`."
            raise SpecError([Fault("path", problem, "Put {{ ti.map_index }} in, or map over `table` or `path`.")])


def _is_literal(value: Any) -> bool:
    """Say whether the DAG file alone tells a value: it holds no reference and no Jinja."""
    if isinstance(value, str):
        return not path_template.has_jinja(value)
    if isinstance(value, Mapping):
        return all(map(_is_literal, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_literal, value))
    return not is_reference(value)


def _sources(records: Any) -> dict[str | None, list[str]]:
    """Name the tasks whose output the records are, by table; None stands for the only table."""
    tables = records if type(records) is dict else {None: records}
    return {
        table: [operator.task_id for operator, _ in XComArg.iter_xcom_references(own)]
        for table, own in tables.items()
        if has_reference(own) and not isinstance(own, FromFunction)
    }


def _moment(context: Context) -> datetime | None:
    """Give the moment that the run is about: its logical date, else when it was due."""
    run: Any = context.get("dag_run")
    return getattr(run, "logical_date", None) or getattr(run, "run_after", None)


def _run_began(context: Context) -> str:
    began = getattr(context.get("dag_run"), "start_date", None)
    return began.astimezone(timezone.utc).isoformat() if began else ""
