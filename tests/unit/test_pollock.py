"""The measurement on Pollock's survey: its table is sound, and it tells what loads, what differs, what is refused."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_s3dest.sources.staging_format import faults
from fidelity.pollock import PAGE, Entry, Outcome, entries, outcome, page, staging_format
from tests.unit.tables import put


def test_the_options_of_the_table_are_options() -> None:
    table = list(entries())
    assert len({entry.file for entry in table}) == len(table) == 100
    assert [fault for entry in table for fault in faults(staging_format(entry, ()))] == []
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{entry.file}`" in text for entry in table)


def test_verdicts_are_those_of_the_files(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        put(tmp_path / "csv" / name, "# by hand\na;a;\n1;;x\n;;\n")
    put(tmp_path / "clean" / "a.csv", "a,a,\n1,,x\n")
    put(tmp_path / "clean" / "b.csv", "a,a,\n1,2,x\n")
    options = {"delimiter": ";", "skip_lines": 2, "header": {"clean": 3}}

    def verdict(name: str, why: str = "", **changed: int) -> Outcome:
        return outcome(tmp_path, Entry(name, {**options, **changed}, why))

    assert staging_format(Entry("", options, ""), ["a", "a"])["header"] == ["a", "column_2", "column_3"]
    same, differs, refused = verdict("a.csv"), verdict("b.csv", "typo"), verdict("a.csv", skip_lines=0)
    assert [one.verdict for one in (same, differs, refused, verdict("c.csv"))] == [
        "same",
        "differs",
        "refused",
        "missing",
    ]
    assert (same.records, differs.detail) == (2, "1 records for 1, 1 cells differ: '' for '2'")
    assert "line 1: `header` of `staging_format` has 3 fields, the record 1" in refused.detail
    assert '{"skip_lines": 1}' in refused.detail
    assert [one.is_fault for one in (same, differs, refused, verdict("a.csv", "no reason"))] == [
        False,
        False,
        True,
        True,
    ]
    assert "Of 3 files, 1 load" in page([same, differs, refused])
