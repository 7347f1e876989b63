"""The JSON Schema of the destination spec, for editors and for checks outside Python; run as a module, prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel

from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.fields import BATCH_LIMITS, CANNED_ACLS, NULLABLE
from airflow_provider_s3dest.spec.typed_texts import OPTIONS

_BAD_KEY = r"^/|//|\./"
_HAS_UUID = r"\{\{-?\s*UUID\s*-?\}\}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the innermost part of a document.

    It has the types, ranges and choices of the fields. Of the further rules, which Python checks, it has those that
    CloudQuery's schema has too, so that it judges CloudQuery's own test cases as the spec does. It never refuses what
    the spec accepts.
    """
    schema = DestinationSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["description"] = "Where a load goes, in which format and how it is cut."
    for name, field in schema["properties"].items():
        _correct_null(field, name in NULLABLE)
    schema["properties"]["acl"]["enum"] = ["", *CANNED_ACLS]
    schema["allOf"] = _joint_rules()
    return schema


def _correct_null(field: dict[str, Any], is_nullable: bool) -> None:
    """Let a field be null exactly where the spec takes null, whatever its Python type says."""
    if not is_nullable and "anyOf" in field:
        field["anyOf"].remove({"type": "null"})
    elif is_nullable and "type" in field:
        field["type"] = [field["type"], "null"]
    # Such a default means "not given", and is refused if it is given.
    if field.get("default", ...) is None or (field.get("default") == "" and "minLength" in field):
        del field["default"]


def _joint_rules() -> list[dict[str, Any]]:
    """Return the rules that CloudQuery's test cases need: about the path, batches, and the options of each format."""
    return [
        {"properties": {"path": {"not": {"pattern": _BAD_KEY}}}},
        {
            "if": {"properties": {"no_rotate": {"const": True}}, "required": ["no_rotate"]},
            "then": {
                "properties": {
                    "path": {"not": {"pattern": _HAS_UUID}},
                    **{key: {"type": "null"} for key in BATCH_LIMITS},
                }
            },
            "else": {"properties": {"path": {"pattern": _HAS_UUID}}},
        },
        *(
            {
                "if": {"properties": {"format": {"const": name}}, "required": ["format"]},
                "then": {"properties": {"format_spec": {"anyOf": [_options_schema(options), {"type": "null"}]}}},
            }
            for name, options in OPTIONS.items()
        ),
    ]


def _options_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {key: schema[key] for key in ("type", "properties", "additionalProperties") if key in schema}


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
