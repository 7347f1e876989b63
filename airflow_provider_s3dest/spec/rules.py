"""Finds all faults of a destination spec at once, even while some of its fields are not known yet."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.safe_text import HIDDEN
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.fields import (
    BATCH_LIMITS,
    CANNED_ACLS,
    NULLABLE,
    REFUSED,
    UNUSED,
    CsvOptions,
    Encryption,
    SpecFields,
)
from airflow_provider_s3dest.spec.limits import (
    CHECKSUM,
    MAX_METADATA_BYTES,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    OWN_METADATA_BYTES,
    OWNER,
)
from airflow_provider_s3dest.spec.nested_texts import nested_texts, variable_faults
from airflow_provider_s3dest.spec.path_template import is_unicode
from airflow_provider_s3dest.spec.sentinels import UNKNOWN
from airflow_provider_s3dest.spec.typed_texts import OPTIONS

_TEMPLATES = ("bucket", "path", "manifest_path", "ddl_path")
"""Fields that may hold placeholders, or have rules of their own about them."""

_BUCKET_NAME = re.compile(r"arn:|[^/{}@]*$")
"""No URL, folder or template, apart from the ARN of an access point; S3 checks the rest."""

_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)
_SINGLE_BRACES = re.compile(
    rf"(?<!\{{)\{{[ ]?(?:{'|'.join(path_template.PLACEHOLDERS[:-1])}|FIELD[.\[][^{{}}]*)[ ]?\}}(?!\}})", re.IGNORECASE
)
"""A placeholder in one pair of braces, which would be part of the key as it stands."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of an HTTP header (RFC 9110, section 5.6.2)."""

_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")
"""The value of an HTTP header: printable ASCII."""

_MISSING = "is required."


def _quoting(key: str, problem: str, remedy: str, *values: object) -> Fault:
    """Return a fault that quotes values of fields.

    :param problem: with ``{}`` in the place of each value.
    """
    public = Fault(key.partition(".")[0], problem.format(*[HIDDEN] * len(values)), remedy)
    return Fault(key, problem.format(*map(short, values)), remedy, public)


def faults(fields: Mapping[str, Any], elsewhere: Collection[str] = ()) -> Iterator[Fault]:
    """Find everything that is wrong with the fields of a spec.

    A rule is checked only if all fields that it looks at are known and have no fault of their own: one mistake gives
    one fault.

    :param fields: the fields by name, ``UNKNOWN`` where the value is not known yet.
    :param elsewhere: names of further fields that are not known yet; that they are missing is no fault.
    """
    elsewhere = {*elsewhere, *(key for key, value in fields.items() if value is UNKNOWN)}
    values = {k: v for k, v in fields.items() if v is not UNKNOWN and not (v is None and k in NULLABLE)}
    wrong = set()
    for fault in variable_faults(values):
        key = fault.key.partition(".")[0]
        wrong.add(key)
        values.pop(key, None)
        yield fault
    for key, value in list(values.items()):
        if value is None:
            wrong.add(key)
            yield Fault(key, "is null.", "Give a value or leave it out.")
            del values[key]
    for fault in _field_faults(values):
        if fault.problem != _MISSING:
            wrong.add(fault.key.partition(".")[0])
        elif fault.key in elsewhere or fault.key in wrong:
            continue
        yield fault
    valid = {key: value for key, value in values.items() if key not in wrong and key in SpecFields.model_fields}
    unknown = {*wrong, *(key for key in elsewhere if key not in values)}
    yield from _single_rules(valid)
    yield from _joint_rules(valid, unknown)


def _field_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        SpecFields.model_validate(dict(values))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            if item["loc"][0] in UNUSED and item["loc"][-1] == "int":
                continue  # for a field that is a text or an int, pydantic reports one error for each type
            yield _fault(item["loc"], item["type"], item["msg"], item["input"])


def _fault(location: Iterable[str | int], error_type: str, message: str, value: Any) -> Fault:
    """Turn an error of pydantic into a fault."""
    parts = [str(part) for part in location]
    key = parts[0]
    # Pydantic adds "[key]" to the location of a mapping's key, and the name of the type to that of a union.
    depth = 2 if parts[2:] == ["[key]"] else 1 if key in UNUSED else len(parts)
    name = ".".join(parts[:depth])
    field = SpecFields.model_fields.get(key)
    if error_type == "missing":
        return Fault(name, _MISSING, (field.description or "") if field else "")
    if error_type == "extra_forbidden" and len(parts) == 1:
        if key in REFUSED:
            return Fault(key, "is not taken here.", REFUSED[key])
        near = difflib.get_close_matches(key, SpecFields.model_fields, n=1)
        remedy = f"Did you mean `{near[0]}`?" if near else f"Known are {', '.join(SpecFields.model_fields)}."
        return Fault(key, "is unknown.", remedy)
    problem = f"{message[0].lower()}{message[1:]}".replace("{", "{{").replace("}", "}}")
    return _quoting(name, f"{problem}, not {{}}.", (field.description or "") if field else "", value)


def _single_rules(fields: Mapping[str, Any]) -> Iterator[Fault]:
    """Check the rules about one field that pydantic does not check."""
    if not _BUCKET_NAME.match(fields.get("bucket", "")):
        remedy = "Give the name alone, without s3:// and placeholders; folders go into `path`."
        before, at, name = fields["bucket"].partition("?")[0].rpartition("@")
        hidden = len(before) + len(at) + len(name) < len(fields["bucket"])  # what follows may be a signature
        shown = f"{HIDDEN}@{name}" if at else name
        yield _quoting("bucket", "{} is no name of a bucket.", remedy, f"{shown}?{HIDDEN}" if hidden else shown)
    for key in ("content_type", "storage_class"):
        yield from _header_rules(key, fields.get(key, ""), "{}", fields.get(key))
    if fields.get("acl") and fields["acl"] not in CANNED_ACLS:
        yield _quoting("acl", "{} is no canned ACL.", f"Use one of {', '.join(CANNED_ACLS)}.", fields["acl"])
    if encryption := fields.get("server_side_encryption_configuration"):
        algorithm, key_id = (
            (encryption.server_side_encryption, encryption.sse_kms_key_id)
            if isinstance(encryption, Encryption)
            else (encryption.get("server_side_encryption"), encryption.get("sse_kms_key_id"))
        )
        if algorithm != "AES256" and not key_id:
            yield Fault("server_side_encryption_configuration", f"{algorithm} needs a key.", "Give `sse_kms_key_id`.")
    for key, text in nested_texts({key: fields[key] for key in fields if key not in _TEMPLATES}):
        for fault in path_template.refused_placeholders(text, key):
            yield replace(fault, public=Fault(key.partition(".")[0], "holds braces.", fault.remedy))
    for key, what in (("manifest_path", "a manifest"), ("ddl_path", "a definition")):
        if template := fields.get(key):
            yield from (replace(fault, key=key) for fault in template_faults(template))
            if path_template.fields_in(template) or "BATCH" in path_template.placeholders(template):
                yield Fault(key, f"has {{{{BATCH}}}} or {{{{FIELD}}}}, but {what} has neither.", "Take it out.")
    if len({*fields.get("ddl", ())}) < len(fields.get("ddl", ())):
        yield Fault("ddl", "names one twice.", "Take it out.")
    if not is_unicode(namespace := fields.get("uuid_namespace", "")):
        yield _quoting("uuid_namespace", "{} is no valid Unicode.", "Take the lone surrogates out.", namespace)
    yield from _tag_rules(fields.get("tags", {}))
    yield from _metadata_rules(fields.get("metadata", {}))


def template_faults(template: str, *, jinja: bool = False) -> Iterator[Fault]:
    """Check a template of keys; the faults name the field ``path``.

    :param jinja: whether Jinja is still to be rendered in it.
    """
    if _URL.match(template):
        remedy = "Give the key alone, such as raw/{{TABLE}}/{{UUID}}.{{FORMAT}}; the bucket goes into `bucket`."
        yield Fault("path", f"{short(template)} is a URL.", remedy)
        return
    if single := _SINGLE_BRACES.search(template):
        yield Fault("path", f"has {single[0]} in one pair of braces.", "Write placeholders as {{TABLE}}.")
    yield from path_template.faults(template, jinja=jinja)


def _tag_rules(tags: Mapping[str, str]) -> Iterator[Fault]:
    if len(tags) > MAX_TAGS:
        yield Fault("tags", f"{len(tags)} tags; S3 takes {MAX_TAGS}.", "Take some out.")
    for key, value in tags.items():
        if not 1 <= len(key) <= MAX_TAG_KEY or len(value) > MAX_TAG_VALUE:
            remedy = f"S3 takes 1 to {MAX_TAG_KEY} characters of key and {MAX_TAG_VALUE} of value."
            yield _quoting("tags", "{}: {} is too long or empty.", remedy, key, value)
        if not is_unicode(key + value):
            yield _quoting("tags", "{}: {} is no valid Unicode.", "Take the lone surrogates out.", key, value)


def _header_rules(field: str, value: str, quoted: str, *values: object) -> Iterator[Fault]:
    """Check a text that is sent as the value of an HTTP header.

    :param quoted: what the fault begins with, with ``{}`` for each of the values.
    """
    if not _HEADER_TEXT.fullmatch(value):
        yield _quoting(field, f"{quoted} can't travel in a header.", "Use printable ASCII.", *values)
    elif value != value.strip(" "):
        remedy = "Take it out: a store keeps the text without it."
        yield _quoting(field, f"{quoted} has a blank at an end.", remedy, *values)


def _metadata_rules(metadata: Mapping[str, str]) -> Iterator[Fault]:
    for key, value in metadata.items():
        if not _HEADER_NAME.fullmatch(key):
            yield _quoting("metadata", "{}: {} can't travel in a header.", "Use printable ASCII.", key, value)
        else:
            yield from _header_rules("metadata", value, "{}: {}", key, value)
    if len({key.lower() for key in metadata}) < len(metadata):
        yield Fault("metadata", "has keys that differ only in case, which S3 takes for one.", "Take one out.")
    if reserved := [key for key in metadata if key.lower() in (CHECKSUM, OWNER)]:
        yield _quoting("metadata", "{} is a name that the provider itself uses.", "Choose another.", reserved[0])
    size, most = sum(len(key) + len(value) for key, value in metadata.items()), MAX_METADATA_BYTES - OWN_METADATA_BYTES
    if size > most:
        problem = (
            f"{size:,} bytes; S3 takes {MAX_METADATA_BYTES:,}, of which the provider itself needs {OWN_METADATA_BYTES}."
        )
        yield Fault("metadata", problem, "Shorten it.")


def _dialect_rules(options: BaseModel) -> Iterator[Fault]:
    if not isinstance(options, CsvOptions):
        return
    if options.escape == options.delimiter:
        yield _quoting(
            "format_spec.escape", "{} is the delimiter too.", "Choose another for one of them.", options.escape
        )
    special = options.delimiter + options.escape.replace('"', "")
    if conflicts := sorted({*special} & {*options.null_value}):
        # Null is written without quotes: it would read as two fields, or as another text.
        problem = "{} holds the delimiter or the escape character {}."
        remedy = "Choose another text, or another character."
        yield _quoting("format_spec.null_value", problem, remedy, options.null_value, conflicts[0])


def _joint_rules(fields: Mapping[str, Any], unknown: Collection[str]) -> Iterator[Fault]:
    """Check the rules that look at several fields; a rule is skipped if one of its fields is not known yet."""
    ddl_path = fields.get("ddl_path")
    if ddl_path and len({*fields.get("ddl", ())}) > 1 and "FORMAT" not in path_template.placeholders(ddl_path):
        yield Fault("ddl_path", f"has no {{{{FORMAT}}}}, and `ddl` names two: {ddl_path!r}.", "Put {{FORMAT}} in.")
    compression, text = fields.get("compression", ""), fields.get("format") in ("csv", "json")
    if text and compression not in ("", "gzip"):
        yield Fault(
            "compression", f"{compression} is for parquet alone.", f"For {fields['format']} give gzip, or leave it out."
        )
    options = OPTIONS.get(fields.get("format", ""))
    if options and "format_spec" in fields:
        try:
            yield from _dialect_rules(options(**fields["format_spec"]))
        except ValidationError as error:
            for item in error.errors(include_url=False):
                name = f"format_spec.{'.'.join(str(part) for part in item['loc'])}"
                allowed = ", ".join(f"`{key}` ({field.description})" for key, field in options.model_fields.items())
                remedy = f"{fields['format']} takes {allowed or 'no options'}."
                problem = f"{item['msg'][0].lower()}{item['msg'][1:]}".replace("{", "{{").replace("}", "}}")
                yield _quoting(name, f"{problem}, not {{}}.", remedy, item["input"])
        except TypeError:
            yield Fault("format_spec", "has a key that is not a string.", "Name each option.")
    no_rotate = fields.get("no_rotate", None if "no_rotate" in unknown else False)
    if no_rotate:
        for key in BATCH_LIMITS:
            if key in fields:
                yield Fault(
                    key, "is given beside `no_rotate`, which makes one object of a table.", "Leave one of the two out."
                )
    if "path" not in fields:
        return
    path = fields["path"]
    if wrong := list(template_faults(path)):
        yield from wrong
        if _URL.match(path) or _SINGLE_BRACES.search(path):
            return
    if path_template.fields_in(path) and fields.get("write_empty_objects_for_empty_tables"):
        problem = "is set, and a table without records has no value for {{FIELD}} in `path`."
        yield Fault("write_empty_objects_for_empty_tables", problem, "Leave one of the two out.")
    rotates = "UUID" in path_template.placeholders(path)
    if no_rotate and rotates:
        yield Fault("path", "has {{UUID}} beside `no_rotate`, which makes one object of a table.", "Take {{UUID}} out.")
    if no_rotate is False and not rotates:
        yield Fault(
            "path", "has no {{UUID}}: each batch would overwrite the last.", "Put {{UUID}} in, or set `no_rotate`."
        )
