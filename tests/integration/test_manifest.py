"""A manifest lists the objects of a load, and is there only while the load is whole."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError, StoreError
from tests.integration.loading import MIB, Watched, load, records_in, s3_state
from tests.servers import Bucket
from tests.servers.bucket_policy import deny

RECORDS = [{"n": n, "text": "x" * n} for n in range(25)]
PATH = "out/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"
BOTH = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])


def manifests(bucket: Bucket) -> dict[str, Any]:
    return {key: json.loads(body) for key, body in bucket.objects("out/_manifest/").items()}


def the_manifest(bucket: Bucket) -> Any:
    (document,) = manifests(bucket).values()
    return document


def test_of_redshift_is_what_copy_takes(bucket: Bucket) -> None:
    report = load(bucket, RECORDS, batch_size=10, manifest="redshift", compression="gzip")

    sizes = {f"s3://{bucket.name}/{key}": len(body) for key, body in bucket.objects("out/t/").items()}
    assert the_manifest(bucket) == {
        "entries": [{"url": uri, "mandatory": True, "meta": {"content_length": size}} for uri, size in sizes.items()]
    }
    (key,) = manifests(bucket)
    assert report.manifest == f"s3://{bucket.name}/{key}"
    assert bucket.head(key)["ContentType"] == "application/json"
    assert report.objects == len(report.uris or ()) == 3


@BOTH
def test_of_our_own_tells_columns_records_bytes_and_checksums(bucket: Bucket, atomic: bool) -> None:
    report = load(bucket, {"a": RECORDS, "b": []}, None, batch_size=10, manifest="s3dest", atomic=atomic)

    tables = the_manifest(bucket)["tables"]
    assert tables["b"] == {"columns": [], "records": 0, "bytes": 0, "objects": []}
    assert {name: tables["a"][name] for name in ("columns", "records")} == {"columns": ["n", "text"], "records": 25}
    assert tables["a"]["bytes"] == report.bytes
    for one, (key, body) in zip(tables["a"]["objects"], bucket.objects("out/a/").items(), strict=True):
        assert one == {
            "uri": f"s3://{bucket.name}/{key}",
            "records": body.count(b"\n"),
            "bytes": len(body),
            "crc32": b64encode(crc32(body).to_bytes(4, "big")).decode(),
        }


def test_checksums_are_those_of_whole_objects_also_in_parts(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", 5 * MIB)
    rows = [{"n": n, "text": "é" * 512} for n in range(12_000)]

    load(moto_bucket, rows, path="out/{{TABLE}}.json", no_rotate=True, part_size=5 * MIB, manifest="s3dest")

    (one,) = the_manifest(moto_bucket)["tables"]["t"]["objects"]
    assert moto_bucket.head("out/t.json")["ETag"].endswith('-3"')
    assert one["crc32"] == b64encode(crc32(moto_bucket.read("out/t.json")).to_bytes(4, "big")).decode()


class TestTheKey:
    def test_is_the_same_for_every_attempt(self, moto_bucket: Bucket) -> None:
        first = load(moto_bucket, RECORDS, manifest="s3dest").manifest
        assert load(moto_bucket, RECORDS[:1], manifest="s3dest").manifest == first
        assert load(moto_bucket, RECORDS, manifest="s3dest", load_id="other").manifest != first
        assert len(manifests(moto_bucket)) == 2

    def test_follows_the_template(self, moto_bucket: Bucket) -> None:
        path = "lists/{{TABLE}}/{{YEAR}}-{{MONTH}}.{{FORMAT}}.manifest"
        report = load(moto_bucket, RECORDS, manifest="redshift", manifest_path=path, format="csv")
        assert report.manifest == f"s3://{moto_bucket.name}/lists/t/2026-02.csv.manifest"

    def test_of_an_object_is_refused_before_anything_is_written(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match="manifest_path"):
            self.load_over_itself(moto_bucket)
        assert moto_bucket.keys() == []

    @staticmethod
    def load_over_itself(bucket: Bucket) -> None:
        load(bucket, RECORDS, manifest="s3dest", path="out/t.json", manifest_path="out/t.json", no_rotate=True)


class TestIsRefused:
    def test_for_copy_of_two_tables(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match="`manifest`: is for COPY, which loads one table, but the load has 2"):
            load(moto_bucket, {"a": RECORDS, "b": RECORDS}, None, manifest="redshift")

    def test_with_one_table_in_the_key_of_two(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match=r"one manifest lists all 2 tables"):
            load(moto_bucket, {"a": [], "b": []}, None, manifest="s3dest", manifest_path="{{TABLE}}.json")

    @pytest.mark.parametrize("name", ["{{BATCH}}", "{{FIELD.n}}"])
    def test_with_what_a_manifest_has_none_of(self, moto_bucket: Bucket, name: str) -> None:
        with pytest.raises(SpecError, match=r"`manifest_path`: has \{\{BATCH\}\} or \{\{FIELD\}\}"):
            load(moto_bucket, RECORDS, manifest_path=f"{name}.json")


def test_none_is_written_by_a_dry_run(moto_bucket: Bucket) -> None:
    assert load(moto_bucket, RECORDS, manifest="s3dest", dry_run=True).manifest is None
    assert moto_bucket.keys() == []


class TestAnotherAttempt:
    @BOTH
    def test_replaces_it(self, bucket: Bucket, atomic: bool) -> None:
        for rows in (RECORDS, RECORDS[:12]):
            load(bucket, rows, batch_size=10, manifest="s3dest", atomic=atomic, state=s3_state(bucket))

        assert [one["uri"].rpartition("/")[2] for one in the_manifest(bucket)["tables"]["t"]["objects"]] == [
            key.rpartition("/")[2] for key in bucket.keys("out/t/")
        ]
        assert len(records_in(bucket, "out/t/")) == the_manifest(bucket)["tables"]["t"]["records"] == 12

    @BOTH
    def test_removes_one_of_another_key_or_that_is_no_more_wanted(self, moto_bucket: Bucket, atomic: bool) -> None:
        load(moto_bucket, RECORDS, manifest="s3dest", atomic=atomic, state=s3_state(moto_bucket))
        load(
            moto_bucket,
            RECORDS,
            manifest="redshift",
            manifest_path="out/_manifest/other.json",
            atomic=atomic,
            state=s3_state(moto_bucket),
        )
        assert list(manifests(moto_bucket)) == ["out/_manifest/other.json"]

        load(moto_bucket, RECORDS, atomic=atomic, state=s3_state(moto_bucket))
        assert manifests(moto_bucket) == {}

    @BOTH
    @pytest.mark.parametrize(
        ("first", "then"),
        [(("out/a", "out/x"), ("out/x", "out/m")), (("out/x", "out/m"), ("out/a", "out/x"))],
        ids=["that of an old manifest", "that of an old object"],
    )
    def test_removes_nothing_under_a_key_that_it_uses_for_something_else(
        self, moto_bucket: Bucket, first: tuple[str, str], then: tuple[str, str], atomic: bool
    ) -> None:
        how: dict[str, Any] = {"no_rotate": True, "manifest": "s3dest", "atomic": atomic, "written_path": "out/{{ x }}"}
        for path, manifest_path in (first, then):
            load(moto_bucket, RECORDS, path=path, manifest_path=manifest_path, state=s3_state(moto_bucket), **how)
        assert moto_bucket.keys("out/") == sorted(then)

    def test_that_fails_leaves_none_where_objects_were_written_over(self, moto_bucket: Bucket) -> None:
        def failing() -> Iterator[dict[str, Any]]:
            yield from ({"n": n} for n in range(2_000))
            yield {"n": object()}

        load(moto_bucket, RECORDS, manifest="s3dest", state=s3_state(moto_bucket))
        with pytest.raises(RecordError):
            load(moto_bucket, failing(), batch_size=10, manifest="s3dest", state=s3_state(moto_bucket))
        assert manifests(moto_bucket) == {}

        load(moto_bucket, RECORDS, manifest="s3dest", state=s3_state(moto_bucket))
        assert the_manifest(moto_bucket)["tables"]["t"]["records"] == 25

    def test_that_fails_leaves_the_one_of_the_load_that_is_still_whole(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, RECORDS, manifest="s3dest", atomic=True, state=s3_state(moto_bucket))
        before = moto_bucket.objects("out/")
        with pytest.raises(RecordError):
            load(moto_bucket, [{"n": object()}], manifest="s3dest", atomic=True, state=s3_state(moto_bucket))
        assert moto_bucket.objects("out/") == before

    def test_removes_it_before_the_first_write_even_where_no_state_is_kept(self, moto_bucket: Bucket) -> None:
        watched = Watched(moto_bucket.server.client())
        load(moto_bucket, RECORDS, manifest="s3dest")
        load(moto_bucket, RECORDS, manifest="s3dest", client=watched.client)
        assert watched.begun == ["DeleteObjects", "PutObject", "PutObject"]


def test_a_load_without_the_right_to_delete_needs_none_the_first_time(moto_bucket: Bucket) -> None:
    deny(moto_bucket, "s3:DeleteObject")

    load(moto_bucket, RECORDS, manifest="s3dest", state=s3_state(moto_bucket))
    assert the_manifest(moto_bucket)["tables"]["t"]["records"] == 25

    with pytest.raises(StoreError, match=r"can't be removed: s3://.*/out/_manifest/.*need s3:DeleteObject"):
        load(moto_bucket, RECORDS, manifest="s3dest", state=s3_state(moto_bucket))
