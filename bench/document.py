"""Writes the sections of docs/performance.md, each by itself: what was not measured this time stays as it was."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from textwrap import fill

PATH = Path(__file__).parents[1] / "docs" / "performance.md"
PROFILES = PATH.with_name("profiles.md")

_TITLE = "# Performance"
_ORDER = ("Targets", "Against others", "Queries", "Small loads", "Memory", "Large things", "Growth", "Scaling out")
"""Sections, in their order."""

_PACKAGES = ("boto3", "pyarrow", "polars", "pandas", "duckdb", "awswrangler", "orjson", "msgspec", "isal")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; all columns but the first are figures."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Write a figure with three digits that count."""
    return (
        f"{value:,.0f}"
        if value >= 100
        else f"{value:.3g}"
        if value < 1
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
    )


def write(sections: dict[str, str], command: str) -> None:
    """Put sections in the place of those of the same name.

    :param sections: text by title.
    :param command: what measured them.
    """
    known = _read() if PATH.exists() else {}
    known.update({title: f"{_measured(command)}\n\n{text.strip()}" for title, text in sections.items()})
    body = [f"## {title}\n\n{known[title]}" for title in _ORDER if title in known]
    PATH.write_text("\n\n".join([f"{_TITLE}\n\n{_INTRODUCTION}", *body]) + "\n", encoding="utf-8")


def write_profiles(text: str, command: str) -> None:
    """Put profiles in the place of those that stand at the end of their page.

    :param command: what measured them.
    """
    written, _, _ = PROFILES.read_text(encoding="utf-8").partition(_PROFILES)
    PROFILES.write_text(f"{written}{_PROFILES}\n\n{_measured(command)}\n\n{text}\n", encoding="utf-8")


_PROFILES = "## By cProfile"

_INTRODUCTION = """\
Measured by `make bench`, which writes this page. Every run has a process of its own, runs are interleaved, and medians
count. CPU is that of the client alone: the S3 server is another process, on the same machine, over TLS. What the
contenders write is compared with the source, value by value, before any time counts. Memory is the peak of resident
memory above that after the imports, with records that are handed over in memory already. What sets the limit where a
target is missed: [where the time goes](profiles.md)."""


def _read() -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", PATH.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {title: text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def _measured(command: str) -> str:
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    cores = f"{os.cpu_count()} cores ({model[1] if model else platform.machine()})"
    day, python = datetime.now(timezone.utc).date(), platform.python_version()
    text = f"`{command}` on {day}, {cores}, {platform.system()}, Python {python}; {packages}."
    return fill(text, 120, break_long_words=False, break_on_hyphens=False)
