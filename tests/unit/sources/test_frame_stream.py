"""Lists and streams of frames, record batches, tables and readers as the records of one table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pandas
import polars
import pyarrow as pa
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.operators.parse_time_checks import literal_record_faults
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, read_chunks

TABLE = pa.table({"id": [1, 2], "name": ["x", "y"]})
FRAMES: dict[str, Callable[[], list[Any]]] = {
    "pandas": lambda: [TABLE.to_pandas(), TABLE.to_pandas()],
    "polars": lambda: [polars.from_arrow(TABLE), polars.from_arrow(TABLE)],
    "pyarrow": lambda: [TABLE.to_reader(), TABLE],
    "batches": lambda: [*TABLE.to_batches(), *TABLE.to_batches()],
    "another order": lambda: [TABLE, TABLE.select(["name", "id"])],
    "empty ones": lambda: [TABLE[:0], TABLE, TABLE[:0], TABLE],
}


class TestOneStream:
    @pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
    @pytest.mark.parametrize("form", [list, deque, iter], ids=["list", "sequence", "stream"])
    def test_of_all_records(self, frames: Callable[[], list[Any]], form: Callable[[Any], Any]) -> None:
        assert csv_of(form(frames())) == "id,name\n1,x\n2,y\n1,x\n2,y\n"
        assert csv_of(form(frames()), ("name",)) == "name\nx\ny\nx\ny\n"
        assert not list(literal_record_faults(form(frames()), "t"))

    def test_with_indices_that_go_on(self) -> None:
        chunks = read_chunks(open_records("t", iter([TABLE, TABLE]), None))
        assert [chunk.origins[position].index for chunk in chunks for position in range(len(chunk))] == [0, 1, 2, 3]

    def test_of_a_pandas_frame_that_its_producer_changes_and_yields_again(self) -> None:
        def frames() -> Iterator[Any]:
            frame = pandas.DataFrame({"id": [0, 0]})
            for number in range(3):
                frame.iloc[:, 0] = number
                yield frame

        chunks = [*read_chunks(open_records("t", frames(), None))]  # as an object that is not full yet holds them
        assert [value for chunk in chunks for value in chunk.column("id")] == [0, 0, 1, 1, 2, 2]

    def test_of_types_that_a_schema_makes_one(self) -> None:
        frames = iter([TABLE, TABLE.set_column(0, "id", pa.array([3.0, None])), TABLE.to_pandas().astype(object)])
        table = open_records("t", frames, ("id",), typed=["id"])
        chunks = read_chunks(with_types(table, {"id": pa.int64()}))
        assert [value for chunk in chunks for value in chunk.column("id")] == [1, 2, 3, None, 1, 2]


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        (
            [TABLE, TABLE, TABLE.set_column(0, "id", pa.array([1.0, 2.0]))],
            "'id' of table 't' is double in frame 2, and",
        ),
        ([TABLE, TABLE.select(["id"])], "frame 1 of table 't' has no column 'name', and frame 0"),
        ([TABLE.select(["id"]), TABLE], "frame 0 of table 't' has no column 'name', and frame 1"),
        ([TABLE, {"id": 1}], "item 1 of table 't' is no frame but dict"),
    ],
)
def test_a_frame_that_differs_is_an_error_that_names_column_and_number(items: list[Any], problem: str) -> None:
    for records in (items, iter(items)):
        with pytest.raises(SpecError, match=problem):
            csv_of(records)


class Page:
    """A page of records that is no sequence by its class."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict[str, int]:
        return [{"id": 1}, {"id": 2}][index]

    def __iter__(self) -> Iterator[dict[str, int]]:
        return iter([{"id": 1}, {"id": 2}])


@pytest.mark.parametrize(
    "many",
    [
        TABLE,
        TABLE.to_pandas(),
        polars.from_arrow(TABLE),
        [{"id": 1}, {"id": 2}],
        deque([{"id": 1}]),
        iter([{"id": 1}]),
        next(iter(TABLE.to_pandas().groupby("id"))),
        pandas.Series([{"id": 1}, {"id": 2}]),
        Page(),
        numpy.array([(1, 2)], dtype=[("id", "i4"), ("b", "i4")]),
        numpy.array([[1, 2], [3, 4]]),
        numpy.array([{"id": 1}], dtype=object),
        [(1,), (2,)],
        [[1, 2], [3, 4]],
        frozenset([(1,), (2,)]),
    ],
)
@pytest.mark.parametrize("columns", [None, ("id",)])
@pytest.mark.parametrize("form", [list, iter])
def test_what_holds_many_records_is_never_one_bad_record(
    many: Any, columns: tuple[str, ...] | None, form: Callable[[Any], Any]
) -> None:
    quarantined: list[bytes] = []
    bad = BadRecords(lambda table, line: quarantined.append(line))
    with pytest.raises(RecordError, match=r"record 2: .* which holds many records\. Flatten .* frames only"):
        list(read_chunks(open_records("t", form([{"id": 0}, 7, many]), columns, bad=bad)))
    assert len(quarantined) <= 1  # the 7


@pytest.mark.parametrize(
    "value", [TABLE, TABLE.to_pandas(), [{"rows": TABLE}], pandas.Series([{"id": 1}]), (row for row in [1])]
)
@pytest.mark.parametrize("columns", [None, ("id", "rows")])
@pytest.mark.parametrize("form", [list, iter])
def test_record_with_many_records_as_a_value_is_never_one_bad_record(
    value: Any, columns: tuple[str, ...] | None, form: Callable[[Any], Any]
) -> None:
    quarantined: list[bytes] = []
    bad = BadRecords(lambda table, line: quarantined.append(line))

    def write() -> None:
        table = open_records("t", form([{"id": 0}, {"id": 1, "rows": value}]), columns, bad=bad)
        for chunk in read_chunks(table):
            list(isolate_bad_records(JsonEncoder("t", table.columns).encode, chunk, bad))

    with pytest.raises(RecordError, match=r"record 1, column 'rows': the value is a .* which holds many records\."):
        write()
    assert not quarantined


@pytest.mark.parametrize(
    "one", [[1, 2], (1, "a"), {1, 2}, (), numpy.array([1, 2]), pandas.Series([1, 2]), '[{"id": 1}]', object()]
)
def test_values_of_one_record_are_one_bad_record(one: Any) -> None:
    quarantined: list[bytes] = []
    bad = BadRecords(lambda table, line: quarantined.append(line))
    list(read_chunks(open_records("t", iter([{"id": 0}, one]), None, bad=bad)))
    assert len(quarantined) == 1
