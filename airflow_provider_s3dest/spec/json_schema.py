"""The JSON Schema of the destination spec, for editors and for checks outside Python; run as a module, prints it."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel

from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.fields import (
    BATCH_LIMITS,
    CANNED_ACLS,
    HEADER_NAME,
    HEADER_TEXT,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    NO_KEY,
    NULLABLE,
)
from airflow_provider_s3dest.spec.rules import OPTIONS


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of the innermost part of a document.

    It holds each field's own rules, those between ``no_rotate``, ``path`` and the batch limits, and that a path of
    partitions excludes empty objects. What a placeholder is it leaves open, since the operator renders Jinja beside
    them.
    """
    schema = DestinationSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["description"] = "Where a load goes, in which format and how it is cut."
    for name, field in schema["properties"].items():
        field.pop("title", None)
        alternatives = [one for one in field.get("anyOf", []) if one != {"type": "null"}]
        if name in NULLABLE:
            rules = {key: field.pop(key) for key in ("type", "minimum", "additionalProperties") if key in field}
            field["anyOf"] = [*(alternatives or [rules]), {"type": "null"}]
        elif alternatives:
            del field["anyOf"]
            field.update(alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives})
        # Left out is another thing than empty where a field that is given must not be empty.
        if field.get("default", ...) is None or (field.get("default") == "" and "minLength" in field):
            del field["default"]
    one_object = {"properties": {"no_rotate": {"const": True}}, "required": ["no_rotate"]}
    uuid = r"\{\{-?\s*UUID\s*-?\}\}"
    field = r"\{\{-?\s*FIELD[.\[]"
    schema["properties"]["acl"]["enum"] = ["", *CANNED_ACLS]
    schema["properties"]["tags"] |= {
        "maxProperties": MAX_TAGS,
        "propertyNames": {"minLength": 1, "maxLength": MAX_TAG_KEY},
        "additionalProperties": {"type": "string", "maxLength": MAX_TAG_VALUE},
    }
    schema["properties"]["metadata"] |= {
        "propertyNames": {"pattern": HEADER_NAME},
        "additionalProperties": {"type": "string", "pattern": HEADER_TEXT},
    }
    encryption = schema["$defs"]["Encryption"]
    del encryption["properties"]["sse_kms_key_id"]["default"]
    encryption["if"] = {"properties": {"server_side_encryption": {"const": "AES256"}}}
    encryption["else"] = {"required": ["sse_kms_key_id"]}
    schema["allOf"] = [
        {
            "not": {
                "properties": {"path": {"pattern": NO_KEY}},
                "required": ["path"],
            }
        },
        {
            "not": {
                "properties": {"path": {"pattern": field}, "write_empty_objects_for_empty_tables": {"const": True}},
                "required": ["path", "write_empty_objects_for_empty_tables"],
            }
        },
        {
            "if": one_object,
            "then": {
                "properties": {
                    "path": {"not": {"pattern": uuid}},
                    **{key: {"type": "null"} for key in BATCH_LIMITS},
                }
            },
            "else": {"properties": {"path": {"pattern": uuid}}},
        },
        {
            "if": {"properties": {"format": {"enum": ["csv", "json"]}}, "required": ["format"]},
            "then": {"properties": {"compression": {"enum": ["", "gzip"]}}},
        },
        *(
            {
                "if": {"properties": {"format": {"const": name}}, "required": ["format"]},
                "then": {"properties": {"format_spec": {"anyOf": [_plain_schema(options), {"type": "null"}]}}},
            }
            for name, options in OPTIONS.items()
        ),
    ]
    return schema


def _plain_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {key: schema[key] for key in ("type", "properties", "additionalProperties") if key in schema}


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
