"""The JSON Schema of the spec: current in its file, valid itself, and never stricter than the spec."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.fields import REFUSED, UNUSED, SpecFields
from airflow_provider_s3dest.spec.json_schema import json_schema

FILE = files("airflow_provider_s3dest") / "destination_spec.schema.json"

pytestmark = pytest.mark.filterwarnings("ignore:`.*` is accepted and not used")


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def _accepted(spec: dict[str, Any]) -> bool:
    """Return whether the spec is accepted."""
    try:
        DestinationSpec(**spec)
    except SpecError:
        return False
    return True


def test_the_file_is_what_make_schema_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n"


def test_the_schema_is_valid_itself() -> None:
    Draft202012Validator.check_schema(json.loads(FILE.read_text(encoding="utf-8")))


def test_every_default_keeps_its_own_rule(schema: Draft202012Validator) -> None:
    required = {"bucket": "b", "path": "{{UUID}}", "format": "csv"}
    defaults = {name: field["default"] for name, field in json_schema()["properties"].items() if "default" in field}
    assert defaults.keys() > {"batch_size", "batch_size_bytes", "no_rotate", "compression"}
    assert [error.message for error in schema.iter_errors({**defaults, **required})] == []
    DestinationSpec(**{**required, **defaults})


def test_every_field_is_described_in_one_sentence_or_more() -> None:
    properties = json_schema()["properties"]
    assert properties.keys() == SpecFields.model_fields.keys()
    assert all(field["description"].endswith(".") for field in properties.values())


@pytest.mark.parametrize("key", [*REFUSED, "migrate_mode", "Bucket", "spec"])
def test_the_schema_refuses_keys_that_are_not_fields(schema: Draft202012Validator, key: str) -> None:
    assert not schema.is_valid({"bucket": "b", "path": "{{UUID}}", "format": "csv", key: "x"})


@pytest.mark.parametrize("key", UNUSED)
def test_the_schema_accepts_what_is_not_used(schema: Draft202012Validator, key: str) -> None:
    assert schema.is_valid({"bucket": "b", "path": "{{UUID}}", "format": "csv", key: False if key[0] == "t" else "30s"})


SSE = "server_side_encryption_configuration"
KMS = {"server_side_encryption": "aws:kms"}
ANY: list[Any] = [
    *(None, "", "x", " ", "\n", "a\r\nX: y", "ü", True, False, 0, 1, -1, 5.3, 10**30),
    *([], ["x"], {}, {"a": "b"}),
]
VALUES: dict[str, list[Any]] = {
    "bucket": ["lake", "s3://lake", "lake/raw", "my lake", "arn:aws:s3:eu-west-1:1:accesspoint/a", "{{TABLE}}", "a{b"],
    "path": [
        *("a", "a/b", "{{UUID}}", "{{ UUID }}", "{{-UUID-}}", "x{{UUID}}y", "a\\{{UUID}}", "a {{UUID}}"),
        *("/{{UUID}}", "//{{UUID}}", "a//{{UUID}}", "{{UUID}}/", "{{UUID}}//", "./{{UUID}}", "../{{UUID}}"),
        *("a/./{{UUID}}", "a/../{{UUID}}", "a./{{UUID}}", "{{UUID}}/.", "{{UUID}}/..", "{{UUID}}.", "{{UUID}}.."),
        *("a\n{{UUID}}", "{{UUID}}\n", "{{UUID}}\x7f", "{{UUID}}\x00", ".{{UUID}}", "..{{UUID}}", ".", "..", "/"),
        *("{{TABLE}}/{{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}", "{{SYNC_ID}}/{{BATCH}}"),
    ],
    "format": ["csv", "json", "parquet", "CSV", "xml"],
    "format_spec": [
        {"delimiter": ";"},
        *({"delimiter": char} for char in ("", ",,", "\t", " ", '"', "\n", "\r", "\0", "ü", "😀", 1, None)),
        *({"null_value": value} for value in ("\\N", "", "NULL", "n\n", '"', "\0", None)),
        *({"quoting": value} for value in ("all", "nonnumeric", "none")),
        *({"line_terminator": value} for value in ("\n", "\r\n", "\r", "")),
        *({"escape": value} for value in ("\\", '"', "", "\\\\", "\n", None)),
        *({"skip_header": value} for value in (True, False, None, 0, "no")),
        {"delimiter": ";", "skip_header": True, "quote": "'"},
        *({"version": value} for value in ("v1.0", "v2.6", "v2Latest", "2.6", None)),
        *({"max_row_group_length": value} for value in (1, 0, 1.5, "1")),
        *({"root_repetition": value} for value in ("optional", "none")),
    ],
    "compression": ["gzip", "GZIP", "zstd", "snappy", "none"],
    "compression_level": [1, 9, 10, "6"],
    "write_mode": ["append", "overwrite", "overwrite-delete-stale"],
    "batch_size": [2, "100"],
    "batch_size_bytes": [2, "5 MiB"],
    "no_rotate": [],
    "manifest_path": ["a", "a/{{UUID}}.json", "/a", "a//b", "a/", "./a", "a/..", "a\n"],
    "uuid_namespace": ["production", "", 5],
    "ddl": [["athena"], ["redshift", "athena"], [], ["athena", "athena"], ["hive"], "athena"],
    "ddl_path": ["a", "a/{{UUID}}.{{FORMAT}}", "/a", "a//b", "a/", "./a", "a/..", "a\n"],
    "partition_columns": ["keep", "drop", "Keep"],
    "athena": [],
    "write_empty_objects_for_empty_tables": [],
    "content_type": ["text/csv; charset=utf-8"],
    "acl": ["private", "public-read", "PRIVATE", "log-delivery-write"],
    SSE: [
        *(
            {"server_side_encryption": algorithm}
            for algorithm in ("AES256", "aws:kms", "aws:kms:dsse", "none", "", None)
        ),
        *({**KMS, "sse_kms_key_id": key} for key in ("1234", "", None, 1)),
        {"server_side_encryption": "AES256", "sse_kms_key_id": "1234"},
        {"server_side_encryption": "AES256", "sse_kms_key_id": ""},
        {"sse_kms_key_id": "1234"},
        {**KMS, "sse_kms_key_id": "1234", "context": "x"},
    ],
    "tags": [
        {f"k{number}": "v" for number in range(10)},
        {f"k{number}": "v" for number in range(11)},
        *({"k" * length: "v"} for length in (0, 1, 128, 129)),
        *({"k": "v" * length} for length in (0, 256, 257)),
        {"k": 1},
        {"k": None},
        {"int": 1},
        {"[key]": 1},
    ],
    "metadata": [{"": "v"}, {"a b": "v"}, {"ü": "v"}, {"a": "ü"}, {"a": "b\n"}, {"a\n": "b"}, {"a": "\t"}, {"a": 1}],
    "storage_class": ["STANDARD_IA"],
    "region": ["eu-central-1"],
    "endpoint_skip_tls_verify": [],
    "use_path_style": [],
    "max_retries": [3],
    "part_size": [5 * 2**20, 5 * 2**20 - 1, 5 * 2**30, 5 * 2**30 + 1],
    "batch_timeout": ["30s"],
    "max_backoff": ["30s"],
    "test_write": [],
}


def test_no_field_is_left_out_of_the_comparison() -> None:
    assert VALUES.keys() == SpecFields.model_fields.keys()


PYTHON_ONLY: dict[str, list[Any]] = {
    "bucket": ["s3://lake", "lake/raw", "{{TABLE}}", "a{b"],
    "path": [
        *("{{UUID}}/", "{{UUID}}/.", "{{UUID}}/..", "a\n{{UUID}}", "{{UUID}}\n", "{{UUID}}\x7f", "{{UUID}}\x00"),
        *(".", "..", "", "\n", "a\r\nX: y"),
    ],
    "format_spec": [{"null_value": "n\n"}],
    "compression": ["zstd", "snappy", "none"],
    "manifest_path": ["/a", "a//b", "a/", "./a", "a/..", "a\n", "\n", "a\r\nX: y"],
    "ddl": [["athena", "athena"]],
    "ddl_path": ["/a", "a//b", "a/", "./a", "a/..", "a\n", "\n", "a\r\nX: y"],
    "content_type": ["\n", "a\r\nX: y", "ü", " "],
    SSE: [{"server_side_encryption": algorithm} for algorithm in ("aws:kms", "aws:kms:dsse")],
    "tags": [{f"k{number}": "v" for number in range(11)}, {"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}],
    "metadata": [{"": "v"}, {"a b": "v"}, {"ü": "v"}, {"a": "ü"}, {"a": "b\n"}, {"a\n": "b"}, {"a": "\t"}],
    "storage_class": ["\n", "a\r\nX: y", "ü", " "],
}
"""Values of each field that the spec refuses and the schema does not: no test case of CloudQuery needs their rules."""


@pytest.mark.parametrize("key", VALUES)
def test_the_schema_judges_as_the_spec_except_where_only_python_checks(schema: Draft202012Validator, key: str) -> None:
    verdicts, python_only = set(), set()
    batches: dict[str, Any] = {"bucket": "b", "path": "{{UUID}}", "format": "csv"}
    for base in (batches, {**batches, "path": "a", "no_rotate": True}):
        for value in [*VALUES[key], *ANY]:
            spec = {**base, key: value}
            accepted = _accepted(spec)
            if schema.is_valid(spec) and not accepted:
                python_only.add(repr(value))
            else:
                assert schema.is_valid(spec) == accepted, f"{key}={value!r}: the spec says {accepted}"
            verdicts.add(accepted)
    assert python_only == set(map(repr, PYTHON_ONLY.get(key, ())))
    assert verdicts == {True, False}


def test_the_schema_leaves_open_what_jinja_may_render(schema: Draft202012Validator) -> None:
    assert schema.is_valid({"bucket": "b", "path": "raw/{{ ds }}/{{TABLE}}/{{UUID}}.csv", "format": "csv"})
