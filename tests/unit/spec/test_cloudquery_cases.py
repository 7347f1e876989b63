"""The validation cases of CloudQuery's own tests: where its spec and ours mean the same, they agree.

The facts are those of the tests of its S3 destination (`schema_test.go`, `spec_test.go`) and of its file types
(`spec_test.go` of filetypes, csv and json). Where a case there gives a part of a spec, the rest is filled in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.json_schema import json_schema

DOCUMENT = Path(__file__).parents[3] / "docs" / "cloudquery.md"


class Case(NamedTuple):
    name: str
    spec: Mapping[str, Any]
    cloudquery: bool
    ours: bool
    reason: str = ""
    """Why we differ."""


MISSING = object()


def _with(**changes: Any) -> dict[str, Any]:
    """Return the smallest spec that CloudQuery takes, with some fields replaced, added or MISSING."""
    spec = {"format": "csv", "path": "{{UUID}}", "bucket": "b", "region": "r", **changes}
    return {key: value for key, value in spec.items() if value is not MISSING}


def _agreed(accepted: bool, name: str, **changes: Any) -> Case:
    return Case(name, _with(**changes), accepted, accepted)


def _differing(name: str, reason: str, *, cloudquery: bool, **changes: Any) -> Case:
    return Case(name, _with(**changes), cloudquery, not cloudquery, reason)


def _validate(**changes: Any) -> dict[str, Any]:
    """Return a spec for CloudQuery's Go validation, which looks at batch limits of zero."""
    zero = {"batch_size": 0, "batch_size_bytes": 0, "batch_timeout": "0s"}
    return _with(**{"format": "json", "bucket": "mybucket", "region": "us-east-1", **zero, **changes})


_SSE = "server_side_encryption_configuration"
_EMPTY = "write_empty_objects_for_empty_tables"
_EMPTY_OF_EACH = "CloudQuery writes empty objects as parquet only"
_ZERO = "a batch size of 0 means no limit to its Go code only: its JSON Schema refuses it too"

SCHEMA_CASES = [
    _agreed(True, "csv with its options", format_spec={"skip_header": True, "delimiter": "#"}),
    _agreed(False, "unknown format", format="cs22v"),
    _agreed(True, "nothing but the required fields"),
    _agreed(False, "missing path", path=MISSING),
    _agreed(False, "path of a comma and a space", path=", "),
    _agreed(False, "null path", path=None),
    Case("integer path, and neither bucket nor region", {"format": "csv", "path": 123}, False, False),
    _agreed(False, "path that starts with a slash", path="/{{UUID}}"),
    _agreed(False, "path with a double slash", path="{{UUID}}//"),
    _agreed(False, "path with ./", path="{{UUID}}/./"),
    _agreed(False, "path with ../", path="{{UUID}}/../"),
    _agreed(False, "missing bucket", bucket=MISSING),
    _agreed(False, "empty bucket", bucket=""),
    _agreed(False, "null bucket", bucket=None),
    _agreed(False, "integer bucket", bucket=123),
    _differing("missing region", "the AWS connection has one", cloudquery=False, region=MISSING),
    _agreed(False, "empty region", region=""),
    _agreed(False, "null region", region=None),
    _agreed(False, "integer region", region=123),
    _agreed(False, "null no_rotate", no_rotate=None),
    _agreed(False, "integer no_rotate", no_rotate=123),
    _agreed(True, "no_rotate", path="abc", no_rotate=True),
    _agreed(True, "no_rotate of false", no_rotate=False),
    *(
        case
        for key in ("batch_size", "batch_size_bytes")
        for case in (
            _agreed(False, f"{key} of 0", **{key: 0}),
            _agreed(False, f"{key} of 5.3", **{key: 5.3}),
            _agreed(False, f"{key} of false", **{key: False}),
            _agreed(True, f"null {key}", **{key: None}),
            _agreed(True, f"{key} of 123", **{key: 123}),
        )
    ),
    _agreed(True, "null batch_timeout", batch_timeout=None),
    _agreed(True, "no_rotate of false, with {{UUID}}", no_rotate=False),
    _agreed(False, "no_rotate, with {{UUID}}", no_rotate=True),
    _agreed(False, "no_rotate of false, without {{UUID}}", path="abc", no_rotate=False),
    _agreed(False, "no_rotate left out, without {{UUID}}", path="abc"),
    *(
        case
        for key, value in (("batch_size", 100), ("batch_size_bytes", 100), ("batch_timeout", "100s"))
        for case in (
            _agreed(True, f"no_rotate of false beside {key}", no_rotate=False, **{key: value}),
            _agreed(False, f"no_rotate beside {key}", path="abc", no_rotate=True, **{key: value}),
            _agreed(True, f"no_rotate of false beside null {key}", no_rotate=False, **{key: None}),
            _agreed(True, f"no_rotate beside null {key}", path="abc", no_rotate=True, **{key: None}),
        )
    ),
    _agreed(False, "empty encryption", **{_SSE: {}}),
    _agreed(False, "encryption without its kind", **{_SSE: {"sse_kms_key_id": "1234-5678"}}),
    _differing(
        "AES256 without a key",
        "S3 has the key of that kind itself",
        cloudquery=False,
        **{_SSE: {"server_side_encryption": "AES256"}},
    ),
    _agreed(True, "AES256 with a key", **{_SSE: {"server_side_encryption": "AES256", "sse_kms_key_id": "1234-5678"}}),
    _agreed(True, "parquet without empty objects", format="parquet", **{_EMPTY: False}),
    _agreed(True, "csv without empty objects", **{_EMPTY: False}),
    _agreed(True, "parquet with empty objects", format="parquet", **{_EMPTY: True}),
    _differing("csv with empty objects", _EMPTY_OF_EACH, cloudquery=False, **{_EMPTY: True}),
]

VALIDATE_CASES = [
    Case(
        "no limit of a batch, without {{UUID}}",
        _validate(path="test/path", acl="bucket-owner-full-control"),
        cloudquery=True,
        ours=False,
        reason=_ZERO,
    ),
    _agreed(True, "canned acl", acl="bucket-owner-full-control"),
    Case("no limit of a batch, no bucket", _validate(path="test/path", bucket=MISSING), False, False),
    Case("no limit of a batch, with {{UUID}}", _validate(path="test/path/{{TABLE}}.{{UUID}}"), True, False, _ZERO),
    _agreed(True, "table and {{UUID}} in one name", format="json", path="test/path/{{TABLE}}.{{UUID}}"),
    Case(
        "no limit of a batch, parquet with empty objects",
        _validate(path="test/path/{{TABLE}}.{{UUID}}", format="parquet", **{_EMPTY: True}),
        cloudquery=True,
        ours=False,
        reason=_ZERO,
    ),
    Case(
        "no limit of a batch, parquet without empty objects",
        _validate(path="test/path/{{TABLE}}.{{UUID}}", format="parquet", **{_EMPTY: False}),
        cloudquery=True,
        ours=False,
        reason=_ZERO,
    ),
    Case(
        "json with empty objects",
        _with(path="test/path/{{TABLE}}.{{UUID}}", format="json", **{_EMPTY: True}),
        cloudquery=False,
        ours=True,
        reason=_EMPTY_OF_EACH,
    ),
    _agreed(False, "no_rotate, with table and {{UUID}}", path="test/path/{{TABLE}}.{{UUID}}", no_rotate=True),
    _agreed(False, "batches of one record, without {{UUID}}", path="test/path/{{TABLE}}", batch_size=1),
    _agreed(False, "leading slash and table", path="/test/path/{{TABLE}}.{{UUID}}"),
    _agreed(False, "two leading slashes", path="//test/path/{{TABLE}}.{{UUID}}"),
    _agreed(False, "double slash amid the path", path="test//path", no_rotate=True),
    _agreed(False, "acl that is not canned", path="test/path", no_rotate=True, acl="invalid"),
    _agreed(False, "path without {{TABLE}} and {{UUID}}", format="json", path="test/path"),
    _agreed(
        False,
        "csv's delimiter in json",
        format="json",
        path="test/path/{{TABLE}}.json",
        no_rotate=True,
        format_spec={"delimiter": ","},
    ),
]

FILE_TYPE_CASES = [
    Case("empty spec", {}, cloudquery=False, ours=False),
    _agreed(False, "empty format", format=""),
    _agreed(False, "null format", format=None),
    _agreed(False, "integer format", format=123),
    _agreed(False, "format abc", format="abc"),
    *(
        case
        for name in ("csv", "json")
        for case in (
            _agreed(True, f"{name}", format=name),
            _agreed(True, f"{name} with empty format_spec", format=name, format_spec={}),
            _agreed(True, f"{name} with null format_spec", format=name, format_spec=None),
            _agreed(False, f"{name} with an unknown option", format=name, format_spec={"extra": True}),
        )
    ),
    _agreed(True, "csv with both options", format_spec={"skip_header": True, "delimiter": ","}),
    _agreed(False, "json with csv's options", format="json", format_spec={"skip_header": True, "delimiter": ","}),
    _agreed(False, "csv with a misspelt delimiter", format_spec={"delimiter22": ","}),
    _agreed(True, "parquet", format="parquet"),
    _agreed(True, "parquet with empty format_spec", format="parquet", format_spec={}),
    _agreed(True, "parquet with null format_spec", format="parquet", format_spec=None),
    _agreed(False, "parquet with csv's options", format="parquet", format_spec={"skip_header": True, "delimiter": ","}),
    _agreed(True, "skip_header", format_spec={"skip_header": True}),
    _agreed(True, "skip_header of false", format_spec={"skip_header": False}),
    _agreed(False, "null skip_header", format_spec={"skip_header": None}),
    _agreed(False, "integer skip_header", format_spec={"skip_header": 123}),
    _agreed(False, "empty delimiter", format_spec={"delimiter": ""}),
    _agreed(False, "null delimiter", format_spec={"delimiter": None}),
    _agreed(False, "integer delimiter", format_spec={"delimiter": 123}),
    _agreed(False, "delimiter of two characters", format_spec={"delimiter": ",,"}),
    _agreed(True, "tab as delimiter", format_spec={"delimiter": "\t"}),
    _agreed(True, "space as delimiter", format_spec={"delimiter": " "}),
]

CASES = [*SCHEMA_CASES, *VALIDATE_CASES, *FILE_TYPE_CASES]

pytestmark = pytest.mark.filterwarnings("ignore:`batch_timeout` is accepted and not used")


def _id(case: Case) -> str:
    return case.name


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_spec_judges_as_the_table_says(case: Case) -> None:
    if case.ours:
        DestinationSpec(**case.spec)
        DestinationSpec.from_document(case.spec)
    else:
        with pytest.raises(SpecError):
            DestinationSpec(**case.spec)
        with pytest.raises(SpecError):
            DestinationSpec.from_document(case.spec)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_json_schema_judges_as_the_spec(case: Case, schema: Draft202012Validator) -> None:
    assert schema.is_valid(case.spec) == case.ours


@pytest.mark.parametrize("case", [case for case in CASES if case.cloudquery != case.ours], ids=_id)
def test_a_difference_has_its_reason_and_stands_in_the_document(case: Case) -> None:
    assert case.reason
    assert f"| {case.name} |" in DOCUMENT.read_text(encoding="utf-8")


def test_the_document_names_no_difference_that_is_none() -> None:
    differing = {case.name for case in CASES if case.cloudquery != case.ours}
    table = DOCUMENT.read_text(encoding="utf-8").partition("## Validation cases")[2]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    assert set(rows) - {"case", "---"} == differing


def test_no_two_cases_have_one_name() -> None:
    names = [case.name for case in CASES]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("spec", "content_type"),
    [
        ({"format": "json"}, "application/json"),
        ({"format": "csv"}, "text/csv"),
        ({"format": "csv", "compression": "gzip"}, "application/gzip"),
        ({"format": "json", "compression": "gzip"}, "application/gzip"),
        ({"format": "csv", "compression": "gzip", "content_type": "application/custom"}, "application/custom"),
    ],
)
def test_content_types_are_those_of_cloudquery(spec: dict[str, Any], content_type: str) -> None:
    assert DestinationSpec(**_with(**spec)).put_arguments["ContentType"] == content_type


def test_a_path_without_a_table_gets_none_appended() -> None:
    spec = DestinationSpec(**_with(format="json", path="test/path", no_rotate=True))
    assert spec.path == "test/path"
