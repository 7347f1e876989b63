"""Builds the Amazon provider's hook and its client, and explains which field of an AWS connection prevents it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, S3DestinationError, SpecError, StoreError
from airflow_provider_s3dest.s3.errors import described, is_passing, one_line, raise_alone
from airflow_provider_s3dest.spec import DestinationSpec

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

_MAPPINGS = ("config_kwargs", "service_config", "session_kwargs", "assume_role_kwargs")
_TEXTS = ("endpoint_url", "region_name", "profile_name", "role_arn", "assume_role_method")

_FIELDS: Mapping[str, str] = {
    "ProfileNotFound": "`profile_name`: name a profile of the worker's AWS configuration, or leave it out",
    "Invalid endpoint": "`endpoint_url`: write it whole, such as https://s3.example.com:9000",
    "InvalidRegionError": "`region_name`, or `region` of the destination spec: name one such as eu-central-1",
    "NoRegionError": "`region_name`: it is missing",
    "assume_role_method": "`assume_role_method`",
    "ParamValidationError": "`role_arn` and `assume_role_kwargs`",
    "AssumeRole": "`role_arn`, and that the role trusts these credentials",
    "EndpointConnectionError": "the endpoint of `sts` in `service_config`, and the network",
    "assume_role_with_saml": "`assume_role_with_saml`: the method of that name needs it",
    "federation": "`assume_role_with_web_identity_federation`: the method of that name needs it",
    "unexpected keyword argument": "`config_kwargs`: it takes the arguments of botocore.config.Config",
    "Retry": "`retries` in `config_kwargs`",
    "AddressingStyle": "`addressing_style` in `config_kwargs`",
    "Timeout value": "the timeouts in `config_kwargs`",
}
"""What to check in the extra of the connection, by a part of the error's name or text."""


def s3_hook(conn_id: str | None, spec: DestinationSpec | None) -> S3Hook:
    """Build the Amazon provider's hook. Fields of the spec take precedence over those of the AWS connection.

    :raises SpecError: if no client can be built from the connection.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    fields = spec.given() if spec else {}
    arguments: dict[str, Any] = {"aws_conn_id": conn_id, "region_name": fields.get("region") or None}
    if fields.get("endpoint_skip_tls_verify"):
        arguments["verify"] = False
    with explained_failure(conn_id):
        hook = S3Hook(**arguments)
        if fields.get("endpoint_skip_tls_verify") is False and hook.conn_config.verify is False:
            arguments["verify"] = True  # else a bundle of certificates that the connection names stays in use
        # A config argument replaces the config of the connection, so it must hold both.
        base = hook.conn_config.botocore_config or Config()
        settings: dict[str, Any] = {}
        if (retries := fields.get("max_retries")) is not None:
            kept = {key: value for key, value in (base.retries or {}).items() if key != "total_max_attempts"}
            settings["retries"] = {**kept, "max_attempts": retries}
        if "use_path_style" in fields:
            style = "path" if fields["use_path_style"] else "virtual"
            settings["s3"] = {**(base.s3 or {}), "addressing_style": style}
        if settings:
            arguments["config"] = base.merge(Config(**settings))
        return S3Hook(**arguments)


def client_of(hook: S3Hook) -> Any:
    """Return the boto3 client of the hook.

    :raises SpecError: if no client can be built from the connection.
    :raises StoreError: if a role can't be assumed now, and a retry may succeed.
    """
    with explained_failure(hook.aws_conn_id):
        return hook.conn


def extra_of(connection: Any, argument: str) -> dict[str, Any]:
    """Return the extra of a connection.

    :param argument: the argument that names the connection.
    :raises SpecError: if the extra is no JSON object. Airflow would take it for an empty one.
    """
    extra: Any
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        problem = f"the extra of the connection {connection.conn_id!r} is no JSON object."
        raise SpecError([Fault(argument, problem, "Mend it.")])
    return extra


def aws_faults(conn_id: str, extra: Mapping[str, Any]) -> Iterator[Fault]:
    """Find fields in the extra of an AWS connection that have the wrong type."""
    for names, python_type, kind in ((_MAPPINGS, dict, "a JSON object"), (_TEXTS, str, "text")):
        for name in names:
            if not isinstance(extra.get(name), (python_type, type(None))):
                problem = f"in the extra of the AWS connection {conn_id!r} is not {kind}."
                yield Fault(name, problem, f"Give {kind}.")


@contextmanager
def explained_failure(conn_id: str | None) -> Iterator[None]:
    """Raise every error while a client is built as one that names the AWS connection and the field.

    :raises SpecError: if no retry can succeed.
    :raises StoreError: if a retry may succeed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except S3DestinationError:
        raise
    except Exception as error:
        full_text = f"{type(error).__name__}: {one_line(error)}"
        check = next((fields for part, fields in _FIELDS.items() if part in full_text), "its fields")
        # The text of the error, and of those before it, may hold what the connection holds.
        text = described(error)
        public = f"{type(error).__name__}: {text}" if isinstance(error, (ClientError, BotoCoreError)) else text
        problem = f"{_named(conn_id)} makes no client: {public if conn_id else full_text}"
        remedy = f"In its extra, check {check}." if conn_id else "Check the AWS configuration of the worker."
        if isinstance(error, (ClientError, BotoCoreError, OSError)) and is_passing(error):
            raise_alone(StoreError(f"`aws_conn_id`: {problem} {remedy}", final=False))
        raise_alone(SpecError([Fault("aws_conn_id", problem, remedy)]))


@contextmanager
def silent_renewals() -> Iterator[None]:
    """Keep errors out of the log of botocore when it renews credentials: their texts may hold values of a connection.

    It logs them in full, as a warning, and raises those that matter.
    """

    def without_error(record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = None
        return True

    logger = logging.getLogger("botocore.credentials")
    logger.addFilter(without_error)
    try:
        yield
    finally:
        logger.removeFilter(without_error)


@contextmanager
def explained_key(client: Any, conn_id: str | None) -> Iterator[None]:
    """Explain an access key that S3 refuses: which AWS connection holds it, and whether another attempt may succeed.

    :raises StoreError: ``final``, unless S3 took the key earlier in this block. Then the key was replaced meanwhile or
        has expired, and the next attempt reads the connection again.
    """
    accepted = lost_access = False
    read_urls: set[str] = set()

    def note(http_response: Any, model: Any, **_: Any) -> None:
        nonlocal accepted, lost_access
        status, url = http_response.status_code, http_response.url
        if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND:
            accepted = True
            if model.name in ("GetObject", "HeadObject"):
                read_urls.add(url)
        elif model.name == "HeadObject" and status == HTTPStatus.FORBIDDEN and url in read_urls:
            # The answer to HEAD has no body, which would tell a refused key from a missing permission. But this URL
            # was read before, so the permission is there.
            lost_access = True

    client.meta.events.register("after-call.s3", note)
    try:
        with silent_renewals():
            yield
    except StoreError as error:
        if not error.refused_key and not (lost_access and error.code == str(HTTPStatus.FORBIDDEN.value)):
            raise
        text = f"{error} The key is that of {_named(conn_id)}."
        if accepted:
            text += " It was good earlier in this load, so it was replaced or has expired."
            text += " Another attempt reads the connection again."
        raise StoreError(text, final=not accepted, code=error.code, refused_key=True) from error


def _named(conn_id: str | None) -> str:
    return f"the AWS connection {conn_id!r}" if conn_id else "boto3's own configuration"
