"""The report of a load sums the reports of its tables, and lists objects only while they are few."""

from __future__ import annotations

import json

import pytest

from airflow_provider_s3dest import report
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


def test_merged_reports_add_up_table_by_table() -> None:
    load = LoadReport.of_tables("lake", TABLES, URIS)
    both = LoadReport.merged([load, load.as_dict()])

    assert (both.records, both.objects, both.bytes, both.bad_records) == (14, 6, 150, 2)
    assert both.tables["planes"].prefix == "raw/planes/"
    assert both.uris == [*URIS, *URIS]
