"""Records go to the partition that their values name, and Hive's readers find all of them there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.dataset
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.load import partitioning
from airflow_provider_s3dest.load.transforms import passing_for
from tests.integration.loading import load, load_staged, records_in, s3_state, spec_of
from tests.servers import Bucket

PATH = "out/{{TABLE}}/region={{FIELD.region}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"
HOSTILE = [*map(chr, range(1, 128)), "ü", "漢字", "😀", ".", "..", "a/b", "a=b", "%2F", "a%", " x ", "{{UUID}}", "null"]
TAKEN_FOR_NULL = ["null"] if duckdb.__version__ < "2" else []
"""Texts of a partition that this DuckDB takes for no value; version 2, which needs Python 3.11, takes none."""


def records(count: int = 40) -> list[dict[str, Any]]:
    return [{"n": n, "region": ("eu", "us", None)[n % 3]} for n in range(count)]


def by_folder(bucket: Bucket, folder: str = "out/t/") -> dict[str, list[list[int]]]:
    """Return the numbers of the records in each JSON object, by partition."""
    found: dict[str, list[list[int]]] = {}
    for key, body in bucket.objects(folder).items():
        partition = key.removeprefix(folder).rpartition("/")[0]
        found.setdefault(partition, []).append([json.loads(line)["n"] for line in body.splitlines()])
    return found


def copied(bucket: Bucket, folder: Path) -> Path:
    """Copy the objects of a bucket to the disk, where readers find them."""
    for key, body in bucket.objects("out/").items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder / "out/t"


BY_TWO = {
    "region=eu": [[0, 3], [6, 9]],
    "region=us": [[1, 4], [7]],
    "region=__HIVE_DEFAULT_PARTITION__": [[2, 5], [8]],
}
"""Ten records in batches of two."""


class TestEveryLane:
    """A list, a stream, Arrow and staged files sort their records alike."""

    def test_of_a_list_and_its_report(self, bucket: Bucket) -> None:
        report = load(bucket, records(10), path=PATH, batch_size=2)

        assert by_folder(bucket) == BY_TWO
        assert (report.records, report.objects) == (10, 6)
        assert report.tables["t"].prefix == "out/t/"
        assert sorted(report.uris or ()) == [f"s3://{bucket.name}/{key}" for key in bucket.objects()]
        assert report == load(bucket, records(10), path=PATH, batch_size=2, dry_run=True)

    def test_of_a_stream_in_which_some_records_lack_the_field(self, moto_bucket: Bucket) -> None:
        def stream() -> Iterator[dict[str, Any]]:
            for record in records(10):
                yield {name: value for name, value in record.items() if value is not None}

        load(moto_bucket, stream(), path=PATH, batch_size=2)
        assert by_folder(moto_bucket) == BY_TWO

    def test_of_arrow(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, pyarrow.Table.from_pylist(records(10)), path=PATH, batch_size=2)
        assert by_folder(moto_bucket) == BY_TWO

    @pytest.mark.parametrize("columns", ["keep", "drop"])
    @pytest.mark.parametrize("format_", ["csv", "json"])
    def test_of_arrow_as_of_a_list_byte_by_byte(self, moto_bucket: Bucket, format_: str, columns: str) -> None:
        rows = [{**one, "day": date(2026, 2, one["n"] % 5 + 1), "text": "x" * (one["n"] % 9)} for one in records(1_000)]
        options: dict[str, Any] = {
            "path": "out/{{FIELD.region}}/{{FIELD.day}}/{{BATCH}}-{{UUID}}",
            "format": format_,
            "partition_columns": columns,
            "batch_size": 30,
        }
        load(moto_bucket, rows, **options)
        of_a_list = moto_bucket.objects()

        load(moto_bucket, pyarrow.Table.from_pylist(rows), **options)

        assert len(of_a_list) == 45
        assert moto_bucket.objects() == of_a_list

    @pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
    def test_of_staged_files(self, moto_bucket: Bucket, name: str) -> None:
        lines = {
            "a.csv": ["n,region", *(f"{one['n']},{one['region'] or ''}" for one in records(10))],
            "a.ndjson": [json.dumps(one) for one in records(10)],
        }
        moto_bucket.write(f"in/{name}", "\n".join(lines[name]).encode())

        load_staged(moto_bucket, f"s3://{moto_bucket.name}/in/{name}", path=PATH, batch_size=2)

        found = by_folder(moto_bucket)
        assert {key: [[int(n) for n in batch] for batch in batches] for key, batches in found.items()} == BY_TWO

    def test_lets_nothing_pass_by(self, moto_bucket: Bucket) -> None:
        assert passing_for(spec_of(moto_bucket, path=PATH)) is None
        assert passing_for(spec_of(moto_bucket, path=PATH, format="csv")) is None


class TestReaders:
    """DuckDB and PyArrow unescape the values as Hive does."""

    @pytest.mark.parametrize("columns", ["keep", "drop"])
    def test_find_every_value_in_the_folders(self, moto_bucket: Bucket, tmp_path: Path, columns: str) -> None:
        rows = [{"n": n, "part": value} for n, value in enumerate(HOSTILE)]
        load(
            moto_bucket,
            rows,
            path="out/{{TABLE}}/part={{FIELD.part}}/{{UUID}}.csv",
            format="csv",
            partition_columns=columns,
        )
        folder = copied(moto_bucket, tmp_path)

        # DuckDB takes no folder with a line end or the like into a glob; its guess of the dialect errs at such values.
        columns_of_objects = "{'n': 'INTEGER', 'part': 'VARCHAR'}" if columns == "keep" else "{'n': 'INTEGER'}"
        found = duckdb.execute(
            f"SELECT n, part FROM read_csv('{folder}/*/*.csv', hive_partitioning=true, hive_types_autocast=false, "
            f"columns={columns_of_objects}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"')"
        ).fetchall()
        assert dict(found) == {row["n"]: None if row["part"] in TAKEN_FOR_NULL else row["part"] for row in rows}

        partitioning_ = pyarrow.dataset.partitioning(pyarrow.schema([("part", pyarrow.string())]), flavor="hive")
        if columns == "drop":
            dataset = pyarrow.dataset.dataset(folder, format="csv", partitioning=partitioning_)
            assert dataset.to_table().sort_by("n").to_pylist() == rows

    def test_take_null_for_null_and_dates_for_dates(self, moto_bucket: Bucket, tmp_path: Path) -> None:
        rows = [{"n": 1, "day": date(2026, 2, 3), "id": 7}, {"n": 2, "day": None, "id": -1}]
        load(
            moto_bucket,
            rows,
            path="out/{{TABLE}}/day={{FIELD.day}}/id={{FIELD.id}}/{{UUID}}.csv",
            format="csv",
            partition_columns="drop",
        )
        folder = copied(moto_bucket, tmp_path)

        assert sorted(path.name for path in folder.iterdir()) == ["day=2026-02-03", "day=__HIVE_DEFAULT_PARTITION__"]
        query = f"SELECT n, day, id FROM read_csv('{folder}/*/*/*.csv', hive_partitioning=true) ORDER BY n"
        assert duckdb.execute(query).fetchall() == [(1, date(2026, 2, 3), 7), (2, None, -1)]


class TestColumnsOfThePath:
    def test_stay_in_the_objects(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, records(4), path=PATH)
        assert sorted(records_in(moto_bucket), key=lambda record: record["n"]) == records(4)

    @pytest.mark.parametrize(("format_", "first"), [("csv", b"n\n0\n3\n"), ("json", b'{"n":0}\n{"n":3}\n')])
    def test_are_left_out_where_the_spec_drops_them(self, moto_bucket: Bucket, format_: str, first: bytes) -> None:
        report = load(moto_bucket, records(4), path=PATH, format=format_, partition_columns="drop")
        assert next(body for key, body in moto_bucket.objects().items() if "region=eu" in key) == first
        assert report.tables["t"].columns == ("n",)

    def test_that_no_record_has_are_refused(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match=r"\{\{FIELD\}\} of \['regoin'\], but table 't' has no such column\."):
            load(moto_bucket, records(4), path="{{FIELD.regoin}}/{{UUID}}")
        assert moto_bucket.keys() == []

    def test_have_the_names_that_athena_takes(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [{"a-b": 1}], path="out/{{FIELD.a_b}}/{{UUID}}", athena=True)
        assert [key.split("/")[1] for key in moto_bucket.objects()] == ["1"]


def test_a_key_that_grows_too_long_names_the_record(moto_bucket: Bucket) -> None:
    with pytest.raises(RecordError, match=r"table 't', record 1: the partition .* gives a key of 1\d+ bytes"):
        load(moto_bucket, [{"region": "eu"}, {"region": "x" * 1000}], path=PATH)


def test_one_object_a_partition_without_rotation(moto_bucket: Bucket) -> None:
    load(moto_bucket, records(10), path="out/{{TABLE}}/{{FIELD.region}}.json", no_rotate=True)
    assert {key: body.count(b"\n") for key, body in moto_bucket.objects().items()} == {
        "out/t/__HIVE_DEFAULT_PARTITION__.json": 3,
        "out/t/eu.json": 4,
        "out/t/us.json": 3,
    }


def test_no_record_is_lost_where_more_partitions_wait_than_may(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitioning, "MAX_OPEN", 5)
    rows = [{"n": n, "region": n // 3 * 7 % 11} for n in range(200)]

    report = load(moto_bucket, rows, path=PATH, batch_size=50)

    assert Counter(record["n"] for record in records_in(moto_bucket)) == Counter(range(200))
    assert report.records == 200
    for partition, batches in by_folder(moto_bucket).items():
        numbers = [n for batch in batches for n in batch]
        assert numbers == [n for n in range(200) if partition == f"region={n // 3 * 7 % 11}"]


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
class TestAnotherAttempt:
    def test_of_the_same_input_writes_the_same(self, moto_bucket: Bucket, atomic: bool) -> None:
        load(moto_bucket, records(), path=PATH, batch_size=5)
        first = moto_bucket.objects()
        load(moto_bucket, records(), path=PATH, batch_size=5, atomic=atomic)
        assert moto_bucket.objects() == first

    def test_removes_the_partitions_that_are_no_more(self, moto_bucket: Bucket, atomic: bool) -> None:
        def load_again(rows: list[dict[str, Any]]) -> None:
            load(moto_bucket, rows, path=PATH, batch_size=2, atomic=atomic, state=s3_state(moto_bucket))

        load_again(records())
        load_again([{"n": 1, "region": "eu"}, {"n": 2, "region": "asia"}])

        assert by_folder(moto_bucket) == {"region=eu": [[1]], "region=asia": [[2]]}

    def test_removes_what_a_failed_one_left(self, moto_bucket: Bucket, atomic: bool) -> None:
        def failing() -> Iterator[dict[str, Any]]:
            yield from records(3_000)
            yield {"n": object(), "region": "eu"}

        state = s3_state(moto_bucket)
        with pytest.raises(RecordError):
            load(moto_bucket, failing(), path=PATH, batch_size=100, atomic=atomic, state=state)
        load(moto_bucket, records(3), path=PATH, atomic=atomic, state=s3_state(moto_bucket))

        assert by_folder(moto_bucket) == {
            "region=eu": [[0]],
            "region=us": [[1]],
            "region=__HIVE_DEFAULT_PARTITION__": [[2]],
        }
        assert moto_bucket.open_uploads() == []
