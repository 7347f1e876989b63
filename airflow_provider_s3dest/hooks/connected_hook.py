"""The part of the hook that knows its two connections: what they hold, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.hooks.aws_client import aws_faults, extra_of
from airflow_provider_s3dest.hooks.connection import AWS_CONN_ID, CONSOLE_URL, read_extra, spec_fields_in
from airflow_provider_s3dest.safe_text import without_user
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.sentinels import UNKNOWN, NotGiven, is_given

DEFAULT_AWS_CONN_ID = "aws_default"


class ConnectedHook(BaseHook):
    """Knows an s3_destination connection, which may be none, and an AWS connection; see the hook."""

    def __init__(self, s3_destination_conn_id: str | None, aws_conn_id: str | NotGiven | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.s3_destination_conn_id = s3_destination_conn_id
        self._aws_conn_id = aws_conn_id
        self._connection_fields: dict[str, Any] | None = None

    def connection_fields(self) -> dict[str, Any]:
        """Return the fields of the spec that the connection holds; none without a connection.

        :raises SpecError: if the connection does not exist, or its extra is wrong.
        """
        return spec_fields_in(self._extra())

    def known_fields(self) -> dict[str, Any]:
        """Return the fields of the spec that the connection holds; all of them as ``UNKNOWN`` if it can't be read.

        The load then raises an error that names the fault of the connection together with all others.
        """
        try:
            return self.connection_fields()
        except SpecError:
            return dict.fromkeys(SpecFields.model_fields, UNKNOWN)

    @property
    def aws_conn_id(self) -> str | None:
        """The id of the AWS connection that is used; None: boto3's own chain of credentials."""
        if is_given(self._aws_conn_id):
            return self._aws_conn_id  # type: ignore[return-value]
        return self._extra().get(AWS_CONN_ID) or DEFAULT_AWS_CONN_ID

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
