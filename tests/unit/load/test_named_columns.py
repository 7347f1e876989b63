"""A name in `columns=` that no record can have is an error, and one that no record has is told in a warning."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import polars
import pyarrow
import pytest

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.inputs import FileStores, inputs_of
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from tests.unit.tables import rows_of

SPEC = {"bucket": "lake", "path": "{{TABLE}}/{{UUID}}", "format": "json"}


def rows(**arguments: Any) -> list[dict[str, Any]]:
    """Return the rows of table `t` as a load would write them."""
    given = LoadArguments(fields=SPEC, table="t", **arguments)
    plan = LoadPlan.of(given, LoadIdentity.of_load_id("x"), datetime(2026, 1, 1, tzinfo=timezone.utc))
    return rows_of(inputs_of(plan, FileStores(None, LocalFiles)).openers["t"](None))


@pytest.fixture
def staged(tmp_path: Path) -> str:
    """Files of two columns, and of another two."""
    (tmp_path / "1.csv").write_text("id,name\n1,x\n")
    (tmp_path / "2.csv").write_text("id,late\n2,y\n")
    return f"{tmp_path}/"


@pytest.mark.parametrize("frame", [polars.DataFrame({"id": [1], "name": ["x"]}), pyarrow.table({"id": [], "name": []})])
def test_one_that_a_frame_lacks_is_an_error_with_a_near_name(frame: Any) -> None:
    with pytest.raises(SpecError) as caught:
        rows(records=frame, columns=["id", "nmae"])
    problem = (
        "names ['nmae'], but table 't' has no such column. Did you mean 'name' for 'nmae'? Its columns are id, name."
    )
    assert str(caught.value) == f"`columns`: {problem}"


def test_one_that_every_staged_file_lacks_is_an_error_but_for_a_shard(
    staged: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert rows(staging_path=staged, columns=["id", "late"]) == [{"id": "1", "late": None}, {"id": "2", "late": "y"}]
    with pytest.raises(SpecError, match=r"names \['lat'\], but table 't' has no such column\. Did you mean 'late'"):
        rows(staging_path=staged, columns=["id", "lat"])
    assert not caplog.records
    assert rows(staging_path=f"{staged}1.csv", columns=["id", "late"], shard=True) == [{"id": "1", "late": None}]
    assert rows(staging_path=f"{staged}1.csv", schema={"id": "string", "late": "string"})[0]["late"] is None
    assert [one.getMessage() for one in caplog.records] == ["Table t has no columns ['late'], which are null."] * 2


@pytest.mark.parametrize("as_given", [list, iter])
def test_one_that_no_mapping_has_is_told_in_a_warning_with_a_near_name_and_what_is_left_out(
    as_given: Any, caplog: pytest.LogCaptureFixture
) -> None:
    records = [{"id": 1, "name": "x"}, {"id": 2, "x": 1}]
    caplog.set_level(logging.WARNING)
    assert rows(records=as_given(records), columns=["id", "x"])[1] == {"id": 2, "x": 1}
    assert not caplog.records
    assert rows(records=as_given(records), columns=["id", "nmae"])[0] == {"id": 1, "nmae": None}
    [told] = [one.getMessage() for one in caplog.records]
    assert told.startswith(
        "Table t: no record has the columns ['nmae'] that `columns` or `schema` names; they are null."
    )
    assert told.endswith(" Did you mean 'name' for 'nmae'? Columns of the records that are left out: 'name', 'x'.")


def test_of_a_stream_whose_records_each_have_columns_of_their_own_few_names_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    records = ({f"c{number}": number} for number in range(5000))
    assert len(rows(records=records, columns=["c4999"])) == 5000
    assert not caplog.records  # although 1,000 other names came before


def test_records_without_any_column_say_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.csv").write_text("")
    assert rows(records=[], columns=["a"]) == rows(records=iter([]), columns=["a"]) == []
    assert rows(staging_path=f"{tmp_path}/", columns=["a"]) == []
    assert not caplog.records
