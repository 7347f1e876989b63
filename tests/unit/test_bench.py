"""What the measurements rest on: outputs are compared value by value, and the page keeps what was not measured anew."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench import agreement, document, inputs
from bench.cases import Case, Target
from tests.unit.tables import put

RECORDS = [
    {"id": 1, "price": 17.0, "at": "2026-02-03T00:00:00", "paid": True, "tags": ["a"], "note": None},
    {"id": 2**60 + 1, "price": 0.1, "at": "2026-02-03T04:05:06.5+00:00", "paid": False, "tags": [], "note": "x"},
]
LINES = [json.dumps(record) for record in RECORDS]


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Target:
    """A place to write to, beside inputs that are the records."""
    agreement.source_keys.cache_clear()
    monkeypatch.setattr(agreement, "source", lambda *_: RECORDS)
    return Target("", "", tmp_path, "kept", "out")


def difference(target: Target, content: str | bytes, **case: Any) -> str:
    put(target.kept / "out" / "part-1", content)
    return agreement.difference(Case("lineitem", "dicts", **{"format": "json", **case}), target)


def test_the_same_values_agree_in_any_spelling_order_and_number_of_objects(target: Target) -> None:
    assert difference(target, "\n".join(LINES)) == ""
    other = LINES[0].replace("17.0", '"17.00"').replace("T00:00:00", "").replace("null", '""')
    put(target.kept / "out" / "part-2", LINES[1].replace("T", " ").replace("+00:00", "Z"))
    assert difference(target, other) == ""
    rows = [
        "id,price,at,paid,tags,note",
        "1152921504606846977,0.10,2026-02-03 04:05:06.500,False,[],x",
        '1,17,2026-02-03,true,"[""a""]",',
    ]
    (target.kept / "out" / "part-2").unlink()
    assert difference(target, gzip.compress("\n".join(rows).encode()), format="csv", gzip=True) == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1152921504606846977", "1152921504606846976", "`id`"),
        ("0.1", "0.10000000149", "`price`"),
        ("04:05:06.5", "04:05:06", "`at`"),
        ('["a"]', '["b"]', "`tags`"),
        ('"x"', "null", "`note`"),
        (LINES[1], "", "1 records for 2"),
    ],
)
def test_another_value_is_a_difference_and_named(target: Target, old: str, new: str, said: str) -> None:
    assert said in difference(target, "\n".join(LINES).replace(old, new))


def test_both_sets_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second = inputs.mixed(50), inputs.mixed(50)
    assert first == second
    assert {type(value) for value in first[0].values()} >= {int, str, float, bool, list, dict}


def test_a_section_is_replaced_and_the_others_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(document, "PATH", tmp_path / "performance.md")
    monkeypatch.setattr(document, "version", lambda _: "1.0")
    document.write({"Memory": "old memory", "Targets": "old targets"}, "make bench")
    document.write({"Memory": "new memory"}, "make bench ONLY='memory'")

    text = document.PATH.read_text()
    assert text.index("## Targets") < text.index("old targets") < text.index("## Memory") < text.index("new memory")
    assert "old memory" not in text
    assert text.count("`make bench`") == 2  # in the introduction, and with the targets


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")])
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert document.number(value) == text
