"""Reads a connection of type ``s3_destination``: checks it, and takes its extra as it was meant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.rules import faults

CONN_TYPE = "s3_destination"
AWS_CONN_ID = "aws_conn_id"
CONSOLE_URL = "console_url"
_OWN = {
    AWS_CONN_ID: "Give the id of an AWS connection.",
    CONSOLE_URL: "Give the URL of the store's console, with {bucket} and {prefix} in it.",
}
"""Fields of the extra that are no field of the spec; all are texts."""

_UNUSED = {
    "host": "Put the bucket into the extra, as `bucket`; the endpoint into the AWS connection's, as `endpoint_url`.",
    "schema": "Put it into the extra, as `path`.",
    "login": "Put it into an AWS connection, and name that in the extra, as `aws_conn_id`.",
    "password": "Put it into an AWS connection, and name that in the extra, as `aws_conn_id`.",
    "port": "Put the endpoint into the extra of the AWS connection, as `endpoint_url`.",
}
"""Attributes of a connection that this type has no use for, and where what they hold belongs."""


def read_extra(conn_id: str, connection: Any) -> dict[str, Any]:
    """Give the fields of the spec that a connection sets, its ``aws_conn_id`` and its ``console_url``.

    A URI and some secrets backends know nothing but text, and a form saves what was left empty: so here, and only
    here, text is taken for the number, the truth value or the JSON that a field asks for, and null and what is
    empty for not given.

    :param conn_id: its id, for the errors.
    :param connection: Airflow's connection.
    :raises SpecError: with everything that is wrong with it.
    """
    found = list(_connection_faults(connection))
    meant = {key: _meant(key, value) for key, value in _json_object(connection.extra).items()}
    fields = {key: value for key, value in meant.items() if value not in (None, "", {})}
    found += faults(without_own(fields), elsewhere=SpecFields.model_fields)
    found += (Fault(key, "is no text.", _OWN[key]) for key in _OWN if not isinstance(fields.get(key, ""), str))
    url = fields.get(CONSOLE_URL)
    if isinstance(url, str) and not url.startswith(("https://", "http://")):
        found.append(Fault(CONSOLE_URL, f"{short(url)} is no URL of a page.", _OWN[CONSOLE_URL]))
    if found:
        raise SpecError([replace(fault, problem=f"connection {conn_id!r}: {fault.problem}") for fault in found])
    return fields


def without_own(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of the spec among what :func:`read_extra` gave."""
    return {key: value for key, value in fields.items() if key not in _OWN}


def _connection_faults(connection: Any) -> Iterator[Fault]:
    if connection.conn_type not in (None, "", CONN_TYPE):
        problem = f"is {connection.conn_type!r}, not {CONN_TYPE!r}."
        yield Fault("conn_type", problem, "An AWS connection is given as `aws_conn_id`.")
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


def _meant(key: str, text: Any) -> Any:
    """Give what a field asks for, if a text spells that; else the text, of which the rules of the spec will tell."""
    kinds = _kinds(key)
    if not isinstance(text, str) or str in kinds:
        return text
    if kinds <= {int, bool}:
        try:
            return TypeAdapter(kinds.pop()).validate_python(text)
        except ValidationError:
            return text
    parsed = _parsed(text)
    return parsed if isinstance(parsed, (Mapping, list)) else text


def _kinds(key: str) -> set[Any]:
    field = SpecFields.model_fields.get(key)
    if field is None:
        return {str}
    several = get_origin(field.annotation) in (Union, UnionType)
    return set(get_args(field.annotation) if several else (field.annotation,)) - {NoneType}
