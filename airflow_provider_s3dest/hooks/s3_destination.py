"""The hook: delivers records with the defaults of a connection, through the Amazon provider's S3Hook."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_s3dest.delivery.attempt import UNCOUNTED, Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import NoState, StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, cut_unsafe_causes, short
from airflow_provider_s3dest.hooks.aws_client import aws_faults, client_of, explained_key, extra_of, s3_hook
from airflow_provider_s3dest.hooks.connection import (
    AWS_CONN_ID,
    CONN_TYPE,
    CONSOLE_URL,
    read_extra,
    spec_fields_in,
    without_value,
)
from airflow_provider_s3dest.hooks.connection_test import write_and_remove
from airflow_provider_s3dest.hooks.object_storage import file_stores
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.columns import check_columns
from airflow_provider_s3dest.load.deliver import deliver_as_planned
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.retries import RetryCounter
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import without_user
from airflow_provider_s3dest.sources.shards import split
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.sources.staging_format import StagingFormat
from airflow_provider_s3dest.spec.destination import SENT_ALONG, DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, UNKNOWN, NotGiven, is_given

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

DEFAULT_AWS_CONN_ID = "aws_default"

_OF_REQUESTS = (
    *SENT_ALONG,
    *("content_type", "region", "endpoint_skip_tls_verify", "use_path_style", "max_retries"),
)
"""Fields of the spec that say how S3 is reached, and which headers, metadata and tags every object has."""

_TESTED_FROM = (
    "Tested with the credentials and the network of this process (for a test in the UI, the API server); "
    "the workers may have others."
)


class S3DestinationHook(BaseHook):
    """Delivers records to S3.

    The extra of a connection of type ``s3_destination`` may hold any field of the destination spec, and
    ``aws_conn_id``. Credentials, endpoint, region, retries and TLS come from the AWS connection.

    :param s3_destination_conn_id: connection with defaults of the spec; None: no such connection is looked up.
    :param aws_conn_id: AWS connection; by default the one that the s3_destination connection names, else
        ``aws_default``; None: boto3's own chain of credentials.

    Example::

        hook = S3DestinationHook(aws_conn_id="aws_default")
        report = hook.load(
            records=[{"id": 1}], table="ids", bucket="lake", path="raw/{{TABLE}}/{{UUID}}.json", format="json"
        )
    """

    conn_name_attr = "s3_destination_conn_id"
    default_conn_name = "s3_destination_default"
    conn_type = CONN_TYPE
    hook_name = "S3 Destination"

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the fields of the connection's form; from Airflow 3.2 on, they come from ``get_provider_info``."""
        from airflow_provider_s3dest.hooks.connection_form import form_widgets

        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what the connection's form hides and relabels; from Airflow 3.2 on, ``get_provider_info`` has it."""
        from airflow_provider_s3dest.hooks.connection_form import field_behaviour

        return field_behaviour()

    def __init__(
        self, s3_destination_conn_id: str | None = None, aws_conn_id: str | NotGiven | None = NOT_GIVEN, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.s3_destination_conn_id = s3_destination_conn_id
        self._aws_conn_id = aws_conn_id
        self._connection_fields: dict[str, Any] | None = None
        self.client_meta: Any = None  # region, partition and endpoint of the client of the last load
        self._retry_counter: RetryCounter | None = None

    def load(
        self,
        *,
        records: Any = NOT_GIVEN,
        staging_path: Any = NOT_GIVEN,
        table: str | None = None,
        spec: DestinationSpec | Mapping[str, Any] | str | None = None,
        columns: Sequence[str] | None = None,
        schema: Mapping[str, Any] | None = None,
        load_id: str | None = None,
        atomic: bool = False,
        state_path: str | None = None,
        staging_format: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        manifest: str | None = None,
        on_bad_record: str = "fail",
        max_bad_records: float | None = None,
        quarantine_path: str | None = None,
        **spec_fields: Any,
    ) -> LoadReport:
        """Deliver records, or the records of staged files, to S3.

        :param records: a list, tuple, iterator or generator of mappings; one or many objects with
            ``__arrow_c_stream__``; or a mapping of table name to any of these.
        :param staging_path: instead of ``records``: a path or a list of paths; each is a file, a folder or a glob.
        :param table: name of the table; left out if ``records`` is a mapping of tables, or if ``{{TABLE}}`` in the
            staging path gives it.
        :param spec: a destination spec, or a CloudQuery document as a mapping or YAML text.
        :param columns: names of the columns that are written, in order; by default all columns.
        :param schema: the Arrow type of each column, by name, such as ``{"price": "decimal(18,2)"}``; for several
            tables, a mapping of table name to such mappings. A value that can't be cast exactly is refused.
        :param load_id: names the load; loads with the same id and input write the same objects. Random by default.
        :param atomic: keep all objects invisible until they are complete. With a ``load_id`` it needs ``state_path``.
        :param state_path: folder of S3 for the state of the load, as ``s3://bucket/folder`` or as a folder of the
            destination's bucket. With it, the load removes what an earlier load with the same ``load_id`` left.
        :param staging_format: the form of staged text; see the operator.
        :param dry_run: read and encode the records and report keys and counts, but write nothing.
        :param manifest: also write an object that lists all others, once they are complete: ``redshift`` for COPY, or
            ``s3dest`` with columns, records, bytes and checksums. Its key is ``manifest_path`` of the spec.
        :param on_bad_record: ``fail``: the first record that can't be delivered fails the load; ``quarantine``: such
            records are written to separate objects, as lines of JSON with the original record and the reason.
        :param max_bad_records: how many records may be quarantined: a number, or a share of all records between 0 and
            1; with more the load fails. By default any number.
        :param quarantine_path: template of the keys of quarantined records, with ``{{UUID}}``; by default
            ``_quarantine/{{TABLE}}/{{UUID}}.json`` in the fixed folder of ``path``.
        :param spec_fields: fields of the spec by name; they override those of ``spec`` and of the connection.
        :return: what was written. Dates in the path are those of the call, in UTC.
        :raises SpecError: with everything that is wrong with the arguments.
        :raises RecordError: at a record that can't be delivered.
        :raises BadRecordsError: if more records are quarantined than ``max_bad_records`` allows.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.
        :raises StoreError: if S3 refuses or can't be reached.
        """
        fields, found = spec_fields_of(spec)
        if load_id == "" or not isinstance(load_id, (str, type(None))):
            found.append(Fault("load_id", f"is {short(load_id)}.", "Give a text, or leave it out for a random one."))
        if state_path is not None and load_id is None:
            problem = "has no effect without `load_id`: no later load finds the state."
            found.append(Fault("state_path", problem, "Give `load_id`, or leave `state_path` out."))
        arguments = LoadArguments(
            fields=merged(spec_fields, fields, self.known_fields()),
            records=records,
            staging_path=staging_path,
            table=table,
            columns=columns,
            schema=schema,
            atomic=atomic,
            state_path=state_path,
            staging_format=staging_format,
            dry_run=dry_run,
            s3_destination_conn_id=self.s3_destination_conn_id,
            aws_conn_id=self._aws_conn_id,
            keeps_state=load_id is None,
            found=found,
            manifest=manifest,
            on_bad_record=on_bad_record,
            max_bad_records=max_bad_records,
            quarantine_path=quarantine_path,
        )
        identity = LoadIdentity.of_load_id(load_id or str(uuid4()))
        return self.deliver(arguments, identity, datetime.now(timezone.utc))

    def list_shards(
        self,
        staging_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        shards: int,
        *,
        table: str | None = None,
        columns: Sequence[str] | None = None,
        staging_format: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Split staged files into shards of about the same number of bytes, for a mapped ``S3DestinationOperator``.

        :param staging_path: a path or a list of paths; each is a file, a folder or a glob.
        :param shards: how many shards. If there are fewer files, there are fewer shards; if there are more tables, one
            for each table.
        :param table: name of the table; left out if ``{{TABLE}}`` in the staging path gives it.
        :param columns: names of the columns to write, in order. By default all columns of the table's files, if these
            are CSV, Parquet or Arrow files; each file is opened for that.
        :param staging_format: the form of staged text, for this and for the loads; see the operator.
        :return: the arguments of each shard's load: ``staging_path``, ``table`` and, if they are known or given,
            ``columns`` and ``staging_format``.
        :raises SpecError: if ``table`` is missing, or given although the staging path has ``{{TABLE}}``; if a
            ``staging_format`` has faults.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.

        Example::

            @task
            def list_shards():
                return S3DestinationHook().list_shards("s3://staging/{{TABLE}}/*.parquet", 8)


            S3DestinationOperator.partial(
                task_id="load", bucket="lake", path="raw/{{TABLE}}/{{UUID}}.csv", format="csv"
            ).expand_kwargs(list_shards())
        """
        names = check_columns(columns)
        form = StagingFormat.of(staging_format)
        files = staged_tables(staging_path, table, file_stores(self.get_conn()).of, form)
        return [shard.arguments() for shard in split(files, shards, names, staging_format)]

    def deliver(
        self,
        arguments: LoadArguments,
        identity: LoadIdentity,
        run_date: datetime | None,
        *,
        attempt: Attempt = UNCOUNTED,
        state: StateStore | None = None,
        stop: StopFlag | None = None,
    ) -> LoadReport:
        """Deliver a load under a given identity, for :meth:`load` and for the operator.

        :param arguments: the arguments; their fields of the spec are merged from operator, spec and connection.
        :param identity: names the load; the keys of its objects derive from it.
        :param run_date: the date from which the dates in keys derive; None if the run has no date.
        :param attempt: which attempt of the load this is.
        :param state: keeps the state of the load, unless ``state_path`` is given; None: the state is not kept.
        :param stop: set from outside to end the load.
        :raises SpecError: with everything that is wrong with the arguments.
        :raises RecordError: at a record that can't be delivered.
        :raises BadRecordsError: if more records are quarantined than ``max_bad_records`` allows.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.
        :raises StoreError: if S3 refuses or can't be reached.
        :raises SupersededError: if a newer attempt owns the load.
        """
        self.check(arguments)
        plan, stop = LoadPlan.of(arguments, identity, run_date), stop or StopFlag()
        client = self._guarded_client(plan.spec, stop)
        if arguments.dry_run:
            state = NoState()
        elif plan.state_object is not None:
            state = S3StateStore(client, *plan.state_object, attempt, state)
        delivery = Delivery(
            plan.settings,
            plan.identity,
            state or NoState(),
            Sweeper(client, stop, plan.spec.put_arguments, deletes_shared=plan.deletes_shared),
            atomic=arguments.atomic,
            staged=plan.is_staged,
            retried=attempt.number > 1,
            rules=plan.state_rules,
        )
        try:
            with explained_key(client, self.aws_conn_id):
                return deliver_as_planned(plan, delivery, client, file_stores(client), stop)
        except S3DestinationError as error:
            cut_unsafe_causes(error)
            raise

    def _guarded_client(self, spec: DestinationSpec, stop: StopFlag) -> Any:
        """Return the client of a load; it is made here once, because the threads of the load share it."""
        client = client_of(self.s3_hook(spec))
        self.client_meta, self._retry_counter = client.meta, RetryCounter(client)
        stop.guard(client)
        return client

    def check(self, arguments: LoadArguments, unknown: Collection[str] = ()) -> None:
        """Check that a load can begin.

        :param unknown: names of arguments whose value is not known yet.
        :raises SpecError: if an argument is wrong, or the connection can't be read; with everything that is wrong with
            the arguments and the connections.
        """
        connected = {name for name, value in self.known_fields().items() if arguments.fields.get(name) is value}
        faults = [
            without_value(fault) if fault.key.partition(".")[0] in connected else fault
            for fault in arguments.faults(unknown)
        ]
        if faults or UNKNOWN in arguments.fields.values():
            keys = {fault.key for fault in faults}
            raise SpecError([*faults, *(fault for fault in self._connection_faults() if fault.key not in keys)])

    def connection_fields(self) -> dict[str, Any]:
        """Return the fields of the spec that the connection holds; none without a connection.

        :raises SpecError: if the connection does not exist, or its extra is wrong.
        """
        return spec_fields_in(self._extra())

    def known_fields(self) -> dict[str, Any]:
        """Return the fields of the spec that the connection holds; all of them as ``UNKNOWN`` if it can't be read.

        :meth:`deliver` then raises an error that names the fault of the connection together with all others.
        """
        try:
            return self.connection_fields()
        except SpecError:
            return dict.fromkeys(DestinationSpec.model_fields, UNKNOWN)

    @property
    def aws_conn_id(self) -> str | None:
        """The id of the AWS connection that is used; None: boto3's own chain of credentials."""
        if is_given(self._aws_conn_id):
            return self._aws_conn_id  # type: ignore[return-value]
        return self._extra().get(AWS_CONN_ID) or DEFAULT_AWS_CONN_ID

    @property
    def retries(self) -> int:
        """Number of requests of the last load that were sent again."""
        return self._retry_counter.number if self._retry_counter else 0

    @property
    def console_url(self) -> str | None:
        """The URL of the store's console, with ``{bucket}`` and ``{prefix}``, if the connection names one."""
        url = self._extra().get(CONSOLE_URL)
        return url and without_user(url)

    def _connection_faults(self) -> Iterator[Fault]:
        """Yield what is wrong with the connections themselves."""
        conn_id: Any
        try:
            self._extra()
            conn_id = self.aws_conn_id
        except SpecError as error:
            yield from error.faults
            conn_id = self._aws_conn_id if is_given(self._aws_conn_id) else None  # the unreadable extra might name it
        if conn_id is not None:
            try:
                self._check_aws(conn_id)
            except SpecError as error:
                yield from error.faults

    def s3_hook(self, spec: DestinationSpec | None = None) -> S3Hook:
        """Return the Amazon provider's hook; what the spec says about requests overrides the AWS connection.

        :raises SpecError: if the AWS connection does not exist, or no client can be made with it.
        """
        conn_id = self.aws_conn_id
        if conn_id is not None:
            self._check_aws(conn_id)
        return s3_hook(conn_id, spec)

    def get_conn(self) -> Any:
        """Return a boto3 client; what the s3_destination connection says overrides the AWS connection.

        :raises SpecError: if a connection does not exist, or no client can be made with it.
        """
        return client_of(self.s3_hook(self._connection_spec("any")))

    def test_connection(self) -> tuple[bool, str]:
        """Write an empty object where a load would write one, and remove it.

        :return: whether both requests succeeded, and a message for the user.
        """
        succeeded, message = self._test_write()
        return succeeded, f"{message} {_TESTED_FROM}"

    def _test_write(self) -> tuple[bool, str]:
        try:
            fields = self.connection_fields()
            if not fields.get("bucket"):
                return False, "The connection names no `bucket`, so no object can be written. Add it to the extra."
            spec = self._connection_spec(fields["bucket"])
            return write_and_remove(client_of(self.s3_hook(spec)), spec, fields.get("path") or "")
        except S3DestinationError as error:
            return False, str(error)

    def _connection_spec(self, bucket: str) -> DestinationSpec:
        """Return a spec with what the connection says about requests; other fields may be left to the tasks."""
        fields = {name: value for name, value in self.connection_fields().items() if name in _OF_REQUESTS}
        return DestinationSpec(bucket=bucket, format="json", path="{{UUID}}", **fields)

    def _extra(self) -> dict[str, Any]:
        if self._connection_fields is None:
            if not self.s3_destination_conn_id:
                self._connection_fields = {}
            else:
                remedy = "Create it with the type s3_destination, or leave s3_destination_conn_id out."
                connection = self._existing(self.s3_destination_conn_id, "s3_destination_conn_id", remedy)
                self._connection_fields = read_extra(self.s3_destination_conn_id, connection)
        return self._connection_fields

    def _check_aws(self, conn_id: Any) -> None:
        remedy = "Create it, or give aws_conn_id=None for boto3's own chain."
        connection = self._existing(conn_id, "aws_conn_id", remedy)
        faults = list(aws_faults(conn_id, extra_of(connection, "aws_conn_id")))
        if faults:
            raise SpecError(faults)

    def _existing(self, conn_id: Any, argument: str, remedy: str) -> Any:
        if not isinstance(conn_id, str):
            raise SpecError([Fault(argument, f"is {short(conn_id)}.", "Give the id of a connection.")])
        try:
            return self.get_connection(conn_id)
        except AirflowNotFoundException as error:
            raise SpecError([Fault(argument, f"there is no connection {conn_id!r}.", remedy)]) from error
