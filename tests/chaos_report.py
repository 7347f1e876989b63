"""Writes docs/chaos.md from the outcomes of a run: `pytest -p tests.chaos_report --chaos-report docs/chaos.md`.

A topic is a test module, named by the first line of its docstring. A test that checks many cases in itself tells their
number by the property `runs`; the property `tries` counts the tries of loads that it made.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the file."""
    parser.addoption("--chaos-report", help="file to write the table of runs and counts to")


def pytest_configure(config: pytest.Config) -> None:
    """Count if a file is named."""
    path = config.getoption("--chaos-report")
    if path:
        config.pluginmanager.register(_Report(config.rootpath / path))


class _Report:
    """Counts the outcomes, and writes them down at the end."""

    def __init__(self, path: Path) -> None:
        self._path, self._began = path, time.monotonic()
        self._modules: dict[str, str] = {}
        self._counts: dict[str, Counter[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            text = (getattr(getattr(item, "module", None), "__doc__", None) or "").strip()
            self._modules.setdefault(item.nodeid.partition("::")[0], text.partition("\n")[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        counts = self._counts.setdefault(report.nodeid.partition("::")[0], Counter())
        if report.when == "call":
            counts["skipped" if report.skipped else "runs"] += 1
        if report.failed:
            counts["violations"] += 1
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == "tries" and isinstance(value, int):
                    counts["tries"] += value
                if name == "runs" and isinstance(value, int):
                    counts["runs"] += value - 1

    def pytest_sessionfinish(self) -> None:
        total: Counter[str] = sum(self._counts.values(), Counter())
        rows = [
            f"| {self._modules.get(module) or module} | `{module}` | {_columns(counts)} |"
            for module, counts in sorted(self._counts.items())
        ]
        now = datetime.now(timezone.utc)
        self._path.write_text(
            "# Loads under faults\n\n"
            "`make chaos` wrote this page from the outcomes of its tests. A run is one case with its check of the "
            "exact keys, bytes\nand open uploads; a try is one attempt to load within it; a violation is a run that "
            "did not end as it must.\n\n"
            f"{now:%Y-%m-%d}, Python {platform.python_version()} on {sys.platform}, {os.cpu_count()} cores, "
            f"{(time.monotonic() - self._began) / 60:.0f} minutes.\n\n"
            "| what | test | runs | tries of loads | violations |\n|---|---|---:|---:|---:|\n"
            + "".join(f"{row}\n" for row in rows)
            + f"| **all** | | {_columns(total)} |\n"
            + (f"\n{total['skipped']} cases were skipped.\n" if total["skipped"] else "")
        )


def _columns(counts: Counter[str]) -> str:
    return f"{counts['runs']:,} | {counts['tries']:,} | {counts['violations']:,}"
