"""A table without records is an object of its own, where the spec wants that."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.integration.loading import load, load_staged, s3_state
from tests.servers import Bucket

EMPTY: dict[str, Any] = {"write_empty_objects_for_empty_tables": True}


def first_key(bucket: Bucket, **how: Any) -> str:
    """Return the key under which the first batch of the table `t` would lie."""
    (uri,) = load(bucket, [{"n": 1}], dry_run=True, **how).uris or ()
    return uri.removeprefix(f"s3://{bucket.name}/")


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
class TestLiesWhereASensorWaitsForTheFirstBatch:
    def test_as_the_header_of_a_csv(self, bucket: Bucket, atomic: bool) -> None:
        report = load(bucket, [], columns=["n", "the text"], format="csv", atomic=atomic, **EMPTY)

        assert bucket.objects() == {first_key(bucket, format="csv"): b"n,the text\n"}
        assert (report.records, report.objects, report.bytes) == (0, 1, 11)
        assert report.uris == [f"s3://{bucket.name}/{first_key(bucket, format='csv')}"]

    def test_as_json_of_no_bytes(self, bucket: Bucket, atomic: bool) -> None:
        report = load(bucket, iter(()), atomic=atomic, **EMPTY)

        assert bucket.objects() == {first_key(bucket): b""}
        assert (report.records, report.objects, report.bytes) == (0, 1, 0)

    def test_as_a_gzip_of_nothing(self, moto_bucket: Bucket, atomic: bool) -> None:
        load(moto_bucket, [], compression="gzip", atomic=atomic, **EMPTY)

        assert gzip.decompress(moto_bucket.objects()[first_key(moto_bucket, compression="gzip")]) == b""


class TestTheHeader:
    def test_is_that_of_the_staged_files(self, moto_bucket: Bucket) -> None:
        moto_bucket.write("in/full/1.csv", b"a,b\n1,2\n")
        moto_bucket.write("in/none/1.csv", b"a,b\n")
        moto_bucket.write("in/none/2.csv", b"a,c\n")

        report = load_staged(
            moto_bucket, f"s3://{moto_bucket.name}/in/{{{{TABLE}}}}/*.csv", None, format="csv", **EMPTY
        )

        assert list(moto_bucket.objects("out/").values()) == [b"a,b\n1,2\n", b"a,b,c\n"]
        assert {name: (one.records, one.objects) for name, one in report.tables.items()} == {
            "full": (1, 1),
            "none": (0, 1),
        }

    def test_is_that_of_an_arrow_schema(self, moto_bucket: Bucket) -> None:
        import pyarrow

        load(moto_bucket, pyarrow.table({"id": [], "at": []}), format="csv", **EMPTY)

        assert list(moto_bucket.objects().values()) == [b"id,at\n"]

    def test_is_nothing_where_no_column_is_known(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [], format="csv", **EMPTY)

        assert list(moto_bucket.objects().values()) == [b""]

    def test_is_left_out_where_the_spec_skips_it(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [], columns=["n"], format="csv", format_spec={"skip_header": True}, **EMPTY)

        assert list(moto_bucket.objects().values()) == [b""]


def test_only_the_tables_without_records_have_one(moto_bucket: Bucket) -> None:
    report = load(moto_bucket, {"none": [], "one": [{"n": 1}], "nothing": iter(())}, None, **EMPTY)

    assert sorted(moto_bucket.objects().values()) == [b"", b"", b'{"n":1}\n']
    assert {name: (one.records, one.objects) for name, one in report.tables.items()} == {
        "none": (0, 1),
        "one": (1, 1),
        "nothing": (0, 1),
    }
    assert report == load(moto_bucket, {"none": [], "one": [{"n": 1}], "nothing": []}, None, dry_run=True, **EMPTY)


def test_one_object_without_rotation(moto_bucket: Bucket) -> None:
    load(moto_bucket, [], path="out/{{TABLE}}.json", no_rotate=True, **EMPTY)

    assert moto_bucket.objects() == {"out/t.json": b""}


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_retry_without_records_replaces_what_an_earlier_attempt_wrote(moto_bucket: Bucket, atomic: bool) -> None:
    def load_again(records: list[dict[str, int]]) -> None:
        load(moto_bucket, records, batch_size=2, atomic=atomic, state=s3_state(moto_bucket), **EMPTY)

    load_again([{"n": n} for n in range(5)])
    load_again([])

    assert list(moto_bucket.objects("out/").values()) == [b""]
    load_again([{"n": 1}])
    assert list(moto_bucket.objects("out/").values()) == [b'{"n":1}\n']
