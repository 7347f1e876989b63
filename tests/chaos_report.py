"""Writes docs/chaos.md from the outcomes of a run: `pytest -p tests.chaos_report --chaos-report docs/chaos.md`.

A topic is a test module, named by the first line of its docstring. A test that checks many cases in itself tells their
number by the property `runs`; the property `attempts` counts the attempts of loads that it made. What the page says of
other modules than those that ran stays, as all of them take long.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest

COUNTED = ("runs", "attempts of loads", "skipped", "violations")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--chaos-report", help="file to write the table of runs and counts to")


def pytest_configure(config: pytest.Config) -> None:
    """Count if a file is named."""
    path = config.getoption("--chaos-report")
    if path:
        config.pluginmanager.register(_Report(config.rootpath / path, config.rootpath))


class _Report:
    """Counts the outcomes, and writes them down at the end."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root
        self._modules: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            text = (getattr(getattr(item, "module", None), "__doc__", None) or "").strip()
            self._modules.setdefault(item.nodeid.partition("::")[0], text.partition("\n")[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        module = report.nodeid.partition("::")[0]
        counts = self._counts.setdefault(module, Counter())
        if report.when == "call":
            counts["skipped" if report.skipped else "runs"] += 1
        if report.failed:
            counts["violations"] += 1
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == "attempts" and isinstance(value, int):
                    counts["attempts of loads"] += value
                if name == "runs" and isinstance(value, int):
                    counts["runs"] += value - 1

    def pytest_sessionfinish(self) -> None:
        rows = self._rows_of_the_page()
        today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
        for module, counts in self._counts.items():
            numbers = [f"{counts[name]:,}" for name in COUNTED]
            rows[module] = [self._modules.get(module) or module, f"`{module}`", *numbers, today]
        columns = list(zip(*rows.values(), strict=True))[2:-1]
        totals = [f"{sum(int(number.replace(',', '')) for number in column):,}" for column in columns]
        table = [
            ["what", "test", *COUNTED, "on"],
            ["---", "---", *["---:"] * len(COUNTED), "---"],
            *(row for _, row in sorted(rows.items())),
            ["**all**", "", *totals, ""],
        ]
        self._path.write_text(
            "# Loads under faults\n\n"
            "`make chaos` writes this page from the outcomes of its tests. A run is one case with its check of the "
            "exact keys, bytes\nand open uploads; an attempt is one load within it; a violation is a run that "
            "did not end as it must. Each row tells the last run of its module.\n\n"
            f"Last on Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores.\n\n"
            + "".join(f"| {' | '.join(row)} |\n" for row in table)
        )

    def _rows_of_the_page(self) -> dict[str, list[str]]:
        """Read the rows of the page as it is, by module, but those of modules that are gone."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ") and "`tests/" in line]
        return {row[1].strip("`"): row for row in rows if (self._root / row[1].strip("`")).exists()}
