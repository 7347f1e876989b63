"""Says at the end of a run how many schedules there were, and what befell their attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

MET: Counter[str] = Counter()
"""What the tests count: SCHEDULES, and how often each event was met and each error ended an attempt."""


@pytest.fixture
def met(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    """Take the counts of a test, and tell the report how many schedules it ran."""
    before = MET["SCHEDULES"]
    yield MET
    record_property("runs", MET["SCHEDULES"] - before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts; a violation is a failed test."""
    if MET["SCHEDULES"]:
        others = ", ".join(f"{name} {count:,}" for name, count in sorted(MET.items()) if name != "SCHEDULES")
        terminalreporter.write_line(f"Model of the delivery: {MET['SCHEDULES']:,} schedules; {others}")
