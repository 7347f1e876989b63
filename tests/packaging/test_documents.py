"""What the documents promise: each guarantee names tests, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUARANTEES = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")


def defined_in(file: Path) -> set[str]:
    """Give the tests of a file by name, with that of their class."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + one.name for one in inside if isinstance(one, ast.FunctionDef) and one.name[:5] == "test_"}
    return found


def test_the_tests_that_the_guarantees_name_exist() -> None:
    named = _NAMED.findall(GUARANTEES)

    assert len(named) > 30
    missing = [f"{file}::{test}" for file, test in named if test not in defined_in(ROOT / file)]
    assert missing == []


def test_each_guarantee_names_a_test_and_each_condition_and_limit_does_or_says_that_none_shows_it() -> None:
    parts = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", GUARANTEES, re.DOTALL | re.MULTILINE))
    silent = [
        f"{part}: {item}"
        for part in ("The guarantee", "Conditions", "Limits")
        for item in re.split(r"^- ", parts[part], flags=re.MULTILINE)[1:]
        if not _NAMED.search(item) and (part == "The guarantee" or not re.search(r"\(no\s+test\)", item))
    ]

    # That a source which lives can't be read again is no property of a load.
    assert [item for item in silent if "over a live source" not in item] == []
