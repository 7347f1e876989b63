"""Pandas frames: their indexes, their own types, and columns of Python objects."""

from __future__ import annotations

import uuid
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal

import pandas
import pyarrow as pa
import pytest

from airflow_provider_s3dest.errors import RecordError
from tests.unit.tables import csv_of, fields_with_nulls

ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_pandas_index_without_a_name_is_left_out_and_one_with_a_name_is_kept() -> None:
    frame = pandas.DataFrame({"a": [1, 2]})
    assert csv_of(frame) == csv_of(frame.set_axis(["x", "y"])) == "a\n1\n2\n"
    assert csv_of(frame[::-1]) == "a\n2\n1\n"
    assert csv_of(frame.set_axis(pandas.Index(["x", "y"], name="key"))) == "a,key\n1,x\n2,y\n"
    assert csv_of(frame.rename_axis("key")) == "a,key\n1,0\n2,1\n"
    index = pandas.MultiIndex.from_tuples([(1, "p"), (2, "q")], names=["i", None])
    assert csv_of(frame.set_axis(index)) == "a,i\n1,1\n2,2\n"


def test_pandas_values() -> None:
    frame = pandas.DataFrame(
        {
            "big": pandas.array([2**53 + 1, None], dtype="Int64"),
            "nan": [0.5, float("nan")],
            "flag": pandas.array([True, None], dtype="boolean"),
            "at": pandas.to_datetime(["2024-01-31T00:00:00.123456789", None]).tz_localize("Europe/Berlin"),
            "took": [pandas.Timedelta("-1ns"), pandas.NaT],
            "kind": pandas.Categorical(["é", None]),
            "text": ["", None],
            "id": [ID, None],
        }
    )
    assert fields_with_nulls(csv_of(frame))[1:] == [
        [
            "9007199254740993",
            "0.5",
            "true",
            "2024-01-31T00:00:00.123456789+01:00",
            "-PT0.000000001S",
            "é",
            "",
            str(ID),
        ],
        [None] * 8,
    ]


def test_objects_in_a_pandas_column_arrive_one_by_one_as_they_are() -> None:
    """Arrow would give them one type: widen 1.1, drop the offset of a time, make bytes of a text."""
    aware = timezone(timedelta(hours=2))
    values = [
        Decimal("1.1"),
        Decimal("1.10"),
        2**70,
        1.5,
        2**60 + 1,
        "x",
        b"y",
        time(1, 2, tzinfo=aware),
        datetime(2024, 1, 31),
        datetime(2024, 1, 31, tzinfo=aware),
        {"a": 1},
        {"b": 2},
        None,
        float("nan"),
    ]
    frame = pandas.DataFrame({"n": range(len(values)), "a": pandas.Series(values, dtype=object)})
    assert [row[1] for row in fields_with_nulls(csv_of(frame))[1:]] == [
        "1.1",
        "1.10",
        str(2**70),
        "1.5",
        str(2**60 + 1),
        "x",
        "eQ==",
        "01:02:00+02:00",
        "2024-01-31T00:00:00",
        "2024-01-31T00:00:00+02:00",
        '{"a":1}',
        '{"b":2}',
        None,
        None,
    ]
    with pytest.raises(RecordError, match="record 1, column 'a': there is no rule for complex"):
        csv_of(pandas.DataFrame({"a": pandas.Series([1, 1j], dtype=object)}))


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            pandas.concat([pandas.DataFrame({"a": ["x"], "b": 1}), pandas.DataFrame({"a": ["y"], "b": 2})]),
            "a,b\nx,1\ny,2\n",
        ),
        (pa.table({"a": pa.chunked_array([["x"], ["y", None]]), "b": [1, 2, 3]}).to_pandas(), "a,b\nx,1\ny,2\n,3\n"),
        (pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.int64())}).to_pandas(), "a,b\n"),
        (pandas.DataFrame({"a": ["x"], "b": ["y"]})[:0], "a,b\n"),
    ],
    ids=["concat", "two pieces", "no piece", "no rows"],
)
def test_strings_of_pandas_may_lie_in_several_pieces_or_none(frame: pandas.DataFrame, text: str) -> None:
    assert csv_of(frame) == text


def test_sparse_columns_are_written_as_the_values_that_they_stand_for() -> None:
    frame = pandas.DataFrame(
        {"a": pandas.arrays.SparseArray([0, 7, 0]), "b": pandas.arrays.SparseArray([1.5, None, 2])}
    )
    assert csv_of(frame) == "a,b\n0,1.5\n7,\n0,2.0\n"
