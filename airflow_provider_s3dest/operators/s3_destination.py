"""The operator: delivers the records of an upstream task, or staged files, to S3."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
from packaging.version import Version

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, short
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.assets import AIRFLOW, announce, outlets_for
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
from airflow_provider_s3dest.operators.links import S3ConsoleLink, S3ManifestLink, links_of, store_links
from airflow_provider_s3dest.operators.literals import literal_faults
from airflow_provider_s3dest.operators.metrics import count_try
from airflow_provider_s3dest.operators.rendering import render_text
from airflow_provider_s3dest.operators.task_state_store import TaskStateStore
from airflow_provider_s3dest.operators.upstream import Output, outputs_in, outputs_taken_whole, silent_instances
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.destination import DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, NotGiven, is_given

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import AssetAlias, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
    from airflow_provider_s3dest.operators.outcome import Outcome
    from airflow_provider_s3dest.report import LoadReport

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

_KEEPS_STATE = Version("3.3") <= AIRFLOW
"""Whether Airflow keeps a state for each task instance."""

_OF_INSTANCE = re.compile(r"map_index|op_args|op_kwargs")
"""What Jinja can name that differs between the mapped instances of a task."""


class S3DestinationOperator(BaseOperator):
    """Deliver records to S3 as CSV, JSON or Parquet objects: append across runs, replace within a task instance.

    Exactly one of ``records`` and ``staging_path`` is given. What an argument does not say, ``spec`` says, else the
    connection, else the default.

    :param records: records of one table (a list, tuple, iterator or generator of mappings, a mapped task's output, or
        anything with ``__arrow_c_stream__``), or a mapping of table name to such. (templated)
    :param staging_path: path or paths of staged files: file, folder or glob; local, ``s3://``, or of any scheme that
        ObjectStoragePath knows; ``{{TABLE}}`` in it captures the table. (templated)
    :param table: name of the table, unless a mapping or ``{{TABLE}}`` in the staging path tells it. (templated)
    :param columns: names of the columns that are written, in order; by default all. (templated)
    :param schema: the Arrow types of the columns, by their names, such as ``{"price": "decimal(18,2)"}``; they fix the
        columns and their order, of which ``columns`` may take some. Of several tables, a mapping of table to such. A
        value is cast where that is exact, else refused. It needs the ``arrow`` extra. (templated)
    :param spec: a :class:`~airflow_provider_s3dest.spec.DestinationSpec`, or a CloudQuery document as a mapping or
        YAML text, for all fields that have no argument of their own. (templated)
    :param bucket: name of the bucket. (templated)
    :param path: template of the keys: Jinja, and the placeholders ``{{TABLE}}``, ``{{TABLE_HYPHEN}}``, ``{{UUID}}``,
        ``{{FORMAT}}``, ``{{YEAR}}``, ``{{MONTH}}``, ``{{DAY}}``, ``{{HOUR}}``, ``{{MINUTE}}``, ``{{SYNC_ID}}``,
        ``{{BATCH}}`` and ``{{FIELD.name}}``. (templated)
    :param format: ``csv``, ``json``, or ``parquet``, which needs the ``arrow`` extra.
    :param format_spec: of csv: ``delimiter`` (``,``), ``skip_header`` (False), and for picky readers ``null_value``
        (empty), ``quoting`` (``minimal``), ``line_terminator`` (``\\n``) and ``escape`` (``"``); of parquet:
        ``version`` (``v2Latest``) and ``max_row_group_length`` (1,048,576 records).
    :param compression: empty, or ``gzip``; of parquet ``snappy`` (what empty means), ``zstd``, ``gzip`` or ``none``.
    :param batch_size: records in an object, at most (10,000).
    :param batch_size_bytes: bytes of an object before compression, of parquet in Arrow, at most (5 MiB).
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
    :param manifest: write an object that lists all others, once they are there: ``redshift`` for COPY, or ``s3dest``
        with columns, records, bytes and checksums; its key is ``manifest_path`` of the spec.
    :param on_bad_record: ``fail`` at the first record that can't be delivered, or ``quarantine``: such records go,
        as they came and with the reason, to objects of their own, as lines of JSON.
    :param max_bad_records: how many there may be: a number, or a share of all records between 0 and 1; by default
        any. Beyond it the load fails.
    :param quarantine_path: template of the keys of their objects, with ``{{UUID}}``; by default
        ``_quarantine/{{TABLE}}/{{UUID}}.json`` below what is fixed of ``path``. (templated)
    :param s3_destination_conn_id: connection with defaults of the spec; None: none is looked up. (templated)
    :param aws_conn_id: AWS connection; not given: that of the s3_destination connection, else ``aws_default``;
        None: boto3's own chain of credentials. (templated)
    :return: what was written: records, objects, bytes, bucket, tables, uris, manifest and bad_records.
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
        "schema",
        "bucket",
        "path",
        "spec",
        "state_path",
        "quarantine_path",
        "s3_destination_conn_id",
        "aws_conn_id",
    )
    template_ext: Sequence[str] = ()
    # Records may be many, or a generator: copies of the operator share them.
    shallow_copy_attrs: Sequence[str] = ("_records", "_BaseOperator__init_kwargs")
    ui_color = "#e8f3ec"
    _stop: StopFlag | None = None
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
        schema: Mapping[str, Any] | None = None,
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
        manifest: str | None = None,
        on_bad_record: str = "fail",
        max_bad_records: float | None = None,
        quarantine_path: str | None = None,
        s3_destination_conn_id: str | None = None,
        aws_conn_id: str | NotGiven | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        place = {"spec": spec, "bucket": bucket, "path": path, "table": table}
        known = {**kwargs, **place, "asset": asset, "s3_destination_conn_id": s3_destination_conn_id}
        super().__init__(**{**kwargs, **outlets_for(known)})
        self._records_from: dict[str | None, list[Output]] = {}
        self.records = records
        self.staging_path = staging_path
        self.table = table
        self.columns = columns
        self.schema = schema
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
        self.manifest = manifest
        self.on_bad_record = on_bad_record
        self.max_bad_records = max_bad_records
        self.quarantine_path = quarantine_path
        self._dry_run = dry_run  # BaseOperator has a method of that name
        self.asset = asset
        self.s3_destination_conn_id = s3_destination_conn_id
        self.aws_conn_id = aws_conn_id
        self._gathered = {name: outputs_taken_whole(getattr(self, name)) for name in ("records", "staging_path")}
        self._references = {name for name in self.template_fields if has_reference(getattr(self, name))}
        if type(self.records) is dict:
            self._references.discard("records")  # the names of its tables don't come by reference
        from_mapped = getattr(self, "_BaseOperator__from_mapped", False)
        fields, found = self._fields({})
        written = fields.get("path")
        self._written_path = written if isinstance(written, str) else None
        if not from_mapped:
            as_written = {name for name in _SPEC_FIELDS if name not in self.template_fields} & self._own_fields().keys()
            faults = literal_faults(
                self._arguments(fields, found), self._templated(), as_written, self.get_template_env
            )
            if faults:
                raise SpecError(faults, f"task {self.task_id!r}")

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
        if outputs := _outputs_by_table(self._records):
            self._records_from = outputs

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render Jinja beside our placeholders, which stay as they are.

        :raises AirflowFailException: at Jinja that can't be rendered, and at a placeholder that is misused or misspelt.
        """
        if isinstance(content, HeldRecords):
            if seen_oids is not None and id(content.value) in seen_oids:  # data of a mapped task is not to be rendered
                return content.value
            return rendered(content.value, lambda text: self.render_template(text, context, jinja_env, seen_oids))
        render = super().render_template
        environment = jinja_env or self.get_template_env()
        if not isinstance(content, str):
            return render(content, context, environment, seen_oids)
        try:
            return render_text(
                content, self._templated(), context, environment, lambda env: render(content, context, env, seen_oids)
            )
        except SpecError as error:
            raise AirflowFailException(str(SpecError(error.faults, f"task {self.task_id!r}"))) from error

    def execute(self, context: Context) -> dict[str, Any]:
        """Deliver the records and report what was written."""
        from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

        hook = S3DestinationHook(self.s3_destination_conn_id, self.aws_conn_id)
        began, written = time.monotonic(), None
        self._stop = StopFlag()
        try:
            report = self._deliver(context, hook)
            written = None if self._dry_run else report
        except S3DestinationError as error:
            if error.final:
                raise AirflowFailException(str(error)) from error
            raise
        finally:
            count_try(context["ti"], time.monotonic() - began, hook.retries, written)
        if written is not None:
            self._tell(context, hook, written)
        return report.as_dict()

    def _deliver(self, context: Context, hook: S3DestinationHook) -> LoadReport:
        ti: Any = context["ti"]
        store = context.get("task_state_store")
        self._begun = self._arguments_of_run(context, hook)
        return hook.deliver(
            self._begun,
            LoadIdentity.of_task_instance(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
            _moment(context),
            attempt=Attempt(_run_began(context), ti.try_number),
            state=None if store is None else TaskStateStore(store),
            stop=self._stop,
        )

    def _tell(self, context: Context, hook: S3DestinationHook, report: LoadReport) -> None:
        """Tell consumers, lineage and the view of the task what was written."""
        from airflow_provider_s3dest.operators.outcome import Outcome

        assert self._begun is not None
        self._outcome = Outcome(report, self._written_path or self._begun.fields["path"])
        announce(context, self.outlets, self.asset, self._outcome)
        self.links = links_of(report, hook.client_meta, hook.console_url)
        store_links(context, self.links)

    def on_kill(self) -> None:
        """Stop the load: no further request begins."""
        if self._stop is not None:
            self._stop.set()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what was read and written."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_outcome

        return lineage_of_outcome(self._outcome, self._begun) if self._outcome and self._begun else None

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage what was to be read, and where it was to be written."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_failure

        return lineage_of_failure(self._begun) if self._begun else None

    def _arguments_of_run(self, context: Context, hook: S3DestinationHook) -> LoadArguments:
        """Give the arguments as they are in a run."""
        fields, found = self._fields(hook.known_fields())
        found += self._faults_of_run(context["ti"], fields)
        return self._arguments(fields, found, keeps_state=context.get("task_state_store") is not None)

    def _fields(self, connection_fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """Give the fields of the spec, and what is wrong with the ``spec`` argument itself."""
        fields, found = spec_fields_of(self.spec)
        return merged(self._own_fields(), fields, connection_fields), found

    def _own_fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SPEC_FIELDS if is_given(getattr(self, name))}

    def _arguments(
        self, fields: Mapping[str, Any], found: Sequence[Fault], *, keeps_state: bool = _KEEPS_STATE
    ) -> LoadArguments:
        return LoadArguments(
            fields=fields,
            records=self._released(),
            staging_path=NOT_GIVEN if self.staging_path is None else self._staging_paths(),
            table=self.table,
            columns=self.columns,
            schema=self.schema,
            atomic=self.atomic,
            state_path=self.state_path,
            delete_staging=self.delete_staging,
            dry_run=self._dry_run,
            s3_destination_conn_id=self.s3_destination_conn_id,
            aws_conn_id=self.aws_conn_id,
            keeps_state=keeps_state,
            manifest=self.manifest,
            on_bad_record=self.on_bad_record,
            max_bad_records=self.max_bad_records,
            quarantine_path=self.quarantine_path,
            written_path=self._written_path,
            sources={table: [one.task_id for one in outputs] for table, outputs in self._records_from.items()},
            found=found,
        )

    def _released(self) -> Any:
        """Give the records; what references gave may be lists of records, such as the output of a mapped task group."""

        def flat(own: Any, table: Any = None) -> Any:
            resolved = isinstance(own, (list, tuple)) and not {table, None}.isdisjoint(self._records_from)
            return _flattened(own) if resolved else own

        records = release(self.records)
        return {table: flat(own, table) for table, own in records.items()} if type(records) is dict else flat(records)

    def _staging_paths(self) -> Any:
        """Give the staging paths; those that the instances of a mapped task gave come as a lazy sequence."""
        path = self.staging_path
        lazy = isinstance(path, Sequence) and not isinstance(path, (str, bytes, bytearray))
        return _flattened(path) if lazy and self._gathered["staging_path"] else path

    def _templated(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.template_fields}

    def _faults_of_run(self, ti: Any, fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Find what only the run can show to be wrong, beside the arguments themselves."""
        for argument, value in self._templated().items():
            # Of a task group that is mapped over a list of outputs.
            if is_reference(value) and not isinstance(value, FromFunction):
                remedy = "Map the task group over one output, such as that of a task that returns the list."
                yield Fault(argument, f"is {short(value)}, which Airflow does not resolve.", remedy)
        for argument, outputs in self._gathered.items():
            yield from silent_instances(argument, outputs, self, ti)
        yield from self._shared_key(ti, fields)

    def _shared_key(self, ti: Any, fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Find whether mapped instances would overwrite each other's only object."""
        if ti.map_index < 0 or fields.get("no_rotate") is not True:
            return
        written = self._written_path or fields.get("path")
        if not isinstance(written, str):
            return
        mapped = self.dag.task_dict.get(self.task_id) if self._dag is not None else None
        to_all = getattr(mapped, "partial_kwargs", None)
        if to_all is None:  # a task of a mapped task group is not expanded itself: what differs comes by reference
            to_all = {name: getattr(mapped or self, name) for name in {*self.template_fields} - self._references}
        shared = {name for name, value in to_all.items() if not _OF_INSTANCE.search(str(value))}
        varying = {"path", "bucket", "spec"}
        if {"TABLE", "TABLE_HYPHEN"} & path_template.placeholders(written):
            varying |= {"table"} if self.table is not None else {"records", "staging_path"}
        given = {name for name in varying if getattr(self, name) is not None and is_given(getattr(self, name))}
        if not given - shared:
            problem = "gives all mapped instances the same key with `no_rotate`."
            yield Fault("path", problem, "Put {{ ti.map_index }} in, or map over `table` or `path`.")


def _flattened(outputs: Any) -> list[Any]:
    from airflow_provider_s3dest.sources.python_records import flattened

    return list(flattened(outputs))


def _outputs_by_table(records: Any) -> dict[str | None, list[Output]]:
    """Find the outputs that the records are, by table; None stands for the only table."""
    tables = records if type(records) is dict else {None: records}
    return {
        table: outputs_in(own)
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
