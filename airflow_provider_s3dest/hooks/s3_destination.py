"""The hook: a connection with defaults of the spec, over the Amazon provider's S3Hook."""

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
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.columns import check_columns
from airflow_provider_s3dest.load.deliver import deliver_as_planned
from airflow_provider_s3dest.load.inputs import FileStores
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.retries import RetryCounter
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import without_user
from airflow_provider_s3dest.sources.file_stores import FileStore
from airflow_provider_s3dest.sources.shards import split
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.spec.destination import SENT_ALONG, DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, UNKNOWN, NotGiven, is_given

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

DEFAULT_AWS_CONN_ID = "aws_default"

_OF_REQUESTS = (
    *SENT_ALONG,
    *("content_type", "region", "endpoint_skip_tls_verify", "use_path_style", "max_retries"),
)
"""Fields of the spec that say how S3 is reached, and what is sent with every object."""

_TESTED_FROM = (
    "Tested with the credentials and the network of the process that was asked (of the UI: the API server); "
    "those of the workers may differ."
)


class S3DestinationHook(BaseHook):
    """Delivers records to S3.

    The connection, of type ``s3_destination``, holds in its extra any field of the destination spec, and
    ``aws_conn_id``. Credentials, endpoint, region, retries and TLS come from that AWS connection.

    :param s3_destination_conn_id: connection with defaults of the spec; None: no such connection is looked up.
    :param aws_conn_id: AWS connection; not given: that of the s3_destination connection, else ``aws_default``;
        None: boto3's own chain of credentials.

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
        """Give the fields of the connection's form; from Airflow 3.2 on, ``get_provider_info`` does."""
        from airflow_provider_s3dest.hooks.connection_form import form_widgets

        return form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Give what the connection's form hides and relabels; from Airflow 3.2 on, ``get_provider_info`` does."""
        from airflow_provider_s3dest.hooks.connection_form import field_behaviour

        return field_behaviour()

    def __init__(
        self, s3_destination_conn_id: str | None = None, aws_conn_id: str | NotGiven | None = NOT_GIVEN, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.s3_destination_conn_id = s3_destination_conn_id
        self._aws_conn_id = aws_conn_id
        self._connection_fields: dict[str, Any] | None = None
        self.client_meta: Any = None  # of the client that the last load went through: region, partition, endpoint
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
        dry_run: bool = False,
        manifest: str | None = None,
        on_bad_record: str = "fail",
        max_bad_records: float | None = None,
        quarantine_path: str | None = None,
        **spec_fields: Any,
    ) -> LoadReport:
        """Deliver records, or the records of staged files, to S3.

        :param records: a list, tuple, iterator or generator of mappings; a mapping of table name to such; or
            anything with ``__arrow_c_stream__``.
        :param staging_path: instead of records: a path or a list of paths, file, folder or glob.
        :param table: name of the table, unless a mapping or ``{{TABLE}}`` in the staging path tells it.
        :param spec: a destination spec, or a CloudQuery document as a mapping or YAML text.
        :param columns: names of the columns that are written, in order; by default all.
        :param schema: the Arrow types of the columns, by their names, such as ``{"price": "decimal(18,2)"}``; of
            several tables, a mapping of table to such. Values are cast where that is exact, else refused.
        :param load_id: names the load; a load of the same id and input writes the same objects. Random by default.
        :param atomic: let no object be seen before all are complete. With a ``load_id`` it needs ``state_path``.
        :param state_path: folder of S3, ``s3://bucket/folder`` or one of the destination's bucket, for a record of what
            the load writes: with it, what an earlier load of the same ``load_id`` left is removed.
        :param dry_run: read, encode and report names and counts, and write nothing.
        :param manifest: write an object that lists all others, once they are there: ``redshift`` for COPY, or
            ``s3dest`` with columns, records, bytes and checksums; its key is ``manifest_path`` of the spec.
        :param on_bad_record: ``fail`` at the first record that can't be delivered, or ``quarantine``: such records go,
            as they came and with the reason, to objects of their own, as lines of JSON.
        :param max_bad_records: how many there may be: a number, or a share of all records between 0 and 1; by default
            any. Beyond it the load fails.
        :param quarantine_path: template of the keys of their objects, with ``{{UUID}}``; by default
            ``_quarantine/{{TABLE}}/{{UUID}}.json`` below what is fixed of ``path``.
        :param spec_fields: fields of the spec by name, over those of ``spec`` and of the connection.
        :return: what was written. Dates in the path are those of the moment of the call, in UTC.
        :raises SpecError: with everything that is wrong with the arguments.
        :raises RecordError: at a record that can't be delivered.
        :raises BadRecordsError: if more of them are set aside than ``max_bad_records`` allows.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.
        :raises StoreError: if S3 refuses or can't be reached.
        """
        fields, found = spec_fields_of(spec)
        given: Any = load_id
        if given == "" or not isinstance(given, (str, type(None))):
            found.append(Fault("load_id", f"is {short(load_id)}.", "Give a text, or leave it out for a random one."))
        if state_path is not None and load_id is None:
            problem = "is given without `load_id`, so that no later load finds the record."
            found.append(Fault("state_path", problem, "Name the load, or leave it out."))
        arguments = LoadArguments(
            fields=merged(spec_fields, fields, self.known_fields()),
            records=records,
            staging_path=staging_path,
            table=table,
            columns=columns,
            schema=schema,
            atomic=atomic,
            state_path=state_path,
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
    ) -> list[dict[str, Any]]:
        """Split staged files into shards of about the same number of bytes, for a mapped ``S3DestinationOperator``.

        :param staging_path: a path or a list of paths, file, folder or glob.
        :param shards: how many; fewer if there are fewer files, and one a table if there are more tables.
        :param table: name of the table, unless ``{{TABLE}}`` in the staging path tells it.
        :param columns: names of the columns to write, in order; by default those of all files of the table, where
            CSV, Parquet and Arrow files tell them, for which each is opened.
        :return: the arguments of each shard's load: ``staging_path``, ``table`` and, if they are known, ``columns``.
        :raises SpecError: if path and table don't go together.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.

        Example::

            @task
            def list_shards():
                return S3DestinationHook().list_shards("s3://staging/{{TABLE}}/*.parquet", 8)


            S3DestinationOperator.partial(
                task_id="load", bucket="lake", path="raw/{{TABLE}}/{{UUID}}.csv", format="csv"
            ).expand_kwargs(list_shards())
        """
        wanted = check_columns(columns)
        found = staged_tables(staging_path, table, _file_stores(self.get_conn()).of)
        return [shard.arguments() for shard in split(found, shards, wanted)]

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
        """Deliver under a given identity: what both :meth:`load` and the operator do.

        :param arguments: with the fields of operator, spec and connection already laid over one another.
        :param identity: names the load; the keys of its objects derive from it.
        :param run_date: the date from which the dates in keys derive.
        :param attempt: which attempt of the load this is.
        :param state: keeps the state of the load, unless ``state_path`` is given.
        :param stop: set from outside to end the load.
        """
        self.check(arguments)
        plan, stop = LoadPlan.of(arguments, identity, run_date), stop or StopFlag()
        client = self._guarded_client(plan.spec, stop)
        if arguments.dry_run:
            state = NoState()
        elif plan.state_object is not None:
            state = S3StateStore(client, *plan.state_object, attempt)
        delivery = Delivery(
            plan.settings,
            identity,
            state or NoState(),
            Sweeper(client, stop),
            atomic=arguments.atomic,
            staged=plan.is_staged,
            retried=attempt.number > 1,
        )
        try:
            with explained_key(client, self.aws_conn_id):
                return deliver_as_planned(plan, delivery, client, _file_stores(client), stop)
        except S3DestinationError as error:
            cut_unsafe_causes(error)
            raise

    def _guarded_client(self, spec: DestinationSpec, stop: StopFlag) -> Any:
        """Make the client of a load, before threads share it: each of them would make one of its own."""
        client = client_of(self.s3_hook(spec))
        self.client_meta, self._retry_counter = client.meta, RetryCounter(client)
        stop.guard(client)
        return client

    def check(self, arguments: LoadArguments, unknown: Collection[str] = ()) -> None:
        """See that a load can begin.

        :param unknown: names of arguments whose value is not known yet.
        :raises SpecError: with everything that is wrong with the arguments, and with the connections where they lack.
        """
        connected = {name for name, value in self.known_fields().items() if arguments.fields.get(name) is value}
        faults = [
            without_value(fault) if fault.key.partition(".")[0] in connected else fault
            for fault in arguments.faults(unknown)
        ]
        if faults or UNKNOWN in arguments.fields.values():
            told = {fault.key for fault in faults}
            raise SpecError([*faults, *(fault for fault in self._connection_faults() if fault.key not in told)])

    def connection_fields(self) -> dict[str, Any]:
        """Give the fields of the spec that the connection holds; none without a connection.

        :raises SpecError: if the connection does not exist, or its extra is wrong.
        """
        return spec_fields_in(self._extra())

    def known_fields(self) -> dict[str, Any]:
        """Give the fields that the connection holds; of one that does not exist, all of them as ``UNKNOWN``.

        :meth:`deliver` then fails for that, and tells what else is wrong as well.
        """
        try:
            return self.connection_fields()
        except SpecError:
            return dict.fromkeys(DestinationSpec.model_fields, UNKNOWN)

    @property
    def aws_conn_id(self) -> str | None:
        """The AWS connection that is used; None: boto3's own chain of credentials."""
        if is_given(self._aws_conn_id):
            return self._aws_conn_id  # type: ignore[return-value]
        return self._extra().get(AWS_CONN_ID) or DEFAULT_AWS_CONN_ID

    @property
    def retries(self) -> int:
        """How many requests of the last load were sent again."""
        return self._retry_counter.number if self._retry_counter else 0

    @property
    def console_url(self) -> str | None:
        """The URL of the store's console, with ``{bucket}`` and ``{prefix}``, if the connection names one."""
        url = self._extra().get(CONSOLE_URL)
        return url and without_user(url)

    def _connection_faults(self) -> Iterator[Fault]:
        """Find what is wrong with the connections themselves."""
        conn_id: Any
        try:
            self._extra()
            conn_id = self.aws_conn_id
        except SpecError as error:
            yield from error.faults
            conn_id = self._aws_conn_id if is_given(self._aws_conn_id) else None  # else the missing one would name it
        if conn_id is not None:
            try:
                self._check_aws(conn_id)
            except SpecError as error:
                yield from error.faults

    def s3_hook(self, spec: DestinationSpec | None = None) -> S3Hook:
        """Build the Amazon provider's hook, with what the spec says over what the AWS connection says.

        :raises SpecError: if the AWS connection does not exist, or can make no client.
        """
        conn_id = self.aws_conn_id
        if conn_id is not None:
            self._check_aws(conn_id)
        return s3_hook(conn_id, spec)

    def get_conn(self) -> Any:
        """Give a boto3 client, with what the s3_destination connection says over what the AWS connection says.

        :raises SpecError: if a connection is missing, or can make no client.
        """
        return client_of(self.s3_hook(self._connection_spec("any")))

    def test_connection(self) -> tuple[bool, str]:
        """Write an object where the spec would write, and remove it.

        :return: whether both went well, and what the user should know.
        """
        succeeded, message = self._test_write()
        return succeeded, f"{message} {_TESTED_FROM}"

    def _test_write(self) -> tuple[bool, str]:
        try:
            fields = self.connection_fields()
            if not fields.get("bucket"):
                return False, "The connection names no `bucket`, so there is nowhere to write a test object."
            spec = self._connection_spec(fields["bucket"])
            return write_and_remove(client_of(self.s3_hook(spec)), spec, fields.get("path") or "")
        except S3DestinationError as error:
            return False, str(error)

    def _connection_spec(self, bucket: str) -> DestinationSpec:
        """Give a spec of what the connection says about requests; its other fields a task may yet complete."""
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


def _file_stores(client: Any) -> FileStores:
    def airflow_files() -> FileStore:
        from airflow_provider_s3dest.hooks.object_storage import AirflowFiles

        return AirflowFiles()

    return FileStores(client, airflow_files)
