"""Reads a connection of type ``s3_destination``: checks it, and converts texts in its extra to the types of fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.safe_text import CONTROL
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.rules import faults
from airflow_provider_s3dest.spec.typed_texts import typed_field, types_of

CONN_TYPE = "s3_destination"
AWS_CONN_ID = "aws_conn_id"
CONSOLE_URL = "console_url"
_NOT_OF_SPEC = {
    AWS_CONN_ID: "Give the id of an AWS connection.",
    CONSOLE_URL: "Give the URL of the store's console, with {bucket} and {prefix} in it.",
}
"""Fields of the extra that are no field of the spec, with what to do if one is wrong; all are texts."""

_PUBLIC = ("bucket", "path", "manifest_path", "ddl_path", "region")
"""Fields whose values an error may quote; what other fields hold may be secret."""

_UNUSED = {
    "host": "Put the bucket into the extra, as `bucket`; the endpoint into the AWS connection's, as `endpoint_url`.",
    "schema": "Put it into the extra, as `path`.",
    "login": "Put it into an AWS connection, and name that in the extra, as `aws_conn_id`.",
    "password": "Put it into an AWS connection, and name that in the extra, as `aws_conn_id`.",
    "port": "Put the endpoint into the extra of the AWS connection, as `endpoint_url`.",
}
"""Attributes of a connection that this type does not use, and where their values belong."""


def read_extra(conn_id: str, connection: Any) -> dict[str, Any]:
    """Return the fields of the spec that a connection sets, its ``aws_conn_id`` and its ``console_url``.

    A URI and some secrets backends hold texts only, and a form also saves empty fields. So this, and nothing else,
    converts a text to the number, the truth value or the JSON that a field expects, and takes null and empty values
    for not given.

    :param conn_id: id of the connection, for the errors.
    :param connection: Airflow's connection.
    :raises SpecError: with everything that is wrong with the connection.
    """
    found = list(_connection_faults(connection))
    converted = {key: _converted(key, value) for key, value in _json_object(connection.extra).items()}
    fields = {key: value for key, value in converted.items() if value not in (None, "", {})}
    found += faults(spec_fields_in(fields), elsewhere=SpecFields.model_fields)
    for key, remedy in _NOT_OF_SPEC.items():
        if not isinstance(fields.get(key, ""), str):
            found.append(Fault(key, "is no text.", remedy))
    url = fields.get(CONSOLE_URL)
    if isinstance(url, str) and (not url.startswith(("https://", "http://")) or CONTROL.search(url) or " " in url):
        found.append(Fault(CONSOLE_URL, "is no URL of a page.", _NOT_OF_SPEC[CONSOLE_URL]))
    if found:
        found = [without_value(fault) for fault in found]
        raise SpecError([replace(fault, problem=f"connection {conn_id!r}: {fault.problem}") for fault in found])
    return fields


def without_value(fault: Fault) -> Fault:
    """Return a fault of a field that a connection sets, without the value if that may be secret."""
    return fault if fault.public is None or fault.key.startswith(_PUBLIC) else fault.public


def spec_fields_in(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the spec among those that :func:`read_extra` returns."""
    return {key: value for key, value in extra.items() if key not in _NOT_OF_SPEC}


def _connection_faults(connection: Any) -> Iterator[Fault]:
    if connection.conn_type not in (None, "", CONN_TYPE):
        yield Fault("conn_type", f"is not {CONN_TYPE!r}.", "Give an AWS connection as `aws_conn_id`.")
        return
    for name, remedy in _UNUSED.items():
        if getattr(connection, name, None):
            yield Fault(name, "is given and has no meaning here.", remedy)
    if connection.extra and not isinstance(_parsed(connection.extra), Mapping):
        yield Fault("extra", "is no JSON object.", 'Give one, such as {"bucket": "my-bucket"}.')


def _json_object(text: str | None) -> Mapping[str, Any]:
    parsed = _parsed(text or "{}")
    return parsed if isinstance(parsed, Mapping) else {}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _converted(key: str, text: Any) -> Any:
    """Return the value that a text stands for, in the type of the field; else the text, which the rules will refuse."""
    types = types_of(SpecFields, key)
    parsed = _parsed(text) if isinstance(text, str) and not types <= {int, bool, str} else None
    return typed_field(key, parsed if isinstance(parsed, (Mapping, list)) else text)
