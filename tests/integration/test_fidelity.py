"""Every kind of value reads back equal, or as it is explained; a part of what `make fidelity` shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fidelity import explanations
from fidelity.kinds import KINDS, Kind
from fidelity.loading import FORMATS, connected
from fidelity.matrix import Cell, cells
from fidelity.readers.in_duckdb import DuckDB
from fidelity.readers.in_polars import Polars
from fidelity.readers.in_pyarrow import PyArrow
from fidelity.verdicts import Verdict, judge
from tests.servers import Bucket

READERS = ("DuckDB", "Polars", "PyArrow")


@pytest.fixture
def found(seaweedfs_bucket: Bucket) -> list[Cell]:
    """The cells of the readers that the development environment has."""
    with connected(seaweedfs_bucket.server):
        return list(cells(seaweedfs_bucket, [DuckDB(), Polars(), PyArrow()], FORMATS))


def test_every_cell_is_equal_or_explained_and_no_explanation_is_left_over(found: list[Cell]) -> None:
    assert len(found) > 900
    assert explanations.faults(found, READERS) == []

    lost = [replace(cell, verdict=Verdict("differs")) if cell.kind.name == "text" else cell for cell in found]
    assert any("unexplained: DuckDB, csv, text, R" in fault for fault in explanations.faults(lost, READERS))

    mended = [replace(cell, verdict=Verdict("equal")) for cell in found]
    assert any("is not needed: DuckDB, json, timedelta" in fault for fault in explanations.faults(mended, READERS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_value_that_arrives_changed_is_not_equal(kind: Kind) -> None:
    values = list(kind.values)
    assert judge(kind, values).outcome == "equal"
    assert judge(kind, [None, *values[1:]]).outcome == "differs"
    assert judge(kind, [*values[:-1], ""]).outcome == "differs"
    assert judge(kind, values[1:]).outcome == "differs"
