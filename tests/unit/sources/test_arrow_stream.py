"""Data frames of pandas, polars, pyarrow and duckdb, read as Arrow streams."""

from __future__ import annotations

import uuid
from datetime import timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, fields_with_nulls, rows_of

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class TestFrames:
    def test_polars_values(self) -> None:
        frame = polars.DataFrame(
            {
                "big": [2**64 - 1, None],
                "small": polars.Series([0.1, None], dtype=polars.Float32),
                "cat": polars.Series(["x", None], dtype=polars.Categorical),
                "enum": polars.Series(["y", None], dtype=polars.Enum(["y"])),
                "at": polars.Series([1, None], dtype=polars.Datetime("ns", "UTC")),
                "list": [[{"a": 1}], None],
                "price": [Decimal("1.10"), None],
                "raw": [b"\x00", None],
                "text": ["", None],
            }
        )
        assert fields_with_nulls(csv_of(frame))[1:] == [
            [str(2**64 - 1), "0.1", "x", "y", "1970-01-01T00:00:00.000000001+00:00", '[{"a":1}]', "1.10", "AA==", ""],
            [None] * 9,
        ]

    def test_duckdb_values(self) -> None:
        with duckdb.connect() as connection:
            relation = connection.sql(
                "SELECT 18446744073709551615::UBIGINT AS big, sum(i) AS total, 1.10::DECIMAL(9, 2) AS price,"
                " 0.1::FLOAT AS small, {'a': [1, NULL]} AS struct, MAP {'k': 0.1::FLOAT} AS map,"
                " TIMESTAMP_NS '2024-01-31 00:00:00.123456789' AS at, 'y'::ENUM('x', 'y') AS enum, '' AS t, NULL AS n"
                " FROM range(3) AS r(i)"
            )
            assert fields_with_nulls(csv_of(relation))[1:] == [
                [
                    str(2**64 - 1),
                    "3",
                    "1.10",
                    "0.1",
                    '{"a":[1,null]}',
                    '{"k":0.1}',
                    "2024-01-31T00:00:00.123456789",
                    "y",
                    "",
                    None,
                ]
            ]

    def test_frame_of_no_rows_has_its_columns(self) -> None:
        for frame in (
            pandas.DataFrame({"a": []}),
            polars.DataFrame({"a": []}),
            pa.table({"a": pa.array([], pa.int8())}),
        ):
            assert csv_of(frame) == "a\n"

    def test_places_count_over_the_batches_of_a_frame(self) -> None:
        batches = [pa.record_batch({"x": pa.array([0] * 7000, pa.timestamp("s"))})] * 2
        bad = pa.record_batch({"x": pa.array([0, 10**17], pa.timestamp("s"))})
        with pytest.raises(RecordError, match="record 14001, column 'x'"):
            csv_of(pa.Table.from_batches([*batches, bad]))
        assert len(rows_of(open_records("t", pa.Table.from_batches(batches), None))) == 14_000

    @pytest.mark.parametrize(
        "frame",
        [
            pandas.DataFrame([[1, 2]], columns=["a", "a"]),
            pa.table([[1], [2]], names=["a", "a"]),
            pandas.DataFrame({"a": [1j]}),
            pandas.DataFrame({"a": [1]}, index=pandas.Index([7], name="a")),
            polars.DataFrame({"a": polars.Series([object()], dtype=polars.Object)}),
            polars.Series("a", [1]),
            pa.chunked_array([[1]]),
        ],
        ids=lambda frame: type(frame).__module__,
    )
    def test_frame_without_a_form_in_arrow_is_refused(self, frame: Any) -> None:
        with pytest.raises(SpecError, match="`records`: table 't'"):
            csv_of(frame)

    def test_period_is_refused_since_its_number_means_nothing_to_others(self) -> None:
        with pytest.raises(RecordError, match="record 0, column 'a'"):
            csv_of(pandas.DataFrame({"a": pandas.period_range("2024-01", "2024-02", freq="M")}))

    def test_columns_choose_and_order(self) -> None:
        assert csv_of(pa.table({"a": [1], "b": [2]}), ("b", "x", "a")) == "b,x,a\n2,,1\n"
