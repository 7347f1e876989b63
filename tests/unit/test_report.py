"""The report of a load, and one report of several loads, such as the shards of a staging path."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_s3dest import report
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.report import LoadReport, TableReport

TABLES = {
    "planes": TableReport(records=3, objects=2, bytes=70, columns=["id"], prefix="raw/planes/", bad_records=1),
    "trains": TableReport(records=4, objects=1, bytes=5, columns=["id", "to"], prefix="raw/trains/"),
}
URIS = ["s3://lake/raw/planes/1", "s3://lake/raw/planes/2", "s3://lake/raw/trains/1"]


def test_its_numbers_are_the_sums_of_its_tables() -> None:
    load = LoadReport.of_tables("lake", TABLES, iter(URIS), "s3://lake/manifest")

    assert (load.records, load.objects, load.bytes, load.bad_records) == (7, 3, 75, 1)
    assert (load.bucket, load.tables, load.uris, load.manifest) == ("lake", TABLES, URIS, "s3://lake/manifest")


@pytest.mark.parametrize(("most", "uris"), [(3, URIS), (2, None)])
def test_it_lists_no_objects_above_the_limit(
    monkeypatch: pytest.MonkeyPatch, most: int, uris: list[str] | None
) -> None:
    monkeypatch.setattr(report, "MAX_URIS", most)

    assert LoadReport.of_tables("lake", TABLES, URIS).uris == uris


def test_objects_that_are_not_known_are_not_listed() -> None:
    assert LoadReport.of_tables("lake", TABLES, None).uris is None


def test_it_is_the_same_after_a_way_through_json() -> None:
    load = LoadReport.of_tables("lake", TABLES, URIS)

    assert LoadReport.from_dict(json.loads(json.dumps(load.as_dict()))) == load


def report_of(bucket: str = "lake", objects: int = 1, **tables: tuple[list[str], str]) -> LoadReport:
    """Give a report of tables, each with its columns and its prefix."""
    return LoadReport(
        records=10 * len(tables),
        objects=objects,
        bytes=100,
        bucket=bucket,
        tables={name: TableReport(10, objects, 100, columns, prefix) for name, (columns, prefix) in tables.items()},
        uris=[f"s3://{bucket}/{name}/{number}" for name in tables for number in range(objects)],
    )


class TestOneReport:
    def test_sums_up_the_reports_of_the_shards(self) -> None:
        shards = [report_of(a=(["x"], "raw/a/")), report_of(a=(["x"], "raw/a/")), report_of(b=(["y"], "raw/b/"))]
        merged = LoadReport.merged(shards)

        assert merged == LoadReport(
            records=30,
            objects=3,
            bytes=300,
            bucket="lake",
            tables={"a": TableReport(20, 2, 200, ["x"], "raw/a/"), "b": TableReport(10, 1, 100, ["y"], "raw/b/")},
            uris=["s3://lake/a/0", "s3://lake/a/0", "s3://lake/b/0"],
        )
        assert LoadReport.merged(shard.as_dict() for shard in shards) == merged

    def test_tells_the_columns_of_all_warns_if_they_differ_and_gives_the_folder_that_all_share(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            merged = LoadReport.merged([report_of(a=(["x", "y"], "raw/a/10/")), report_of(a=(["z", "x"], "raw/a/1/"))])
        assert merged.tables["a"] == TableReport(20, 2, 200, ["x", "y", "z"], "raw/a/")
        assert "Table a: its loads wrote different columns. Give `columns`" in caplog.text
        apart = LoadReport.merged([report_of(a=(["x"], "raw/")), report_of(a=(["x"], ""))])
        assert apart.tables["a"].prefix == ""

    def test_sums_up_bad_records_and_reads_reports_that_tell_of_none(self) -> None:
        old = report_of(a=(["x"], "")).as_dict()
        del old["bad_records"], old["tables"]["a"]["bad_records"]
        new = {**old, "bad_records": 3, "tables": {"a": {**old["tables"]["a"], "bad_records": 3}}}
        merged = LoadReport.merged([old, new, new])
        assert (merged.bad_records, merged.tables["a"].bad_records) == (6, 6)

    def test_leaves_the_uris_of_many_objects_out(self) -> None:
        assert len(LoadReport.merged([report_of(objects=500, a=(["x"], ""))] * 2).uris or ()) == 1000
        assert LoadReport.merged([report_of(objects=501, a=(["x"], ""))] * 2).uris is None

    def test_needs_reports_of_one_bucket(self) -> None:
        with pytest.raises(SpecError, match="is empty"):
            LoadReport.merged([])
        with pytest.raises(SpecError, match=r"of the buckets \['lake', 'pond'\]"):
            LoadReport.merged([report_of(a=(["x"], "")), report_of(bucket="pond", a=(["x"], ""))])
