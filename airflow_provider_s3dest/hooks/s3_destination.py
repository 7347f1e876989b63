"""The hook: delivers records with the defaults of a connection, through the Amazon provider's S3Hook."""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_s3dest.delivery.attempt import UNCOUNTED, Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import NoState, StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, cut_unsafe_causes, short
from airflow_provider_s3dest.hooks.aws_client import client_of, explained_key, s3_hook
from airflow_provider_s3dest.hooks.connected_hook import ConnectedHook
from airflow_provider_s3dest.hooks.connection import CONN_TYPE, without_value
from airflow_provider_s3dest.hooks.connection_test import write_and_remove
from airflow_provider_s3dest.hooks.object_storage import file_stores
from airflow_provider_s3dest.load.arguments import LoadArguments, misspelt_faults
from airflow_provider_s3dest.load.columns import check_columns
from airflow_provider_s3dest.load.deliver import deliver_as_planned
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.s3.retries import RetryCounter
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.shards import split
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.sources.staging_format import StagingFormat
from airflow_provider_s3dest.spec.destination import SENT_ALONG, DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, UNKNOWN, NotGiven, is_given

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

_OF_REQUESTS = (
    *SENT_ALONG,
    *("content_type", "region", "endpoint_skip_tls_verify", "use_path_style", "max_retries"),
)
"""Fields of the spec that say how S3 is reached, and which headers, metadata and tags every object has."""

_TESTED_FROM = (
    "Tested with the credentials and the network of this process (for a test in the UI, the API server); "
    "the workers may have others."
)


class S3DestinationHook(ConnectedHook):
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
        super().__init__(s3_destination_conn_id, aws_conn_id, **kwargs)
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
        shard: bool = False,
        dry_run: bool = False,
        manifest: str | None = None,
        on_bad_record: str = "fail",
        max_bad_records: float | None = None,
        quarantine_path: str | None = None,
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
        **misspelt: Any,
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
        :param shard: the staged files are a shard, as :meth:`list_shards` gives it.
        :param dry_run: read and encode the records and report keys and counts, but write nothing.
        :param manifest: also write an object that lists all others, once they are complete: ``redshift`` for COPY, or
            ``s3dest`` with columns, records, bytes and checksums. Its key is ``manifest_path`` of the spec.
        :param on_bad_record: ``fail``: the first record that can't be delivered fails the load; ``quarantine``: such
            records are written to separate objects, as lines of JSON with the original record and the reason.
        :param max_bad_records: how many records may be quarantined: a number, or a share of all records between 0 and
            1; with more the load fails. By default any number.
        :param quarantine_path: template of the keys of quarantined records, with ``{{UUID}}``; by default
            ``_quarantine/{{TABLE}}/{{UUID}}.json`` in the fixed folder of ``path``.
        :param bucket: name of the bucket.
        :param path: template of the keys, with placeholders such as ``{{TABLE}}`` and ``{{UUID}}``.
        :param format: ``csv``, ``json`` or ``parquet``.
        :param format_spec: options of the format; see the operator.
        :param compression: empty, or ``gzip``; for parquet ``snappy`` (the meaning of empty), ``zstd``, ``gzip`` or
            ``none``.
        :param batch_size: maximum number of records in an object (10,000).
        :param batch_size_bytes: maximum size of an object in bytes (5 MiB), before compression.
        :param no_rotate: write one object per table.
        :param compression_level: level of the compression, 1 to 9, fast to small (2), for gzip and zstd.
        :param write_mode: ``append``; S3 supports nothing else.
        :param partition_columns: ``keep``, or ``drop`` to leave the columns of ``{{FIELD.name}}`` out of the objects.
        :param uuid_namespace: text that enters every UUID, for another Airflow with the same DAG ids.
        :param manifest_path: template of the key of the manifest.
        :param ddl: table definitions to write beside the data: a list of ``athena``, ``redshift`` or both.
        :param ddl_path: template of the keys of the table definitions.
        :param athena: make the names of columns and of nested keys safe for Athena: letters, digits and ``_``.
        :param write_empty_objects_for_empty_tables: write an object for a table without records.
        :param content_type: Content-Type of the objects; by default the one of the format.
        :param acl: canned ACL of the objects, such as ``bucket-owner-full-control``.
        :param server_side_encryption_configuration: ``server_side_encryption``, and ``sse_kms_key_id`` for KMS.
        :param tags: tags of every object, at most 10.
        :param metadata: user metadata of every object.
        :param storage_class: storage class of the objects, such as ``STANDARD_IA``.
        :param region: region of the bucket, over that of the AWS connection.
        :param endpoint_skip_tls_verify: do not verify the certificate of the endpoint.
        :param use_path_style: address the bucket in the path, not in the host name.
        :param max_retries: how often a request is sent again.
        :param part_size: bytes of a part of a multipart upload (16 MiB).
        :param batch_timeout: of CloudQuery: accepted and not used.
        :param max_backoff: of CloudQuery: accepted and not used.
        :param test_write: of CloudQuery: accepted and not used.
        :param misspelt: refused, with the argument that was probably meant.
        :return: what was written. Dates in the path are those of the call, in UTC.
        :raises SpecError: with everything that is wrong with the arguments.
        :raises RecordError: at a record that can't be delivered.
        :raises BadRecordsError: if more records are quarantined than ``max_bad_records`` allows.
        :raises StagingError: if a staging path matches nothing, or a file can't be read.
        :raises StoreError: if S3 refuses or can't be reached.
        """
        given = {name: value for name, value in locals().items() if name in SpecFields.model_fields and is_given(value)}
        fields, found = spec_fields_of(spec)
        found += misspelt_faults(misspelt, _ARGUMENTS)
        if load_id == "" or not isinstance(load_id, (str, type(None))):
            found.append(Fault("load_id", f"is {short(load_id)}.", "Give a text, or leave it out for a random one."))
        if state_path is not None and load_id is None:
            problem = "has no effect without `load_id`: no later load finds the state."
            found.append(Fault("state_path", problem, "Give `load_id`, or leave `state_path` out."))
        arguments = LoadArguments(
            fields=merged(given, fields, self.known_fields()),
            records=records,
            staging_path=staging_path,
            table=table,
            columns=columns,
            schema=schema,
            atomic=atomic,
            state_path=state_path,
            staging_format=staging_format,
            shard=shard,
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
            ``columns`` and ``staging_format``; and ``shard``, if the table has several shards and ``columns``.
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

    @property
    def retries(self) -> int:
        """Number of requests of the last load that were sent again."""
        return self._retry_counter.number if self._retry_counter else 0

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


_ARGUMENTS = tuple(inspect.signature(S3DestinationHook.load).parameters)[1:-1]
"""Names of the arguments of a load: all but ``self`` and ``misspelt``."""
