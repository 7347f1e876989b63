"""Table definitions lie beside the data, and are there only while the load is whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from tests.integration.loading import load, s3_state
from tests.servers import Bucket

RECORDS = [{"n": n, "text": "x" * n} for n in range(25)]
BOTH = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])


def definitions(bucket: Bucket) -> dict[str, str]:
    return {key: body.decode() for key, body in bucket.objects().items() if key.endswith(".sql")}


@BOTH
def test_each_table_has_one_for_each_dialect(bucket: Bucket, atomic: bool) -> None:
    report = load(bucket, {"a": RECORDS, "b": RECORDS}, None, ddl=["athena", "redshift"], atomic=atomic)

    found = definitions(bucket)
    assert [key[:10] for key in found] == ["out/_ddl/a", "out/_ddl/a", "out/_ddl/b", "out/_ddl/b"]
    assert [".".join(key.split(".")[1:]) for key in found] == ["athena.sql", "redshift.sql"] * 2
    assert {bucket.head(key)["ContentType"] for key in found} == {"application/sql"}
    for key, text in found.items():
        assert f"'s3://{bucket.name}/out/{key[9]}/'" in text
    assert report.objects == len(report.uris or ()) == 2


def test_they_are_sent_as_the_objects_are(moto_bucket: Bucket) -> None:
    load(moto_bucket, RECORDS, ddl=["athena"], tags={"a": "b"}, metadata={"c": "d"}, storage_class="STANDARD_IA")

    (key,) = definitions(moto_bucket)
    head = moto_bucket.head(key)
    assert (head["Metadata"], head["StorageClass"]) == ({"c": "d"}, "STANDARD_IA")
    client = moto_bucket.server.client()
    assert client.get_object_tagging(Bucket=moto_bucket.name, Key=key)["TagSet"] == [{"Key": "a", "Value": "b"}]


class TestTypes:
    def test_are_those_of_the_schema(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, RECORDS, schema={"n": "int16", "text": "string"}, ddl=["athena"])
        (text,) = definitions(moto_bucket).values()
        assert "(\n  `n` smallint,\n  `text` string\n)" in text

    def test_are_those_of_the_source(self, moto_bucket: Bucket) -> None:
        frame = pyarrow.table({"Id": pyarrow.array([1], "int32"), "Odd name": pyarrow.array([["a"]])})
        load(moto_bucket, frame, athena=True, ddl=["athena"])
        (text,) = definitions(moto_bucket).values()
        assert "(\n  `id` int,\n  `odd_name` array<string>\n)" in text

    def test_are_those_that_the_records_show_in_parquet_and_text_elsewhere(self, moto_bucket: Bucket) -> None:
        for form, wanted in (("parquet", "bigint"), ("json", "string")):
            load(moto_bucket, RECORDS, format=form, ddl=["athena"], path=f"{form}/{{{{UUID}}}}.{{{{FORMAT}}}}")
            (text,) = moto_bucket.objects(f"{form}/_ddl").values()
            assert f"`n` {wanted},".encode() in text

    def test_that_parquet_has_and_a_dialect_has_not_are_refused_before_anything_is_written(
        self, moto_bucket: Bucket
    ) -> None:
        with pytest.raises(SpecError, match=r"`ddl`: Athena has no type that reads time64\[us\] of Parquet"):
            load(moto_bucket, [{"at": "12:00:00"}], schema={"at": "time64[us]"}, format="parquet", ddl=["athena"])
        assert moto_bucket.keys() == []


def test_partitions_are_columns_of_the_path(moto_bucket: Bucket) -> None:
    path = "out/{{TABLE}}/n={{FIELD.n}}/{{UUID}}.{{FORMAT}}"
    schema = {"n": "int64", "text": "string"}
    for columns in ("keep", "drop"):
        load(moto_bucket, RECORDS, schema=schema, path=path, partition_columns=columns, ddl=["athena"])
        (text,) = definitions(moto_bucket).values()
        assert "(\n  `text` string\n)\nPARTITIONED BY (\n  `n` bigint\n)" in text
        assert text.endswith("\n\nMSCK REPAIR TABLE `t`;\n")


def test_a_table_without_known_columns_has_none(moto_bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    load(moto_bucket, [], ddl=["athena"])
    assert definitions(moto_bucket) == {}
    assert "Table t: no definition is written" in caplog.text


def test_copy_takes_the_manifest_where_there_is_one(moto_bucket: Bucket) -> None:
    report = load(moto_bucket, RECORDS, manifest="redshift", ddl=["redshift"], path="t/{{UUID}}.json")
    (text,) = definitions(moto_bucket).values()
    assert f"FROM '{report.manifest}'\n" in text
    assert "\nMANIFEST\n" in text


def test_copy_from_a_prefix_refuses_bad_records_below_it(moto_bucket: Bucket) -> None:
    how: dict[str, Any] = {"ddl": ["redshift"], "ddl_path": "d/{{TABLE}}.sql", "path": "out/{{UUID}}.json"}
    with pytest.raises(SpecError, match="`quarantine_path`: gives 'out/_quarantine/t/', which COPY loads"):
        load(moto_bucket, RECORDS, on_bad_record="quarantine", **how)
    assert not moto_bucket.keys()

    load(moto_bucket, RECORDS, on_bad_record="quarantine", quarantine_path="bad/{{UUID}}.json", **how)
    load(moto_bucket, RECORDS, on_bad_record="quarantine", manifest="redshift", **how)


class TestTheKey:
    def test_that_two_tables_would_share_is_that_of_ddl_path(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match="`ddl_path`: gives the tables 'a' and 'b' the same key 'd/x'"):
            load(moto_bucket, {"a": RECORDS, "b": RECORDS}, None, ddl=["athena"], ddl_path="d/x")
        assert not moto_bucket.keys()

    def test_is_the_same_for_every_attempt(self, moto_bucket: Bucket) -> None:
        for rows in (RECORDS, RECORDS[:1]):
            load(moto_bucket, rows, ddl=["athena"])
        assert len(definitions(moto_bucket)) == 1
        load(moto_bucket, RECORDS, ddl=["athena"], load_id="other")
        assert len(definitions(moto_bucket)) == 2

    def test_follows_the_template(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, RECORDS, ddl=["athena"], ddl_path="d/{{YEAR}}/{{TABLE}}.{{FORMAT}}")
        assert list(definitions(moto_bucket)) == ["d/2026/t.athena.sql"]

    @pytest.mark.parametrize(
        ("how", "problem"),
        [
            ({"ddl": ["athena", "redshift"], "ddl_path": "d/{{TABLE}}.sql"}, r"`ddl_path`: has no \{\{FORMAT\}\}"),
            (
                {"ddl": ["athena"], "ddl_path": "m.json", "manifest": "s3dest", "manifest_path": "m.json"},
                "gives two objects the key 'm.json'",
            ),
            ({"ddl": ["athena"], "ddl_path": "out/t/a.sql"}, "gives 'out/t/a.sql', which Athena reads as data"),
            ({"ddl": ["redshift"], "ddl_path": "out/t/_a.sql"}, "gives 'out/t/_a.sql', which COPY loads"),
            ({"ddl": ["redshift"], "path": "out/{{UUID}}.json"}, "gives 'out/_ddl/t-.*, which COPY loads"),
            (
                {"ddl": ["athena"], "ddl_path": "{{BATCH}}.sql"},
                r"has \{\{BATCH\}\} or \{\{FIELD\}\}, but a definit",
            ),
            (
                {
                    "ddl": ["redshift"],
                    "ddl_path": "out/t",
                    "path": "out/t",
                    "no_rotate": True,
                    "manifest": "redshift",
                    "manifest_path": "m",
                },
                "`ddl_path`: gives the key of an object: 'out/t'",
            ),
        ],
    )
    def test_is_refused_where_something_else_would_go_wrong(
        self, moto_bucket: Bucket, how: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(SpecError, match=problem):
            load(moto_bucket, RECORDS, **how)
        assert moto_bucket.keys() == []


@pytest.mark.parametrize(
    ("tables", "path", "problem"),
    [
        (["a_b", "a-b"], "out/{{TABLE_HYPHEN}}/{{UUID}}.json", "share 'out/a-b/'"),
        (["a_b", "a-b"], "out/{{TABLE}}/{{UUID}}.json", "gives two tables the name 'a_b' in Athena"),
    ],
)
def test_tables_that_would_be_one_are_refused(moto_bucket: Bucket, tables: list[str], path: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        load(moto_bucket, dict.fromkeys(tables, RECORDS), None, path=path, ddl=["athena"])


def test_none_is_written_by_a_dry_run(moto_bucket: Bucket) -> None:
    load(moto_bucket, RECORDS, ddl=["athena"], dry_run=True)
    assert moto_bucket.keys() == []


class TestAnotherAttempt:
    @BOTH
    def test_removes_those_of_another_key_or_that_are_no_more_wanted(self, moto_bucket: Bucket, atomic: bool) -> None:
        how: dict[str, Any] = {"atomic": atomic, "manifest": "s3dest"}
        load(moto_bucket, RECORDS, ddl=["athena", "redshift"], state=s3_state(moto_bucket), **how)
        load(moto_bucket, RECORDS, ddl=["athena"], ddl_path="d/a.sql", state=s3_state(moto_bucket), **how)
        assert list(definitions(moto_bucket)) == ["d/a.sql"]

        load(moto_bucket, RECORDS, state=s3_state(moto_bucket), **how)
        assert definitions(moto_bucket) == {}
        assert len(moto_bucket.keys("out/_manifest/")) == 1

    @BOTH
    def test_removes_that_of_a_table_whose_columns_it_does_not_know(self, moto_bucket: Bucket, atomic: bool) -> None:
        for rows, left in ((RECORDS, ["out/_ddl/a", "out/_ddl/b"]), ([], ["out/_ddl/a"])):
            tables = {"a": RECORDS, "b": rows}
            load(moto_bucket, tables, None, ddl=["athena"], atomic=atomic, state=s3_state(moto_bucket))
            assert [key.partition("-")[0] for key in definitions(moto_bucket)] == left

    def test_that_fails_leaves_none_where_objects_were_written_over(self, moto_bucket: Bucket) -> None:
        def failing() -> Iterator[dict[str, Any]]:
            yield from ({"n": n} for n in range(2_000))
            yield {"n": object()}

        load(moto_bucket, RECORDS, ddl=["athena"], state=s3_state(moto_bucket))
        with pytest.raises(RecordError):
            load(moto_bucket, failing(), batch_size=10, ddl=["athena"], state=s3_state(moto_bucket))
        assert definitions(moto_bucket) == {}

        load(moto_bucket, RECORDS, ddl=["athena"], state=s3_state(moto_bucket))
        assert len(definitions(moto_bucket)) == 1
