"""Documents of CloudQuery: three forms, their keys, and what is pasted by mistake."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
import yaml

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.cloudquery import SYNC_ONLY

INNER: dict[str, Any] = {"bucket": "lake", "path": "raw/{{TABLE}}/{{UUID}}.csv", "format": "csv"}
ENVELOPE: dict[str, Any] = {"name": "s3", "path": "cloudquery/s3", "registry": "cloudquery", "version": "v7.10.2"}
SPEC = DestinationSpec(**INNER)

PUBLISHED = """
kind: destination
spec:
  name: "s3"
  path: "cloudquery/s3"
  version: "VERSION_DESTINATION_S3"
  write_mode: "append" # s3 only supports 'append' mode
  # batch_size: 10000 # optional
  # batch_size_bytes: 5242880 # optional
  spec:
    bucket: "bucket_name"
    path: "path/to/files/{{TABLE}}/{{UUID}}.csv"
    format: "csv"
"""


def _refused(document: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        DestinationSpec.from_document(document)
    return caught.value


def _faults(document: Any) -> list[tuple[str, str]]:
    return [(fault.key, fault.problem) for fault in _refused(document).faults]


def _one(key: str, values: list[Any]) -> dict[str, Any]:
    """Return the key with the only value, or nothing if there is none."""
    return dict(zip([key], values, strict=False))


@pytest.mark.filterwarnings("error")
class TestForms:
    @pytest.mark.parametrize(
        "document",
        [
            {"kind": "destination", "spec": {**ENVELOPE, "write_mode": "append", "spec": INNER}},
            {"kind": "destination", "spec": {"spec": INNER}},
            {"kind": "destination", "spec": INNER},
            {**ENVELOPE, "spec": INNER},
            {"spec": INNER},
            INNER,
        ],
        ids=["whole", "without plugin", "without spec part", "spec part", "spec part alone", "innermost"],
    )
    def test_every_form_gives_the_same_spec(self, document: dict[str, Any]) -> None:
        for form in (document, yaml.safe_dump(document), json.dumps(document), json.dumps(document, indent=2)):
            spec = DestinationSpec.from_document(form)
            assert spec.model_copy(update={"write_mode": "append"}) == SPEC

    def test_the_published_example_is_taken_as_it_stands(self) -> None:
        spec = DestinationSpec.from_document(PUBLISHED)
        assert spec.given() == {
            "bucket": "bucket_name",
            "path": "path/to/files/{{TABLE}}/{{UUID}}.csv",
            "format": "csv",
            "write_mode": "append",
        }
        assert (spec.batch_size, spec.batch_size_bytes) == (10_000, 5_242_880)

    def test_the_published_example_is_taken_with_its_comments_made_keys(self) -> None:
        text = PUBLISHED.replace("# batch_size: 10000 # optional", "batch_size: 10000").replace(
            "# batch_size_bytes: 5242880 # optional", "batch_size_bytes: 5242880"
        )
        assert DestinationSpec.from_document(text).given()["batch_size_bytes"] == 5_242_880

    def test_the_destination_is_found_among_several_documents(self) -> None:
        source = "kind: source\nspec:\n  name: aws\n  tables: ['*']\n  destinations: [s3]\n"
        for text in (f"{source}---{PUBLISHED}", f"{PUBLISHED}---\n{source}", f"---\n---{PUBLISHED}---\n"):
            assert DestinationSpec.from_document(text).bucket == "bucket_name"

    def test_an_anchor_with_a_merge_is_read(self) -> None:
        text = "spec:\n  <<: {bucket: other, format: csv}\n  bucket: lake\n  path: '{{UUID}}'\n"
        assert DestinationSpec.from_document(text).bucket == "lake"

    def test_a_byte_order_mark_is_passed_over(self) -> None:
        assert DestinationSpec.from_document(f"\ufeff{PUBLISHED}").bucket == "bucket_name"


class TestBatchSizes:
    @pytest.mark.parametrize("key", ["batch_size", "batch_size_bytes"])
    @pytest.mark.parametrize(
        ("outer", "inner"), [([5], []), ([], [5]), ([5], [5]), ([5], [None]), ([None], [5])], ids=str
    )
    def test_a_batch_size_may_stand_at_either_level(self, key: str, outer: list[Any], inner: list[Any]) -> None:
        document = {**_one(key, outer), "spec": {**INNER, **_one(key, inner)}}
        assert getattr(DestinationSpec.from_document(document), key) == 5

    @pytest.mark.parametrize("key", ["batch_size", "batch_size_bytes"])
    def test_two_batch_sizes_must_agree(self, key: str) -> None:
        assert _faults({key: 5, "spec": {**INNER, key: 6}}) == [(key, "is 5 beside `spec` and 6 inside it.")]

    def test_a_batch_size_of_the_outer_level_is_held_against_no_rotate_inside(self) -> None:
        assert [key for key, _ in _faults({"batch_size": 5, "spec": {**INNER, "path": "a", "no_rotate": True}})] == [
            "batch_size"
        ]

    def test_a_write_mode_that_s3_can_t_do_is_refused_at_the_outer_level(self) -> None:
        assert [key for key, _ in _faults({"write_mode": "overwrite-delete-stale", "spec": INNER})] == ["write_mode"]


class TestSyncOnlyKeys:
    values = dict.fromkeys(SYNC_ONLY, "x")

    @pytest.mark.parametrize(
        "document",
        [
            {**values, "spec": INNER},
            {"kind": "destination", "spec": {**values, "spec": INNER}},
            {**values, "spec": {**values, **INNER}},
            {**values, **INNER},
        ],
        ids=["spec part", "whole", "at both levels", "innermost"],
    )
    def test_all_of_them_together_give_one_warning(self, document: dict[str, Any]) -> None:
        with pytest.warns(UserWarning, match="Only a CloudQuery sync") as caught:
            assert DestinationSpec.from_document(document) == SPEC
        assert [str(one.message) for one in caught] == [
            f"Only a CloudQuery sync knows {', '.join(f'`{key}`' for key in SYNC_ONLY)}: not used."
        ]

    def test_a_misspelt_one_is_refused_with_a_guess(self) -> None:
        assert _refused({"migratemode": "safe", "spec": INNER}).faults[0].remedy == "Did you mean `migrate_mode`?"

    def test_the_warning_waits_until_the_document_holds(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _refused({"migrate_mode": "safe", "nonsense": 1, "spec": INNER})


class TestKeysAroundTheSpec:
    def test_faults_of_the_document_and_of_the_spec_are_told_together(self) -> None:
        document = {"kind": "Destination", "x": 1, "spec": {**ENVELOPE, "y": 2, "spec": {**INNER, "batch_size": 0}}}
        assert [key for key, _ in _faults(document)] == ["kind", "x", "y", "batch_size"]

    @pytest.mark.parametrize("kind", ["source", None, 5, ["destination"]])
    def test_another_kind_is_refused(self, kind: Any) -> None:
        assert "kind" in [key for key, _ in _faults({"kind": kind, "spec": {"spec": INNER}})]

    @pytest.mark.parametrize("inner", [None, [], "text", 5])
    @pytest.mark.parametrize("kind", [{}, {"kind": "destination"}])
    def test_a_spec_that_is_no_mapping_is_refused(self, kind: dict[str, str], inner: Any) -> None:
        (fault,) = _refused({**kind, "spec": inner}).faults
        assert fault.key == "spec"
        assert fault.problem.startswith("is no mapping but ")

    def test_a_document_of_the_plugin_alone_lacks_its_spec(self) -> None:
        assert _faults(ENVELOPE) == [("spec", "is missing.")]
        assert _faults({"kind": "destination"}) == [("spec", "is missing.")]

    def test_a_field_at_the_wrong_level_is_sent_to_the_right_one(self) -> None:
        (fault,) = _refused({"bucket": "lake", "spec": INNER}).faults
        assert (fault.key, fault.remedy) == ("bucket", "Put it below the innermost `spec:`.")

    @pytest.mark.parametrize("registry", [{}, {"registry": None}, {"registry": "github"}, {"registry": "cloudquery"}])
    def test_a_document_of_another_plugin_is_refused(self, registry: dict[str, Any]) -> None:
        document = {"path": "cloudquery/postgresql", **registry, "spec": INNER}
        assert _faults(document) == [("path", "names the plugin 'cloudquery/postgresql'.")]

    @pytest.mark.parametrize("registry", ["local", "grpc", "docker"])
    def test_a_plugin_from_elsewhere_may_have_any_path(self, registry: str) -> None:
        document = {"path": "localhost:7777", "registry": registry, "spec": INNER}
        assert DestinationSpec.from_document(document) == SPEC

    def test_transformers_are_refused_unless_there_are_none(self) -> None:
        assert DestinationSpec.from_document({"transformers": [], "spec": INNER}) == SPEC
        assert [key for key, _ in _faults({"transformers": ["basic"], "spec": INNER})] == ["transformers"]


class TestVariables:
    def test_each_variable_is_refused_with_its_way_out(self) -> None:
        error = _refused({"kind": "destination", "spec": {"spec": {**INNER, "bucket": "${BUCKET}", "region": "a${R}"}}})
        assert [(fault.key, fault.problem) for fault in error.faults] == [
            ("bucket", "${BUCKET} is CloudQuery's variable and is not replaced here."),
            ("region", "${R} is CloudQuery's variable and is not replaced here."),
        ]
        assert "{{ var.value.BUCKET }}" in error.faults[0].remedy

    @pytest.mark.parametrize(
        ("document", "key"),
        [
            ({"version": "${V}", "spec": INNER}, "version"),
            ({**INNER, "tags": {"team": "${TEAM}"}}, "tags.team"),
            ({**INNER, "tags": {"${TEAM}": "x"}}, "tags"),
            ({"transformers": [], "spec": {**INNER, "metadata": {"a": "x${B}y"}}}, "metadata.a"),
        ],
    )
    def test_a_variable_is_found_wherever_it_stands(self, document: dict[str, Any], key: str) -> None:
        assert _faults(document)[0][0] == key

    def test_a_variable_that_is_no_name_gets_no_jinja_that_would_not_work(self) -> None:
        (fault,) = _refused({**INNER, "region": "${file:./region.txt}"}).faults
        assert "${file:./region.txt}" in fault.problem
        assert "var.value" not in fault.remedy

    def test_a_field_with_a_variable_is_judged_by_no_other_rule(self) -> None:
        document = {"batch_size": "${SIZE}", "spec": {**INNER, "format": "${FORMAT}", "path": "${PATH}", "acl": "x"}}
        assert [key for key, _ in _faults(document)] == ["batch_size", "path", "format", "acl"]

    @pytest.mark.parametrize("text", ["$BUCKET", "a$b", "{BUCKET}x"])
    def test_a_dollar_alone_is_no_variable(self, text: str) -> None:
        assert DestinationSpec.from_document({**INNER, "tags": {"a": text}}).tags == {"a": text}


class TestPastedByMistake:
    @pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n"])
    def test_empty_text_holds_no_destination(self, text: str) -> None:
        assert _faults(text) == [("spec", "holds 0 destinations.")]

    def test_two_destinations_are_one_too_many(self) -> None:
        assert _faults(f"{PUBLISHED}---{PUBLISHED}") == [("spec", "holds 2 destinations.")]

    @pytest.mark.parametrize("text", ["- bucket: lake", "lake", "5", "2026-01-31", "[[[[[]]]]]"])
    def test_text_that_is_no_mapping_is_refused(self, text: str) -> None:
        assert _faults(text)[0][1].startswith("is no mapping but ")

    @pytest.mark.parametrize("document", [[INNER], None, b"bucket: lake", 5, ("bucket", "lake")])
    def test_what_is_neither_mapping_nor_text_is_refused(self, document: Any) -> None:
        (fault,) = _refused(document).faults
        assert fault.problem == f"is {type(document).__name__}."

    @pytest.mark.parametrize("path", ["{{TABLE}}/{{UUID}}.csv", "{{UUID}}", "raw/{{TABLE}}: {{UUID}}"])
    def test_braces_without_quotes_are_told_with_line_and_remedy(self, path: str) -> None:
        (fault,) = _refused(f"bucket: lake\npath: {path}\nformat: csv").faults
        assert fault.problem.startswith("is not valid YAML: line 2, column ")
        assert "\n" not in fault.problem
        assert "Quote strings that hold braces" in fault.remedy

    @pytest.mark.parametrize(
        "text",
        [
            "bucket:\tlake\n\tpath: x",
            "bucket: 'lake",
            "bucket: lake\0",
            "batch_size: " + "9" * 5000,
            "bucket: 2026-02-30",
            "bucket: !!bool lake",
            "bucket: !!timestamp lake",
            "bucket: !!int ''",
            "!!python/object/apply:os.getcwd []",
            "? [bucket]\n: lake",
            "{bucket: lake}: 5",
            "[" * 800,
            "{a: " * 800 + "}" * 800,
        ],
        ids=lambda text: text[:24].encode("unicode_escape").decode(),
    )
    def test_text_that_yaml_can_t_read_is_refused(self, text: str) -> None:
        ((key, problem),) = _faults(text)
        assert key == "spec"
        assert problem.startswith("is not valid YAML: ")

    def test_a_key_given_twice_is_refused_and_not_overwritten(self) -> None:
        ((_, problem),) = _faults("bucket: lake\nbucket: sea\npath: '{{UUID}}'\nformat: csv")
        assert problem == "is not valid YAML: line 2, column 1: the key 'bucket' is given twice."

    def test_keys_that_are_no_strings_are_refused(self) -> None:
        document: dict[Any, Any] = {
            "kind": "destination",
            1: "a",
            "spec": {**ENVELOPE, 2.5: "b", "spec": {**INNER, None: "c"}},
        }
        assert [key for key, _ in _faults(document)] == ["1", "2.5", "None"]
        assert [key for key, _ in _faults("yes: no\nbucket: lake\npath: '{{UUID}}'\nformat: csv")] == ["True"]

    def test_values_of_types_that_only_yaml_has_are_refused(self) -> None:
        text = "bucket: 2026-01-31\npath: !!binary aGVsbG8=\nformat: csv\ntags: !!set {a, b}"
        assert [key for key, _ in _faults(text)] == ["bucket", "path", "tags"]

    def test_a_document_that_holds_itself_is_refused(self) -> None:
        endless: dict[str, Any] = {}
        endless["spec"] = endless
        assert "spec" in [key for key, _ in _faults(endless)]
        assert "spec" in [key for key, _ in _faults("&a {bucket: lake, path: '{{UUID}}', format: csv, spec: *a}")]
        assert "tags.again" in [
            key for key, _ in _faults("bucket: b\npath: '{{UUID}}'\nformat: csv\ntags: &t {again: *t}")
        ]

    def test_a_document_that_unfolds_without_end_is_judged_at_once(self) -> None:
        lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
        assert len(_faults("\n".join(lines))) >= 40

    def test_a_mapping_nested_thousands_deep_is_refused(self) -> None:
        deep: dict[str, Any] = {}
        for _ in range(5000):
            deep = {"a": deep}
        assert [key for key, _ in _faults({**INNER, "tags": deep})] == ["tags.a"]
