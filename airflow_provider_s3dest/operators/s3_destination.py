"""The operator: delivers the records of an upstream task, or staged files, to S3."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator
from packaging.version import Version

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators import arguments, mapping, references, templates
from airflow_provider_s3dest.operators.assets import AIRFLOW, announce, outlets_for
from airflow_provider_s3dest.operators.hidden_records import HiddenRecords, HidingPartial, hide, share
from airflow_provider_s3dest.operators.links import S3ConsoleLink, S3ManifestLink, links_of, store_links
from airflow_provider_s3dest.operators.metrics import count_attempt
from airflow_provider_s3dest.operators.parse_time_checks import parse_time_faults
from airflow_provider_s3dest.operators.rendering import mask_credentials, render_records, render_references, render_text
from airflow_provider_s3dest.operators.run_date import run_date_of, undated_partition_faults
from airflow_provider_s3dest.operators.task_state_store import TaskStateStore
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.spec.destination import DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, NotGiven

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import AssetAlias, Context
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
    from airflow_provider_s3dest.operators.outcome import Outcome
    from airflow_provider_s3dest.report import LoadReport

_KEEPS_STATE = Version("3.3") <= AIRFLOW
"""Whether Airflow keeps a state for each task instance."""


class S3DestinationOperator(BaseOperator):
    """Deliver records to S3 as CSV, JSON or Parquet objects: append across runs, replace within a task instance.

    Give exactly one of ``records`` and ``staging_path``. A field of the destination spec that is not an argument comes
    from ``spec``, else from the connection, else it has its default.

    :param records: records of one table (a list, tuple, iterator or generator of mappings, a mapped task's output, or
        anything with ``__arrow_c_stream__``, alone or many of it), or a mapping of table name to such records.
        (templated)
    :param staging_path: path or paths of staged files: file, folder or glob; local, ``s3://``, or of any scheme that
        ObjectStoragePath knows; ``{{TABLE}}`` in it captures the name of the table. (templated)
    :param table: name of the table, unless a mapping or ``{{TABLE}}`` in the staging path names it. (templated)
    :param columns: names of the columns to write, in order; by default all. (templated)
    :param schema: the Arrow types of the columns by their names, such as ``{"price": "decimal(18,2)"}``, or a mapping
        of table to such a mapping. They fix the columns and their order; ``columns`` can select some of them. A value
        that can't be cast exactly is refused. It needs the ``arrow`` extra. (templated)
    :param spec: a :class:`~airflow_provider_s3dest.spec.DestinationSpec`, or a CloudQuery document as a mapping or
        YAML text, for all fields that are no arguments. (templated)
    :param bucket: name of the bucket. (templated)
    :param path: template of the keys: Jinja, and the placeholders ``{{TABLE}}``, ``{{TABLE_HYPHEN}}``, ``{{UUID}}``,
        ``{{FORMAT}}``, ``{{YEAR}}``, ``{{MONTH}}``, ``{{DAY}}``, ``{{HOUR}}``, ``{{MINUTE}}``, ``{{SYNC_ID}}``,
        ``{{BATCH}}`` and ``{{FIELD.name}}``. (templated)
    :param format: ``csv``, ``json``, or ``parquet``, which needs the ``arrow`` extra. (templated)
    :param format_spec: options of the format. For csv: ``delimiter`` (``,``), ``skip_header`` (False), ``null_value``
        (empty), ``quoting`` (``minimal``), ``line_terminator`` (``\\n``) and ``escape`` (``"``); for parquet:
        ``version`` (``v2Latest``) and ``max_row_group_length`` (1,048,576 records). (templated)
    :param compression: empty, or ``gzip``; for parquet ``snappy`` (the meaning of empty), ``zstd``, ``gzip`` or
        ``none``. (templated)
    :param batch_size: maximum number of records in an object (10,000). (templated)
    :param batch_size_bytes: maximum size of an object in bytes (5 MiB), before compression; for parquet the size in
        Arrow. (templated)
    :param no_rotate: write one object per table. (templated)
    :param compression_level: level of the compression, 1 to 9, fast to small (2), for gzip and zstd. (templated)
    :param write_mode: ``append``; S3 supports nothing else. (templated)
    :param partition_columns: ``keep``, or ``drop`` to leave the columns of ``{{FIELD.name}}`` out of the objects.
        (templated)
    :param uuid_namespace: text that enters every UUID, for another Airflow with the same DAG ids. (templated)
    :param manifest_path: template of the key of the manifest. (templated)
    :param ddl: table definitions to write beside the data: a list of ``athena``, ``redshift`` or both. (templated)
    :param ddl_path: template of the keys of the table definitions. (templated)
    :param athena: make the names of columns and of nested keys safe for Athena: letters, digits and ``_``. (templated)
    :param write_empty_objects_for_empty_tables: write an object for a table without records. (templated)
    :param content_type: Content-Type of the objects; by default the one of the format. (templated)
    :param acl: canned ACL of the objects, such as ``bucket-owner-full-control``. (templated)
    :param server_side_encryption_configuration: ``server_side_encryption``, and ``sse_kms_key_id`` for KMS. (templated)
    :param tags: tags of every object, at most 10. (templated)
    :param metadata: user metadata of every object. (templated)
    :param storage_class: storage class of the objects, such as ``STANDARD_IA``. (templated)
    :param region: region of the bucket, over that of the AWS connection. (templated)
    :param endpoint_skip_tls_verify: do not verify the certificate of the endpoint. (templated)
    :param use_path_style: address the bucket in the path, not in the host name. (templated)
    :param max_retries: how often a request is sent again. (templated)
    :param part_size: bytes of a part of a multipart upload (16 MiB). (templated)
    :param batch_timeout: of CloudQuery: accepted and not used. (templated)
    :param max_backoff: of CloudQuery: accepted and not used. (templated)
    :param test_write: of CloudQuery: accepted and not used. (templated)
    :param atomic: show no object before all are complete; then all appear within moments. Before Airflow 3.3 it needs
        ``state_path``. (templated)
    :param state_path: folder of S3, ``s3://bucket/folder`` or a folder of the destination's bucket, for the state of
        the load: what the task instance wrote, kept from attempt to attempt. From Airflow 3.3 on, Airflow keeps the
        state by default. (templated)
    :param delete_staging: delete the staged files once they are loaded; a later attempt then only returns the report
        again. Before Airflow 3.3 it needs ``state_path``. (templated)
    :param staging_format: form of staged text that is not the default one: ``delimiter``, ``encoding``, ``header``,
        ``quote``, ``escape``, ``null_values``, ``skip_lines``, ``duplicate_columns``, ``max_line_bytes``, and for JSON
        ``records_at``. (templated)
    :param shard: the staged files are a shard, as ``list_shards`` gives it: all its ``columns`` are written, those too
        that none of its files has. (templated)
    :param dry_run: read, encode and report names and counts, and write nothing. (templated)
    :param asset: announce for each table an event of the asset ``s3://bucket/prefix``, where the prefix is the folder
        that its objects share in all runs; True, or an AssetAlias of your own. Assets among ``outlets`` need no
        ``asset``. The extra of each event is what the task returns.
    :param manifest: write an object that lists all others, once they are there: ``redshift`` for COPY, or ``s3dest``
        with columns, records, bytes and checksums; its key is ``manifest_path`` of the spec. (templated)
    :param on_bad_record: ``fail`` at the first record that can't be delivered, or ``quarantine`` such records: write
        each in its original form, with the reason, to separate objects, as lines of JSON. (templated)
    :param max_bad_records: maximum number of quarantined records, or their maximum share of all records between 0 and
        1; by default no maximum. The load fails if there are more. (templated)
    :param quarantine_path: template of the keys of the quarantined records' objects, with ``{{UUID}}``; by default
        ``_quarantine/{{TABLE}}/{{UUID}}.json`` below the part of ``path`` that has no placeholder. (templated)
    :param s3_destination_conn_id: connection with defaults of the spec; None: no such connection is read. (templated)
    :param aws_conn_id: AWS connection; not given: the one that the s3_destination connection names, else
        ``aws_default``; None: boto3's own chain of credentials. (templated)
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

    template_fields: Sequence[str] = arguments.TEMPLATED
    template_ext: Sequence[str] = ()
    ui_color = "#e8f3ec"
    operator_extra_links = (S3ConsoleLink(), S3ManifestLink())
    links: Mapping[str, str] = {}
    staging_path: Any
    table: Any
    spec: Any
    asset: bool | AssetAlias
    is_dry_run: Any
    s3_destination_conn_id: str | None
    aws_conn_id: str | NotGiven | None
    _rendered: frozenset[str] = frozenset()
    _stop: StopFlag | None = None
    _load_arguments: LoadArguments | None = None
    _outcome: Outcome | None = None
    _failure: Exception | None = None

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
        batch_size: int | str | NotGiven | None = NOT_GIVEN,
        batch_size_bytes: int | str | NotGiven | None = NOT_GIVEN,
        no_rotate: bool | str | NotGiven = NOT_GIVEN,
        compression_level: int | str | NotGiven = NOT_GIVEN,
        write_mode: str | NotGiven = NOT_GIVEN,
        partition_columns: str | NotGiven = NOT_GIVEN,
        uuid_namespace: str | NotGiven = NOT_GIVEN,
        manifest_path: str | NotGiven = NOT_GIVEN,
        ddl: Sequence[str] | NotGiven = NOT_GIVEN,
        ddl_path: str | NotGiven = NOT_GIVEN,
        athena: bool | str | NotGiven = NOT_GIVEN,
        write_empty_objects_for_empty_tables: bool | str | NotGiven = NOT_GIVEN,
        content_type: str | NotGiven = NOT_GIVEN,
        acl: str | NotGiven = NOT_GIVEN,
        server_side_encryption_configuration: Mapping[str, Any] | NotGiven = NOT_GIVEN,
        tags: Mapping[str, str] | NotGiven = NOT_GIVEN,
        metadata: Mapping[str, str] | NotGiven = NOT_GIVEN,
        storage_class: str | NotGiven = NOT_GIVEN,
        region: str | NotGiven = NOT_GIVEN,
        endpoint_skip_tls_verify: bool | str | NotGiven = NOT_GIVEN,
        use_path_style: bool | str | NotGiven = NOT_GIVEN,
        max_retries: int | str | NotGiven = NOT_GIVEN,
        part_size: int | str | NotGiven = NOT_GIVEN,
        batch_timeout: str | int | NotGiven | None = NOT_GIVEN,
        max_backoff: str | int | NotGiven = NOT_GIVEN,
        test_write: bool | str | NotGiven = NOT_GIVEN,
        atomic: bool | str = False,
        state_path: str | None = None,
        delete_staging: bool | str = False,
        staging_format: Mapping[str, Any] | None = None,
        shard: bool | str = False,
        dry_run: bool | str = False,
        asset: bool | AssetAlias = False,
        manifest: str | None = None,
        on_bad_record: str = "fail",
        max_bad_records: float | str | None = None,
        quarantine_path: str | None = None,
        s3_destination_conn_id: str | None = None,
        aws_conn_id: str | NotGiven | None = NOT_GIVEN,
        **kwargs: Any,
    ) -> None:
        # locals() holds the parameters and little else here, so no argument can be forgotten.
        given = {name: value for name, value in locals().items() if name not in ("self", "kwargs")}
        self._misspelt = arguments.unknown_faults(type(self), kwargs)
        kwargs = {name: value for name, value in kwargs.items() if name not in {one.key for one in self._misspelt}}
        super().__init__(**{**kwargs, **outlets_for({**kwargs, **given})})
        self._records_from: dict[str | None, list[references.Output]] = {}
        arguments.set_arguments(self, given)
        self._taken_whole = {
            name: references.outputs_taken_whole(getattr(self, name)) for name in ("records", "staging_path")
        }
        fields, faults = self._fields({})
        written_path = fields.get("path")
        self._written_path = written_path if isinstance(written_path, str) else None
        # An instance of a mapped task may hold data of other tasks, which are no literals: the run checks it.
        if not mapping.is_instance_of_mapped(self):
            self._check_literals(fields, faults)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Set arguments that all mapped instances share; literal records stay out of the serialized DAG."""
        check = partial(arguments.check_names, cls, kwargs.get("task_id"))
        check(kwargs)
        if "records" in kwargs:
            kwargs["records"] = hide(kwargs["records"])
        return HidingPartial(super().partial(**{**kwargs, **outlets_for(kwargs)}), check)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Copy the operator. The copy shares the records, which may be many, or a generator."""
        share(self._records, memo)
        return super().__deepcopy__(memo)

    @property
    def records(self) -> Any:
        """The records, hidden so that Airflow stores none of them."""
        return self._records

    @records.setter
    def records(self, records: Any) -> None:
        self._records = hide(records)
        if outputs := references.outputs_by_table(self._records):
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
        if isinstance(content, HiddenRecords):
            return render_records(content.value, lambda text: self.render_template(text, context, jinja_env, seen_oids))
        render = super().render_template
        environment = jinja_env or self.get_template_env()
        try:
            if not isinstance(content, str):
                return render_references(content, lambda: render(content, context, environment, seen_oids))
            return render_text(
                content,
                arguments.templated(self),
                context,
                environment,
                lambda env: render(content, context, env, seen_oids),
            )
        except SpecError as error:
            raise AirflowFailException(str(SpecError(error.faults, f"task {self.task_id!r}"))) from error

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render what the DAG file holds, once. What came at run time is data, which could read connections."""
        # Airflow calls this for plain operators and for instances of mapped ones, and for what fields hold.
        if parent is self:
            # For an instance of a mapped task, Airflow names all arguments, those too that are not given.
            values = {name: value for name, value in arguments.templated(self).items() if name not in self._rendered}
            data = templates.data_arguments(self, values, context)
            template_fields = [arguments.attribute_of(name) for name in values if name not in data]
            self._rendered = self._rendered.union(values)
            seen_oids = set()  # Airflow gives the ids of some data, and none of other data
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        mask_credentials(getattr(self, name) for name in self.template_fields if name != "records")

    def execute(self, context: Context) -> dict[str, Any]:
        """Deliver the records and return the report of what was written."""
        from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

        hook = S3DestinationHook(self.s3_destination_conn_id, self.aws_conn_id)
        began, written = time.monotonic(), None
        self._stop = StopFlag()
        try:
            report = self._deliver(context, hook)
            written = None if self._load_arguments and self._load_arguments.dry_run else report
        except S3DestinationError as error:
            self._failure = AirflowFailException(str(error)) if error.final else error
            if error.final:
                raise self._failure from error
            raise
        finally:
            count_attempt(context["ti"], time.monotonic() - began, hook.retries, written)
        if written is not None:
            self._publish_outcome(context, hook, written)
        return report.as_dict()

    def _deliver(self, context: Context, hook: S3DestinationHook) -> LoadReport:
        ti: Any = context["ti"]
        store = context.get("task_state_store")
        self._load_arguments = self._arguments_of_run(context, hook)
        return hook.deliver(
            self._load_arguments,
            LoadIdentity.of_task_instance(ti.dag_id, ti.run_id, ti.task_id, ti.map_index),
            run_date_of(context),
            attempt=Attempt(_run_start(context), ti.try_number),
            state=None if store is None else TaskStateStore(store),
            stop=self._stop,
        )

    def _publish_outcome(self, context: Context, hook: S3DestinationHook, report: LoadReport) -> None:
        """Pass what was written to asset events, lineage and the links of the task."""
        from airflow_provider_s3dest.operators.outcome import Outcome

        assert self._load_arguments is not None
        self._outcome = Outcome(report, self._written_path or self._load_arguments.fields["path"])
        announce(context, self.outlets, self.asset, self._outcome)
        self.links = links_of(report, hook.client_meta, hook.console_url)
        store_links(context, self.links)

    def on_kill(self) -> None:
        """Stop the load: no further request begins."""
        if self._stop is not None:
            self._stop.set()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what the load read and wrote, for OpenLineage."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_outcome

        if self._outcome is None or self._load_arguments is None:
            return None
        return lineage_of_outcome(self._outcome, self._load_arguments)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Return what a failed load was to read, and where it was to write, for OpenLineage."""
        from airflow_provider_s3dest.operators.lineage import lineage_of_failure, without_values

        if self._failure is not None:
            without_values(self._failure)
        return lineage_of_failure(self._load_arguments) if self._load_arguments else None

    def _check_literals(self, fields: Mapping[str, Any], faults: Sequence[Fault]) -> None:
        """Raise what the DAG file alone shows to be wrong.

        :param fields: the fields of the spec, without those of a connection.
        :param faults: what is wrong with the ``spec`` argument itself.
        """
        load_arguments = arguments.load_arguments(self, fields, faults, _KEEPS_STATE)
        if found := parse_time_faults(load_arguments, arguments.templated(self), self.get_template_env):
            raise SpecError(found, f"task {self.task_id!r}")

    def _arguments_of_run(self, context: Context, hook: S3DestinationHook) -> LoadArguments:
        """Return the arguments of the load, with what only the run shows to be wrong with them."""
        ti: Any = context["ti"]
        templated, (own_fields, _) = arguments.templated(self), self._fields({})
        if late := list(templates.late_jinja_faults({**templated, **own_fields}, self)):
            raise SpecError(late)  # alone, since no rule about paths can judge these
        fields, faults = self._fields(hook.known_fields())
        faults += mapping.unresolved_faults(templated)
        faults += undated_partition_faults(context, {**templated, **fields})
        for argument, outputs in self._taken_whole.items():
            faults += mapping.silent_instances(argument, outputs, self, ti)
        path = self._written_path or fields.get("path")
        if ti.map_index >= 0 and fields.get("no_rotate") is True and isinstance(path, str):
            faults += mapping.shared_key_faults(self, path)
        return arguments.load_arguments(self, fields, faults, context.get("task_state_store") is not None)

    def _fields(self, connection_fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """Return the fields of the spec, and what is wrong with the ``spec`` argument itself and with names."""
        fields, faults = spec_fields_of(self.spec)
        return merged(arguments.own_fields(self), fields, connection_fields), [*self._misspelt, *faults]


def _run_start(context: Context) -> str:
    start = getattr(context.get("dag_run"), "start_date", None)
    return start.astimezone(timezone.utc).isoformat() if start else ""
