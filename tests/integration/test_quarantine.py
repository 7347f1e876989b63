"""Bad records lie in S3 beside the data, each exactly once after any number of attempts; they don't change the data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest

from airflow_provider_s3dest.errors import BadRecordsError, LoadStoppedError, RecordError
from airflow_provider_s3dest.s3.stop import StopFlag
from tests.integration.loading import load, load_staged, s3_state
from tests.servers import Bucket

BOTH = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
NO_RULE = object()


def rows(count: int, bad: Sequence[int] = ()) -> list[Any]:
    return [{"n": number, "v": NO_RULE if number in bad else "x" * 10} for number in range(count)]


def data_in(bucket: Bucket) -> dict[str, bytes]:
    return {key: body for key, body in bucket.objects("out/").items() if "/_quarantine/" not in key}


def quarantined_in(bucket: Bucket, prefix: str = "out/_quarantine/") -> list[dict[str, Any]]:
    return [json.loads(line) for body in bucket.objects(prefix).values() for line in body.splitlines()]


@BOTH
def test_bad_records_lie_in_quarantine_and_the_data_as_without_them(bucket: Bucket, atomic: bool) -> None:
    good = [row for row in rows(100) if row["n"] not in (3, 50, 51)]
    load(bucket, good, batch_size=10, atomic=atomic)
    alone = data_in(bucket)

    report = load(
        bucket, rows(100, [3, 50, 51]), batch_size=10, atomic=atomic, on_bad_record="quarantine", manifest="s3dest"
    )

    assert {key: body for key, body in data_in(bucket).items() if "/_manifest/" not in key} == alone
    assert sorted(line["index"] for line in quarantined_in(bucket)) == [3, 50, 51]
    assert quarantined_in(bucket)[0]["record"] == {"n": 3, "v": repr(NO_RULE)}
    assert (report.records, report.objects, report.bad_records) == (97, 10, 3)
    assert report.tables["t"].bad_records == 3
    assert report.uris == [f"s3://{bucket.name}/{key}" for key in alone]
    (manifest,) = bucket.objects("out/_manifest/").values()
    assert [one["uri"] for one in json.loads(manifest)["tables"]["t"]["objects"]] == report.uris


def test_their_objects_are_json_with_the_tags_and_metadata_of_the_others(moto_bucket: Bucket) -> None:
    load(
        moto_bucket,
        rows(25, range(25)),
        format="csv",
        compression="gzip",
        batch_size=10,
        tags={"team": "a"},
        metadata={"by": "me"},
        on_bad_record="quarantine",
        quarantine_path="bad/{{YEAR}}/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
    )
    keys = moto_bucket.keys("bad/2026/t/")
    assert [len(moto_bucket.read(key).splitlines()) for key in keys] == [10, 10, 5]
    assert [line["index"] for line in quarantined_in(moto_bucket, "bad/")] == list(range(25))
    head = moto_bucket.head(keys[0])
    assert (head["ContentType"], head["Metadata"]["by"], head["TagCount"]) == ("application/json", "me", 1)
    assert keys[0].endswith(".json")


def test_of_several_tables_each_has_its_own(moto_bucket: Bucket) -> None:
    report = load(
        moto_bucket, {"a": rows(3, [1]), "b": rows(3), "c": rows(3, [0, 2])}, None, on_bad_record="quarantine"
    )
    assert {name: table.bad_records for name, table in report.tables.items()} == {"a": 1, "b": 0, "c": 2}
    assert [line["table"] for line in quarantined_in(moto_bucket)] == ["a", "c", "c"]


def test_of_partitions_and_of_values_that_name_none(moto_bucket: Bucket) -> None:
    records = [{"p": "a", "n": 1}, {"p": [1], "n": 2}, {"p": "\ud83d", "n": 3}, {"n": NO_RULE}, {"p": "b", "n": 5}]
    path = "out/p={{FIELD.p}}/{{UUID}}.json"
    report = load(moto_bucket, records, path=path, on_bad_record="quarantine")
    assert sorted(data_in(moto_bucket).values()) == [b'{"p":"a","n":1}\n', b'{"p":"b","n":5}\n']
    assert [line["index"] for line in quarantined_in(moto_bucket)] == [1, 2, 3]
    assert (report.records, report.bad_records) == (2, 3)


@BOTH
def test_of_staged_files_of_s3_in_every_format(moto_bucket: Bucket, atomic: bool) -> None:
    moto_bucket.write("in/a.csv", b"n,s\n1,x\n2\nthree,y\n" + b"4,z\n" * 20_000)
    moto_bucket.write("in/b.csv", b'n,s\n"5"6,x\n7,"\xff"\n8,z\n')
    for format_ in ("csv", "json", "parquet"):
        report = load_staged(
            moto_bucket,
            f"s3://{moto_bucket.name}/in/",
            format=format_,
            atomic=atomic,
            state=s3_state(moto_bucket),
            schema={"n": "int64", "s": "string"},
            on_bad_record="quarantine",
        )
        assert (report.records, report.bad_records) == (20_002, 4)
        lines = quarantined_in(moto_bucket)
        assert [(line["file"][-5:], line["line"]) for line in lines] == [
            ("a.csv", 3),
            ("a.csv", 4),
            ("b.csv", 2),
            ("b.csv", 3),
        ]
        assert [line["record"] for line in lines] == ["2", "three,y", '"5"6,x', "Nywi/yI="]


def test_without_any_nothing_is_written_for_them(moto_bucket: Bucket) -> None:
    assert load(moto_bucket, rows(10), on_bad_record="quarantine").bad_records == 0
    assert quarantined_in(moto_bucket) == []


class TestTheLimit:
    @pytest.mark.parametrize("limit", [3, 0.03, 0.5, None])
    def test_lets_as_many_pass(self, moto_bucket: Bucket, limit: float | None) -> None:
        assert (
            load(moto_bucket, rows(100, [1, 2, 3]), on_bad_record="quarantine", max_bad_records=limit).bad_records == 3
        )

    @pytest.mark.parametrize(("limit", "said"), [(2, "2"), (0, "0"), (0.029, "a share of 0.029")])
    def test_fails_the_load_for_good(self, moto_bucket: Bucket, limit: float, said: str) -> None:
        with pytest.raises(BadRecordsError) as failed:
            load(moto_bucket, rows(100, [1, 2, 3]), on_bad_record="quarantine", max_bad_records=limit)
        assert failed.value.final
        text = str(failed.value)
        assert text.startswith(f"3 of 100 records are bad, and `max_bad_records` allows {said}. ")
        assert "\n  - table 't', record 1, column 'v': there is no rule for object" in text
        assert len(text.splitlines()) == 4

    def test_names_the_first_few(self, moto_bucket: Bucket) -> None:
        with pytest.raises(BadRecordsError, match=r"record 4, column [^\n]*\n  - and 15 more$"):
            load(moto_bucket, rows(100, range(20)), on_bad_record="quarantine", max_bad_records=0)

    def test_leaves_nothing_visible_with_atomic(self, bucket: Bucket) -> None:
        state = s3_state(bucket)
        with pytest.raises(BadRecordsError):
            load(
                bucket,
                rows(100, [7]),
                on_bad_record="quarantine",
                max_bad_records=0,
                atomic=True,
                batch_size=10,
                state=state,
            )
        assert bucket.keys("out/") == []
        assert bucket.open_uploads() == []

    def test_holds_for_a_dry_run_too(self, moto_bucket: Bucket) -> None:
        with pytest.raises(BadRecordsError):
            load(moto_bucket, rows(2, [0]), on_bad_record="quarantine", max_bad_records=0, dry_run=True)
        assert load(moto_bucket, rows(2, [0]), on_bad_record="quarantine", dry_run=True).bad_records == 1
        assert moto_bucket.keys() == []


class TestAnotherAttempt:
    @BOTH
    def test_replaces_them_and_removes_what_is_surplus(self, bucket: Bucket, atomic: bool) -> None:
        for bad in (range(40), range(12), range(0)):
            load(
                bucket, rows(50, bad), on_bad_record="quarantine", batch_size=10, atomic=atomic, state=s3_state(bucket)
            )
            assert sorted(line["index"] for line in quarantined_in(bucket)) == list(bad)
            assert len(bucket.keys("out/_quarantine/")) == -(-len(bad) // 10)
            numbers = [json.loads(line)["n"] for body in data_in(bucket).values() for line in body.splitlines()]
            assert sorted(numbers) == [number for number in range(50) if number not in bad]

    @BOTH
    def test_that_sets_none_aside_removes_those_of_the_one_before(self, bucket: Bucket, atomic: bool) -> None:
        load(
            bucket,
            rows(50, range(20)),
            on_bad_record="quarantine",
            batch_size=10,
            atomic=atomic,
            state=s3_state(bucket),
        )
        load(bucket, rows(50), batch_size=10, atomic=atomic, state=s3_state(bucket))
        assert quarantined_in(bucket) == []
        assert len(data_in(bucket)) == 5

    @BOTH
    def test_follows_one_that_failed(self, bucket: Bucket, atomic: bool) -> None:
        broken = self.then_broken(iter(rows(50, range(0, 50, 2))))
        with pytest.raises(OSError, match="gone"):
            load(bucket, broken, on_bad_record="quarantine", batch_size=5, atomic=atomic, state=s3_state(bucket))
        self.load_again(bucket, atomic)

    @BOTH
    def test_follows_one_that_was_killed(self, bucket: Bucket, atomic: bool) -> None:
        stop = StopFlag()

        def killed() -> Iterator[Any]:
            for row in rows(2_000, range(0, 2_000, 2)):
                if row["n"] == 1_500:
                    stop.set()
                yield row

        how: Any = {"state": s3_state(bucket), "stop": stop, "columns": ["n", "v"], "batch_size": 50}
        with pytest.raises(LoadStoppedError):
            load(bucket, killed(), on_bad_record="quarantine", atomic=atomic, **how)
        self.load_again(bucket, atomic)

    @BOTH
    def test_without_quarantine_fails_and_the_next_is_right(self, bucket: Bucket, atomic: bool) -> None:
        load(
            bucket, rows(50, range(20)), on_bad_record="quarantine", batch_size=5, atomic=atomic, state=s3_state(bucket)
        )
        with pytest.raises(RecordError):
            load(bucket, rows(50, [30]), batch_size=5, atomic=atomic, state=s3_state(bucket))
        self.load_again(bucket, atomic)

    @BOTH
    def test_after_any_others_leaves_what_it_alone_was_given(self, moto_bucket: Bucket, atomic: bool) -> None:
        random = Random(6)
        for _ in range(8):
            count, ends = random.randrange(60), random.random() < 0.6
            bad = [number for number in range(count) if random.random() < random.choice([0, 0.1, 0.9])]
            state, given = s3_state(moto_bucket), iter(rows(count, bad))
            how: Any = {
                "on_bad_record": "quarantine",
                "batch_size": 4,
                "atomic": atomic,
                "state": state,
                "columns": ["n", "v"],
            }
            if not ends:
                with pytest.raises(OSError, match="gone"):
                    load(moto_bucket, self.then_broken(given), **how)
                continue
            load(moto_bucket, given, **how)
            assert sorted(line["index"] for line in quarantined_in(moto_bucket)) == bad
            numbers = [json.loads(line)["n"] for body in data_in(moto_bucket).values() for line in body.splitlines()]
            assert sorted(numbers) == [number for number in range(count) if number not in bad]

    @staticmethod
    def then_broken(given: Iterator[Any]) -> Iterator[Any]:
        yield from given
        raise OSError("the source is gone")

    @staticmethod
    def load_again(bucket: Bucket, atomic: bool) -> None:
        report = load(
            bucket, rows(30, [1, 4]), on_bad_record="quarantine", batch_size=5, atomic=atomic, state=s3_state(bucket)
        )
        assert [line["index"] for line in quarantined_in(bucket)] == [1, 4]
        numbers = [json.loads(line)["n"] for body in data_in(bucket).values() for line in body.splitlines()]
        assert sorted(numbers) == [number for number in range(30) if number not in (1, 4)]
        assert (report.records, report.bad_records) == (28, 2)
        assert bucket.open_uploads() == []
