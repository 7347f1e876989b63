"""The destination spec: what it takes, what it refuses and how it says so, and how layers of fields make one."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from airflow_provider_s3dest.errors import S3DestinationError, SpecError
from airflow_provider_s3dest.s3.checksum import fingerprint
from airflow_provider_s3dest.spec.destination import DestinationSpec, merged, spec_fields_of
from airflow_provider_s3dest.spec.fields import CANNED_ACLS, REFUSED, UNUSED
from airflow_provider_s3dest.spec.limits import CHECKSUM, OWN_METADATA_BYTES, OWNER
from airflow_provider_s3dest.spec.sentinels import UNKNOWN

BASE: dict[str, Any] = {"bucket": "lake", "path": "raw/{{TABLE}}/{{UUID}}.csv", "format": "csv"}
ONE_OBJECT: dict[str, Any] = {**BASE, "path": "raw/{{TABLE}}.csv", "no_rotate": True}
SSE = "server_side_encryption_configuration"


def _refused(**fields: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        DestinationSpec(**fields)
    return caught.value


def _faults(**fields: Any) -> list[tuple[str, str]]:
    return [(fault.key, fault.problem) for fault in _refused(**fields).faults]


class TestDefaults:
    def test_the_required_fields_are_enough(self) -> None:
        spec = DestinationSpec(**BASE)
        assert spec.given() == BASE
        assert (spec.batch_size, spec.batch_size_bytes, spec.no_rotate) == (10_000, 5_242_880, False)
        assert (spec.compression, spec.write_mode, spec.format_spec) == ("", "append", {})
        assert (spec.csv.delimiter, spec.csv.skip_header) == (",", False)

    def test_what_was_set_to_its_default_counts_as_given(self) -> None:
        assert DestinationSpec(**BASE, batch_size=10_000).given() == {**BASE, "batch_size": 10_000}

    def test_options_of_csv_are_read(self) -> None:
        spec = DestinationSpec(**BASE, format_spec={"delimiter": "\t", "skip_header": True})
        assert (spec.csv.delimiter, spec.csv.skip_header) == ("\t", True)

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({}, "csv"),
            ({"format": "json"}, "json"),
            ({"compression": "gzip"}, "csv.gz"),
            ({"format": "json", "compression": "gzip"}, "json.gz"),
        ],
    )
    def test_the_file_format_names_format_and_compression(self, fields: dict[str, Any], text: str) -> None:
        assert DestinationSpec(**{**BASE, **fields}).file_format == text


class TestFaults:
    def test_all_faults_are_reported_at_once(self) -> None:
        error = _refused(
            bucket="",
            path="/a//{{TABEL}}",
            format="xml",
            batch_size=0,
            batchsize=5,
            tags={"team": 7},
            acl="world",
            region=None,
            endpoint="http://localhost:9000",
            server_side_encryption_configuration={"server_side_encryption": "aws:kms"},
        )
        keys = [fault.key for fault in error.faults]
        assert set(keys) == {
            *("bucket", "path", "format", "batch_size", "batchsize", "tags.team", "acl", "region", "endpoint", SSE),
        }
        assert keys.count("path") == 4  # unknown placeholder, leading slash, double slash, no {{UUID}}
        assert str(error).startswith(f"destination spec: {len(keys)} faults:\n  - ")
        assert all(f"`{fault.key}`: {fault.problem} {fault.remedy}" in str(error) for fault in error.faults)
        assert all(fault.remedy for fault in error.faults)

    def test_a_fault_names_key_value_and_remedy(self) -> None:
        assert str(_refused(**BASE, batch_size=0)) == (
            "destination spec: `batch_size`: input should be greater than or equal to 1, not 0. "
            "Records in an object, at least 1."
        )

    def test_the_error_is_a_value_error_that_no_retry_can_help(self) -> None:
        error = _refused()
        assert isinstance(error, ValueError)
        assert isinstance(error, S3DestinationError)
        assert error.final

    def test_the_required_fields_are_missed_one_by_one(self) -> None:
        assert _faults() == [("bucket", "is required."), ("path", "is required."), ("format", "is required.")]

    @pytest.mark.parametrize(
        ("misspelt", "meant"), [("buket", "bucket"), ("batchsize", "batch_size"), ("no_rotat", "no_rotate")]
    )
    def test_a_misspelt_field_is_refused_with_a_guess(self, misspelt: str, meant: str) -> None:
        assert _refused(**BASE, **{misspelt: 1}).faults[0].remedy == f"Did you mean `{meant}`?"

    def test_a_field_like_no_other_is_refused_with_the_list(self) -> None:
        fault = _refused(**BASE, xyz=1).faults[0]
        assert (fault.key, fault.problem) == ("xyz", "is unknown.")
        assert "bucket, path, format, format_spec" in fault.remedy

    @pytest.mark.parametrize("key", ["self", "cls", "model_config", "__class__", ""])
    def test_a_key_with_a_meaning_in_python_is_just_unknown(self, key: str) -> None:
        assert _faults(**{**BASE, key: 1}) == [(key, "is unknown.")]

    @pytest.mark.parametrize("key", REFUSED)
    @pytest.mark.parametrize("value", ["", "x", False, {"role_arn": "arn:aws:iam::1:role/x"}])
    def test_what_belongs_to_the_aws_connection_is_refused_with_its_place(self, key: str, value: Any) -> None:
        (fault,) = _refused(**BASE, **{key: value}).faults
        assert (fault.key, fault.problem) == (key, "is not taken here.")
        place = {
            "endpoint": "`endpoint_url` in the extra of the AWS connection",
            "credentials": "`role_arn` in the extra, of the AWS connection",
            "local_profile": "`profile_name` in the extra of the AWS connection",
            "aws_debug": "the logger `botocore`",
        }[key]
        assert place in fault.remedy

    def test_a_long_value_is_cut_in_the_message(self) -> None:
        assert len(str(_refused(**BASE, compression="x" * 10_000))) < 300

    def test_an_integer_with_too_many_digits_to_print_is_still_a_fault(self) -> None:
        assert _faults(**BASE, batch_size=-(10**5000))[0][0] == "batch_size"

    @pytest.mark.parametrize("tag", ["int", "str", "[key]", "constrained-str"])
    def test_a_tag_keeps_its_name_in_the_message_whatever_it_is(self, tag: str) -> None:
        assert [key for key, _ in _faults(**BASE, tags={tag: 1})] == [f"tags.{tag}"]

    @pytest.mark.parametrize("key", ["tags", "metadata", "format_spec", SSE])
    def test_a_key_that_is_no_string_is_a_fault_of_its_mapping(self, key: str) -> None:
        assert f"{key}.1" in [fault.key for fault in _refused(**BASE, **{key: {1: "a"}}).faults]

    def test_a_mapping_that_holds_itself_is_refused(self) -> None:
        tags: dict[str, Any] = {}
        tags["again"] = tags
        assert [key for key, _ in _faults(**BASE, tags=tags)] == ["tags.again"]


class TestNull:
    @pytest.mark.parametrize("key", ["batch_size", "batch_size_bytes", "batch_timeout", "format_spec"])
    def test_null_counts_as_not_given(self, key: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spec = DestinationSpec(**BASE, **{key: None})
        assert spec == DestinationSpec(**BASE)
        assert spec.given() == BASE

    def test_null_batch_limits_stand_beside_no_rotate(self) -> None:
        nothing = {"batch_size": None, "batch_size_bytes": None, "batch_timeout": None}
        assert DestinationSpec(**ONE_OBJECT, **nothing) == DestinationSpec(**ONE_OBJECT)

    @pytest.mark.parametrize(
        "key",
        sorted({*DestinationSpec.model_fields} - {"batch_size", "batch_size_bytes", "batch_timeout", "format_spec"}),
    )
    def test_null_is_refused_elsewhere(self, key: str) -> None:
        assert _faults(**{**BASE, key: None}) == [(key, "is null.")]


class TestSingleRules:
    @pytest.mark.parametrize("bucket", ["s3://lake", "lake/raw", "/lake", "{{TABLE}}", "{{ var.value.lake }}"])
    def test_a_bucket_is_a_name_alone(self, bucket: str) -> None:
        assert [key for key, _ in _faults(**{**BASE, "bucket": bucket})] == ["bucket"]

    def test_a_bucket_may_be_an_access_point(self) -> None:
        arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/lake"
        assert DestinationSpec(**{**BASE, "bucket": arn}).bucket == arn

    @pytest.mark.parametrize("delimiter", ['"', "\n", "\r", "\0", "", ",,"])
    def test_a_delimiter_that_csv_could_not_be_read_back_with_is_refused(self, delimiter: str) -> None:
        assert [key for key, _ in _faults(**BASE, format_spec={"delimiter": delimiter})] == ["format_spec.delimiter"]

    def test_an_option_of_another_format_is_refused_with_the_list(self) -> None:
        (fault,) = _refused(**{**BASE, "format": "json"}, format_spec={"delimiter": ";"}).faults
        assert (fault.key, fault.remedy) == ("format_spec.delimiter", "json takes no options.")
        (fault,) = _refused(**BASE, format_spec={"delimeter": ";"}).faults
        assert "`delimiter`" in fault.remedy

    @pytest.mark.parametrize("acl", CANNED_ACLS)
    def test_a_canned_acl_is_taken(self, acl: str) -> None:
        assert DestinationSpec(**BASE, acl=acl).put_arguments["ACL"] == acl

    @pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
    def test_the_kms_algorithms_need_a_key(self, algorithm: str) -> None:
        assert _faults(**BASE, **{SSE: {"server_side_encryption": algorithm}}) == [(SSE, f"{algorithm} needs a key.")]

    def test_tags_are_as_many_and_as_long_as_s3_takes(self) -> None:
        longest = {str(number).ljust(128, "k"): "v" * 256 for number in range(10)}
        assert DestinationSpec(**BASE, tags=longest).tags == longest
        assert _faults(**BASE, tags={str(number): "v" for number in range(11)}) == [("tags", "11 tags; S3 takes 10.")]
        for tags in ({"k" * 129: "v"}, {"k": "v" * 257}, {"": "v"}):
            assert [key for key, _ in _faults(**BASE, tags=tags)] == ["tags"]

    def test_metadata_are_as_large_as_s3_takes(self) -> None:
        assert len(CHECKSUM) + len(fingerprint(0, 1, {})) + len(OWNER) + len(str(UUID(int=0))) == OWN_METADATA_BYTES
        assert DestinationSpec(**BASE, metadata={"k" * 9: "v" * 1952}).metadata
        assert _faults(**BASE, metadata={"k" * 10: "v" * 1952}) == [
            ("metadata", "1,962 bytes; S3 takes 2,048, of which the provider itself needs 87.")
        ]

    def test_metadata_of_our_own_name_are_refused(self) -> None:
        for name in ("S3dest-Checksum", "s3dest-load"):
            assert [key for key, _ in _faults(**BASE, metadata={name: "x"})] == ["metadata"]

    def test_a_path_of_which_every_key_is_too_long_is_refused(self) -> None:
        longest = "x" * (1024 - 37)
        assert DestinationSpec(**{**BASE, "path": f"{longest}/{{{{UUID}}}}"}).path
        assert _faults(**{**BASE, "path": f"x{longest}/{{{{UUID}}}}"}) == [
            ("path", f"gives keys of 1,025 bytes and more, S3 takes 1,024: {'x' * 80}…")
        ]

    @pytest.mark.parametrize("metadata", [{"ü": "v"}, {"a b": "v"}, {"a": "ü"}, {"a": "b\r\nX-Y: z"}, {"": "v"}])
    def test_metadata_that_no_header_can_carry_are_refused(self, metadata: dict[str, str]) -> None:
        assert [key for key, _ in _faults(**BASE, metadata=metadata)] == ["metadata"]

    def test_metadata_that_s3_would_take_for_one_are_refused(self) -> None:
        assert [key for key, _ in _faults(**BASE, metadata={"Team": "a", "team": "b"})] == ["metadata"]

    @pytest.mark.parametrize("key", ["content_type", "storage_class"])
    def test_no_field_smuggles_a_header_in(self, key: str) -> None:
        assert [found for found, _ in _faults(**BASE, **{key: "a\r\nx-amz-acl: public-read"})] == [key]

    @pytest.mark.parametrize(
        "fields", [{"path": "\ud800{{UUID}}"}, {"tags": {"\ud800": "v"}}, {"tags": {"k": "\udfff"}}]
    )
    def test_half_a_surrogate_pair_is_refused(self, fields: dict[str, Any]) -> None:
        assert [key for key, _ in _faults(**{**BASE, **fields})] == list(fields)

    @pytest.mark.parametrize("mode", ["overwrite", "overwrite-delete-stale", ""])
    def test_s3_can_only_append(self, mode: str) -> None:
        assert [key for key, _ in _faults(**BASE, write_mode=mode)] == ["write_mode"]

    @pytest.mark.parametrize(
        "fields", [{"tags": {"t": "{{TABLE}}"}}, {"content_type": "{{ FORMAT }}"}, {"metadata": {"a": "x-{{UUID}}"}}]
    )
    def test_placeholders_work_in_the_path_alone(self, fields: dict[str, Any]) -> None:
        (fault,) = _refused(**BASE, **fields).faults
        assert fault.key.partition(".")[0] in fields
        assert fault.remedy == "Placeholders work in `path` only."

    def test_a_variable_of_cloudquery_is_refused_by_itself(self) -> None:
        fields = {"bucket": "${BUCKET}", "path": "/a/${X}//b", "format": "csv", "tags": {"a": "${T}"}}
        assert _faults(**fields) == [
            ("bucket", "${BUCKET} is CloudQuery's variable and is not replaced here."),
            ("path", "${X} is CloudQuery's variable and is not replaced here."),
            ("tags.a", "${T} is CloudQuery's variable and is not replaced here."),
        ]

    @pytest.mark.parametrize("field", ["content_type", "storage_class"])
    @pytest.mark.parametrize("text", [" a", "a ", " "])
    def test_a_header_with_a_blank_at_an_end_is_refused_since_stores_drop_it(self, field: str, text: str) -> None:
        assert _faults(**{**BASE, field: text}) == [(field, f"{text!r} has a blank at an end.")]

    def test_metadata_with_a_blank_at_an_end_are_refused_since_stores_drop_it(self) -> None:
        assert _faults(**BASE, metadata={"who": "me "}) == [("metadata", "'who': 'me ' has a blank at an end.")]
        assert DestinationSpec(**BASE, metadata={"who": "you and me"}).metadata == {"who": "you and me"}

    @pytest.mark.parametrize("bucket", ["key:secret@lake", "secret@lake"])
    def test_a_bucket_with_a_user_is_refused_and_the_user_not_told(self, bucket: str) -> None:
        assert _faults(**{**BASE, "bucket": bucket}) == [("bucket", "'***@lake' is no name of a bucket.")]

    @pytest.mark.parametrize("field", ["path", "manifest_path", "ddl_path"])
    @pytest.mark.parametrize("single", ["{TABLE}", "{table}", "{ UUID }", "{FIELD.day}", '{FIELD["a b"]}', "{YEAR}"])
    def test_a_placeholder_in_one_pair_of_braces_is_refused(self, field: str, single: str) -> None:
        fields = {**BASE, field: f"raw/{single}/{{{{UUID}}}}"}

        assert _faults(**fields) == [(field, f"has {single} in one pair of braces.")]

    @pytest.mark.parametrize("path", ["raw/{a}/{{UUID}}", "raw/{}/{{UUID}}", "raw/TABLE/{{UUID}}"])
    def test_other_braces_are_part_of_the_key(self, path: str) -> None:
        assert DestinationSpec(**{**BASE, "path": path}).path == path

    @pytest.mark.parametrize("path", ["s3://lake/raw/{{UUID}}", "S3A://lake/raw", "https://host/lake/{{UUID}}"])
    def test_a_url_as_path_is_told_where_the_bucket_goes(self, path: str) -> None:
        [fault] = _refused(**{**BASE, "path": path}).faults

        assert (fault.key, fault.problem) == ("path", f"{path!r} is a URL.")
        assert fault.remedy.endswith("the bucket goes into `bucket`.")


class TestJointRules:
    def test_batches_need_a_uuid(self) -> None:
        assert _faults(**{**BASE, "path": "raw/{{TABLE}}.csv"}) == [
            ("path", "has no {{UUID}}: each batch would overwrite the last.")
        ]

    def test_the_number_of_the_batch_does_not_stand_in_for_a_uuid(self) -> None:
        assert [key for key, _ in _faults(**{**BASE, "path": "raw/{{BATCH}}.csv"})] == ["path"]

    def test_one_object_has_no_uuid(self) -> None:
        assert [key for key, _ in _faults(**BASE, no_rotate=True)] == ["path"]

    @pytest.mark.parametrize(("key", "value"), [("batch_size", 5), ("batch_size_bytes", 5), ("batch_timeout", "5s")])
    def test_one_object_has_no_batch_limits(self, key: str, value: Any) -> None:
        assert [found for found, _ in _faults(**ONE_OBJECT, **{key: value})] == [key]

    def test_an_empty_table_has_no_partition_for_an_empty_object(self) -> None:
        partitioned = {**BASE, "path": "{{ FIELD.a }}/{{UUID}}"}
        assert DestinationSpec(**partitioned).partition_fields == ("a",)
        assert _faults(**partitioned, write_empty_objects_for_empty_tables=True) == [
            (
                "write_empty_objects_for_empty_tables",
                "is set, and a table without records has no value for {{FIELD}} in `path`.",
            )
        ]


class TestUnused:
    @pytest.mark.parametrize(("key", "value"), [("batch_timeout", "30s"), ("max_backoff", 30), ("test_write", False)])
    def test_a_field_that_is_not_used_warns_once_with_the_reason(self, key: str, value: Any) -> None:
        with pytest.warns(UserWarning, match="accepted and not used") as caught:
            DestinationSpec(**BASE, **{key: value})
        assert [str(one.message) for one in caught] == [f"`{key}` is accepted and not used: {UNUSED[key]}."]

    def test_three_of_them_warn_three_times(self) -> None:
        with pytest.warns(UserWarning, match="accepted and not used") as caught:
            DestinationSpec(**BASE, batch_timeout="30s", max_backoff="30s", test_write=True)
        assert len(caught) == 3

    @pytest.mark.parametrize("key", ["batch_timeout", "max_backoff"])
    def test_a_wrong_type_is_reported_once(self, key: str) -> None:
        assert [found for found, _ in _faults(**BASE, **{key: ["30s"]})] == [key]


class TestImmutability:
    def test_no_field_can_be_set(self) -> None:
        spec = DestinationSpec(**BASE)
        with pytest.raises(ValidationError, match="frozen"):
            spec.bucket = "other"
        assert spec.bucket == "lake"

    def test_the_caller_s_mapping_is_not_the_spec_s(self) -> None:
        tags = {"team": "data"}
        spec = DestinationSpec(**BASE, tags=tags)
        tags["team"] = "other"
        assert spec.tags == {"team": "data"}

    @pytest.mark.parametrize("name", ["tags", "metadata", "format_spec"])
    @pytest.mark.parametrize("given", [{}, {"delimiter": ";"}])
    def test_no_mapping_of_it_can_be_changed(self, name: str, given: dict[str, str]) -> None:
        spec = DestinationSpec(**BASE, **({name: given} if given else {}))
        changes: list[Callable[[Any], Any]] = [
            lambda mapping: mapping.__setitem__("a", "b"),
            lambda mapping: mapping.__delitem__("delimiter"),
            lambda mapping: mapping.update(a="b"),
            lambda mapping: mapping.setdefault("a", "b"),
            lambda mapping: mapping.__ior__({"a": "b"}),
            lambda mapping: mapping.pop("delimiter"),
            lambda mapping: mapping.popitem(),
            lambda mapping: mapping.clear(),
        ]
        for one in (spec, copy.deepcopy(spec), pickle.loads(pickle.dumps(spec)), spec.model_copy(deep=True)):
            for change in changes:
                with pytest.raises(TypeError, match="can't be changed"):
                    change(getattr(one, name))
            assert getattr(one, name) == given
        with pytest.raises(TypeError, match="can't be changed"):
            spec.given().get(name, spec.tags)["a"] = "b"

    @pytest.mark.filterwarnings("error")
    def test_a_copy_is_equal(self) -> None:
        spec = DestinationSpec(**BASE, tags={"a": "b"}, **{SSE: {"server_side_encryption": "AES256"}})
        assert copy.deepcopy(spec) == spec
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert DestinationSpec(**spec.given()) == spec


class TestInXCom:
    """Airflow stores the name of the class and what ``model_dump`` returns, and builds it of these again."""

    def test_it_has_the_name_of_its_public_module(self) -> None:
        assert DestinationSpec.__module__ == "airflow_provider_s3dest.spec"

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"no_rotate": True, "path": "{{TABLE}}.csv"},
            {"format_spec": {"delimiter": ";"}, "tags": {"a": "b"}, "compression": "gzip", "batch_size": 3},
            {"server_side_encryption_configuration": {"server_side_encryption": "AES256"}, "ddl": ["athena"]},
        ],
    )
    def test_it_comes_back_as_it_was(self, fields: dict[str, Any]) -> None:
        spec = DestinationSpec(**{**BASE, **fields})
        back = DestinationSpec(**spec.model_dump())
        assert (back, back.given().keys()) == (spec, spec.given().keys())


class TestPutArguments:
    def test_only_the_content_type_is_sent_by_default(self) -> None:
        assert DestinationSpec(**BASE).put_arguments == {"ContentType": "text/csv"}

    def test_every_field_travels_by_the_name_of_boto3(self) -> None:
        spec = DestinationSpec(
            **BASE,
            content_type="text/plain; charset=utf-8",
            acl="bucket-owner-full-control",
            tags={"team": "data & more", "größe": "a=b/c"},
            metadata={"Source": "shop"},
            storage_class="STANDARD_IA",
            server_side_encryption_configuration={"server_side_encryption": "aws:kms", "sse_kms_key_id": "1234"},
        )
        assert spec.put_arguments == {
            "ContentType": "text/plain; charset=utf-8",
            "ACL": "bucket-owner-full-control",
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "1234",
            "Tagging": "team=data%20%26%20more&gr%C3%B6%C3%9Fe=a%3Db%2Fc",
            "Metadata": {"Source": "shop"},
            "StorageClass": "STANDARD_IA",
        }

    def test_a_key_beside_aes256_is_not_sent(self) -> None:
        encryption = {"server_side_encryption": "AES256", "sse_kms_key_id": "1234"}
        arguments = DestinationSpec(**BASE, **{SSE: encryption}).put_arguments
        assert arguments == {"ContentType": "text/csv", "ServerSideEncryption": "AES256"}


class TestFromFile:
    def test_yaml_and_json_give_the_same_spec(self, tmp_path: Path) -> None:
        (tmp_path / "spec.yaml").write_text('bucket: lake\npath: "{{UUID}}.größe"\nformat: csv\n', encoding="utf-8")
        (tmp_path / "spec.json").write_text(
            '{"bucket": "lake", "path": "{{UUID}}.gr\\u00f6\\u00dfe", "format": "csv"}', encoding="utf-8"
        )
        assert DestinationSpec.from_file(tmp_path / "spec.yaml") == DestinationSpec.from_file(tmp_path / "spec.json")

    def test_a_path_may_be_text(self, tmp_path: Path) -> None:
        (tmp_path / "spec.yaml").write_text('bucket: lake\npath: "{{UUID}}"\nformat: csv\n', encoding="utf-8")
        assert DestinationSpec.from_file(str(tmp_path / "spec.yaml")).bucket == "lake"

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match=r"missing\.yaml' can't be read: .*No such file"):
            DestinationSpec.from_file(tmp_path / "missing.yaml")

    def test_what_can_t_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "latin.yaml").write_bytes("bucket: größe".encode("latin-1"))
        for path in (tmp_path, tmp_path / "latin.yaml", "a\0b"):
            with pytest.raises(SpecError, match="can't be read"):
                DestinationSpec.from_file(path)


class TestFieldsOfASpecArgument:
    def test_nothing_sets_nothing(self) -> None:
        assert spec_fields_of(None) == ({}, [])

    def test_a_spec_sets_what_was_given_to_it(self) -> None:
        assert spec_fields_of(DestinationSpec(**BASE)) == (BASE, [])

    def test_a_document_sets_its_fields_unchecked(self) -> None:
        assert spec_fields_of({"spec": {"batch_size": 0}, "batch_size_bytes": 7}) == (
            {"batch_size": 0, "batch_size_bytes": 7},
            [],
        )

    def test_a_field_that_can_t_be_read_is_unknown_beside_the_others(self) -> None:
        fields, (fault,) = spec_fields_of({"bucket": "${BUCKET}", "format": "csv"})
        assert (fields, fault.key) == ({"bucket": UNKNOWN, "format": "csv"}, "bucket")

    @pytest.mark.parametrize("spec", [5, b"bucket: lake", ["bucket"], object, True, "a: b: c", "", {"spec": None}])
    def test_of_anything_else_every_field_is_unknown(self, spec: Any) -> None:
        fields, (fault,) = spec_fields_of(spec)
        assert fields == dict.fromkeys(DestinationSpec.model_fields, UNKNOWN)
        assert fault.key == "spec"


class TestMerged:
    def test_the_first_layer_that_gives_a_field_wins(self) -> None:
        layers = {"bucket": "a"}, {"bucket": "b", "format": "csv"}, {"format": "json", "path": "p"}
        assert merged(*layers) == {"bucket": "a", "format": "csv", "path": "p"}

    def test_a_mapping_replaces_a_mapping_whole(self) -> None:
        assert merged({"tags": {"a": "1"}}, {"tags": {"b": "2"}}) == {"tags": {"a": "1"}}

    def test_a_null_that_counts_as_not_given_leaves_the_field_to_the_next(self) -> None:
        assert merged({"batch_size": None}, {"batch_size": 5}) == {"batch_size": 5}

    def test_any_other_null_stays_to_be_refused(self) -> None:
        assert merged({"bucket": None}, {"bucket": "b"}) == {"bucket": None}

    @pytest.mark.parametrize("limit", ["batch_size", "batch_size_bytes", "batch_timeout"])
    def test_one_object_takes_the_batch_limits_of_weaker_layers_away(self, limit: str) -> None:
        assert merged({"no_rotate": True}, {limit: 5}) == {"no_rotate": True}
        assert merged({"bucket": "b"}, {"no_rotate": True}, {limit: 5}) == {"bucket": "b", "no_rotate": True}

    @pytest.mark.parametrize("layer", [{"no_rotate": True, "batch_size": 5}, {"batch_size": 5, "no_rotate": True}])
    def test_one_layer_that_says_both_keeps_both_to_be_refused(self, layer: dict[str, Any]) -> None:
        assert merged(layer) == layer
        assert merged({}, layer, {}) == layer

    def test_a_stronger_batch_size_beside_a_weaker_no_rotate_stays_to_be_refused(self) -> None:
        assert merged({"batch_size": 5}, {"no_rotate": True}) == {"batch_size": 5, "no_rotate": True}

    def test_a_stronger_no_rotate_of_false_keeps_the_batch_sizes(self) -> None:
        assert merged({"no_rotate": False}, {"no_rotate": True, "batch_size": 5}) == {
            "no_rotate": False,
            "batch_size": 5,
        }

    def test_no_layer_is_changed(self) -> None:
        strong, weak = {"no_rotate": True}, {"batch_size": 5, "bucket": "b"}
        merged(strong, weak)
        assert (strong, weak) == ({"no_rotate": True}, {"batch_size": 5, "bucket": "b"})
