"""Arrow data, from frames and from files: every type comes out exactly, and what can't is refused with its place."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError, SpecError, StagingError
from airflow_provider_s3dest.records.arrow.values import values_of
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, fields_with_nulls, json_of, put, rows_of, staged_rows

UTC = timezone.utc
BERLIN = ZoneInfo("Europe/Berlin")
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
D256 = Decimal("1" * 60 + ".5000")


def ns(text: str) -> int:
    """Nanoseconds since 1970 of a moment in UTC, given with nine decimals."""
    moment, decimals = text.split(".")
    whole = datetime.fromisoformat(moment).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 10**9 + int(decimals)


# The Arrow type, values of it, and what they must come out as, where that is something else.
CASES: list[tuple[pa.DataType, list[Any], list[Any] | None]] = [
    (pa.null(), [None, None], None),
    (pa.bool_(), [True, False, None], None),
    *((kind, [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, None], None) for bits, kind in
      zip((8, 16, 32, 64), (pa.int8(), pa.int16(), pa.int32(), pa.int64()), strict=True)),
    *((kind, [0, 2**bits - 1, None], None) for bits, kind in
      zip((8, 16, 32, 64), (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()), strict=True)),
    (pa.float64(), [0.1, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), None], None),
    (pa.float32(), [0.1, -0.0, 3.4028235e38, 1e-45, 16777216.0, float("-inf"), None], None),
    (pa.float16(), [0.1, -0.0, 2048.0, 6e-8, 0.3333, float("inf"), None], None),
    (pa.decimal128(38, 4), [Decimal("1.1000"), Decimal("9" * 34 + ".9999"), Decimal("-0.0001"), None], None),
    (pa.decimal128(5, -2), [Decimal("1.23E+4"), None], None),
    (pa.decimal256(76, 4), [D256, Decimal(f"-{D256}"), None], None),
    (pa.date32(), [date(1, 1, 1), date(9999, 12, 31), None], None),
    (pa.date64(), [date(1969, 12, 31), date(2024, 2, 29), None], None),
    (pa.time32("s"), [time(23, 59, 59), None], None),
    (pa.time32("ms"), [time(1, 2, 3, 4000), None], None),
    (pa.time64("us"), [time(1, 2, 3, 4), None], None),
    (pa.time64("ns"), [1, 1000, 86_399_999_999_999, None],
     ["00:00:00.000000001", time(0, 0, 0, 1), "23:59:59.999999999", None]),
    *((pa.timestamp(unit), [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), None], None)
      for unit in ("s", "ms", "us")),
    (pa.timestamp("us"), [datetime(1969, 12, 31, 23, 59, 59, 999_999), None], None),
    (pa.timestamp("us", "UTC"), [datetime(2024, 1, 31, 12, tzinfo=ZoneInfo("UTC")), None], None),
    (pa.timestamp("ms", "Europe/Berlin"), [datetime(2024, 7, 1, tzinfo=BERLIN), None], None),
    (pa.timestamp("s", "+05:30"), [datetime(2024, 7, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))], None),
    (pa.timestamp("ns"), [ns("2024-01-31T12:00:00.123456789"), ns("1969-12-31T23:59:59.999999999"), 1_000, None],
     ["2024-01-31T12:00:00.123456789", "1969-12-31T23:59:59.999999999", datetime(1970, 1, 1, 0, 0, 0, 1), None]),
    (pa.timestamp("ns", "Europe/Berlin"), [ns("2024-07-01T00:00:00.000000001"), 0, None],
     ["2024-07-01T02:00:00.000000001+02:00", datetime(1970, 1, 1, 1, tzinfo=BERLIN), None]),
    (pa.timestamp("ns", "-01:30"), [1], ["1969-12-31T22:30:00.000000001-01:30"]),
    *((pa.duration(unit), [timedelta(days=-1, seconds=5), timedelta(0), None], None) for unit in ("s", "ms", "us")),
    (pa.duration("ns"), [1, -1, 86_400_000_001_000, None],
     ["PT0.000000001S", "-PT0.000000001S", timedelta(days=1, microseconds=1), None]),
    *((kind, ["", "007", "é😀\x00\n", None], None) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *((kind, [b"", b"\x00\xff", None], None) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    (pa.binary(2), [b"ab", None], None),
    *((kind(pa.float32()), [[0.1, None], [], None, [0.2]], None)
      for kind in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)),
    (pa.list_(pa.float32(), 2), [[0.1, 0.2], None, [None, 0.3]], None),
    (pa.list_(pa.list_(pa.timestamp("ns"))), [[[1], None, []], None, [[1000]]],
     [[["1970-01-01T00:00:00.000000001"], None, []], None, [[datetime(1970, 1, 1, 0, 0, 0, 1)]]]),
    (pa.struct([("f", pa.float32()), ("s", pa.struct([("n", pa.int64())]))]),
     [{"f": 0.1, "s": {"n": 1}}, None, {"f": None, "s": None}], None),
    (pa.struct([]), [{}, None], None),
    (pa.map_(pa.string(), pa.float32()), [[("b", 0.1), ("a", None)], None, []], [{"b": 0.1, "a": None}, None, {}]),
    (pa.list_(pa.map_(pa.string(), pa.struct([("x", pa.list_(pa.float32()))]))), [[[("k", {"x": [0.1]})]], None],
     [[{"k": {"x": [0.1]}}], None]),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b", "a"], None),
    (pa.dictionary(pa.int32(), pa.float32()), [0.1, None, 0.1], None),
    (pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a", None], None, ["b"]], None),
    (pa.uuid(), [ID.bytes, None], [ID, None]),
    (pa.bool8(), [1, 0, None], [True, False, None]),
]  # fmt: skip


def array_of(kind: pa.DataType, values: list[Any]) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    if pa.types.is_float16(kind):
        return pa.array([None if v is None else struct.unpack("e", struct.pack("e", v))[0] for v in values]).cast(kind)
    return pa.array(values, kind)


@pytest.mark.parametrize(
    ("kind", "values", "expected"), CASES, ids=lambda case: str(case) if isinstance(case, pa.DataType) else ""
)
class TestTypes:
    def test_type_comes_out_exactly(self, kind: pa.DataType, values: list[Any], expected: list[Any] | None) -> None:
        # By their spelling, since to Python -0.0 is 0.0 and 1 is True.
        assert repr(values_of(array_of(kind, values))) == repr(expected or values)

    def test_slices_come_out_as_the_same_part(
        self, kind: pa.DataType, values: list[Any], expected: list[Any] | None
    ) -> None:
        array = array_of(kind, [*values, *values, *values])
        whole = [*(expected or values)] * 3
        for start in range(len(array)):
            for length in (0, 1, 2, len(values) + 1):
                part = values_of(array.slice(start, length))
                assert repr(part) == repr(whole[start : start + length])

    def test_type_survives_inside_lists_and_structs(
        self, kind: pa.DataType, values: list[Any], expected: list[Any] | None
    ) -> None:
        array = array_of(kind, values)
        lists = pa.ListArray.from_arrays(pa.array([0, 1, None, len(values)], pa.int32()), array)
        come_out = expected or values
        assert repr(values_of(lists)) == repr([come_out[:1], come_out[1:], None])
        structs = pa.StructArray.from_arrays([array], ["x"])
        assert repr(values_of(structs.slice(1))) == repr([{"x": value} for value in come_out[1:]])

    def test_frame_and_stream_give_the_same_values(
        self, kind: pa.DataType, values: list[Any], expected: list[Any] | None
    ) -> None:
        table = pa.table({"x": array_of(kind, values)})
        for frame in (table, table.to_batches()[0], table.to_reader()):
            assert repr([row["x"] for row in rows_of(open_records("t", frame, None))]) == repr(expected or values)


def test_run_ends_come_out_as_values() -> None:
    array = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3, 5], pa.int32()), pa.array(["a", None, "b"]))
    assert values_of(array) == ["a", "a", None, "b", "b"]
    assert values_of(array.slice(1, 3)) == ["a", None, "b"]


def test_run_ends_come_out_in_a_process_that_uses_nothing_else_of_arrow() -> None:
    program = """
import pyarrow
from airflow_provider_s3dest.records.arrow.values import values_of
runs = pyarrow.RunEndEncodedArray.from_arrays(pyarrow.array([2], pyarrow.int32()), pyarrow.array(["a"]))
print(values_of(runs), values_of(pyarrow.array([[1], None])))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "['a', 'a'] [[1], None]\n", done.stderr


def test_union_gives_the_values_of_its_members_exactly() -> None:
    members = [pa.array([0.1], pa.float32()), pa.array([1, None], pa.timestamp("ns"))]
    dense = pa.UnionArray.from_dense(pa.array([0, 1, 1], pa.int8()), pa.array([0, 0, 1], pa.int32()), members)
    assert values_of(dense) == [0.1, "1970-01-01T00:00:00.000000001", None]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.floats(width=32, allow_nan=False), st.floats(width=16, allow_nan=False))
def test_narrow_floats_come_out_as_the_shortest_text_that_reads_back(single: float, half: float) -> None:
    (value,) = values_of(pa.array([single], pa.float32()))
    assert struct.pack("f", value) == struct.pack("f", single)
    assert len(repr(value)) <= len(repr(single))
    (value,) = values_of(pa.array([half]).cast(pa.float16()))
    assert struct.pack("e", value) == struct.pack("e", half)
    assert len(repr(value)) <= len(repr(half))


NANS = [pa.float16(), pa.float32(), pa.float64()]


@pytest.mark.parametrize("kind", NANS, ids=str)
def test_nan_stays_nan(kind: pa.DataType) -> None:
    table = pa.table({"x": pa.array([float("nan")]).cast(kind)})
    assert (csv_of(table), json_of(table)) == ("x\nNaN\n", '{"x":null}\n')


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (pa.array([None, (1, 2, 3)], pa.month_day_nano_interval()), "no ISO 8601 duration of fixed length"),
        (pa.array([None, 10**17], pa.timestamp("s")), "can't be written exactly"),
        (pa.array([None, -(10**17)], pa.timestamp("ms", "UTC")), "can't be written exactly"),
        (pa.array([None, 10**9], pa.int32()).cast(pa.date32()), "can't be written exactly"),
        (pa.array([None, 2**62], pa.duration("s")), "can't be written exactly"),
        (pa.array([None, [("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64())), "a map has a key twice"),
        (pa.array([None, 1], pa.timestamp("us", "Nowhere/Land")), "can't be written exactly"),
        (pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]), "names a field twice"),
        (pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("ii", 0, 1)), pa.py_buffer(b"\xff")), "'utf-8' codec"),
    ],
)  # fmt: skip
def test_value_that_has_no_exact_form_is_refused_with_its_place(array: pa.Array, said: str) -> None:
    table = pa.table({"key": list(range(len(array))), "x": array})
    with pytest.raises(RecordError, match="Cast the column upstream") as refused:
        csv_of(table)
    assert said in str(refused.value)
    assert (refused.value.table, refused.value.column) == ("t", "x")
    assert refused.value.index == (0 if pa.types.is_interval(array.type) or len(array) == 1 else 1)


class TestFrames:
    def test_pandas_index_without_a_name_is_left_out_and_one_with_a_name_is_kept(self) -> None:
        frame = pandas.DataFrame({"a": [1, 2]})
        assert csv_of(frame) == csv_of(frame.set_axis(["x", "y"])) == "a\n1\n2\n"
        assert csv_of(frame[::-1]) == "a\n2\n1\n"
        assert csv_of(frame.set_axis(pandas.Index(["x", "y"], name="key"))) == "a,key\n1,x\n2,y\n"
        assert csv_of(frame.rename_axis("key")) == "a,key\n1,0\n2,1\n"
        index = pandas.MultiIndex.from_tuples([(1, "p"), (2, "q")], names=["i", None])
        assert csv_of(frame.set_axis(index)) == "a,i\n1,1\n2,2\n"

    def test_pandas_values(self) -> None:
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

    def test_objects_in_a_pandas_column_arrive_one_by_one_as_they_are(self) -> None:
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


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(table, out, row_group_size=40)
    return out.getvalue()


def arrow_file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)
    return out.getvalue()


def arrow_stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=40)
    return out.getvalue()


FILES: dict[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "parquet": ("x.parquet", parquet),
    "arrow file": ("x.arrow", arrow_file),
    "feather": ("x.feather", arrow_file),
    "arrow stream": ("x.arrows", arrow_stream),
    "ipc stream": ("x.ipc", arrow_stream),
    "stream named arrow": ("x.arrow", arrow_stream),
}
NOT_IN_PARQUET = (
    pa.list_view(pa.float32()),
    pa.large_list_view(pa.float32()),
    pa.struct([]),
    pa.decimal128(5, -2),
    pa.list_(pa.float32(), 2),  # pyarrow 25, the last for Python 3.10, can't read one with nulls
)


@pytest.mark.parametrize(("name", "write"), FILES.values(), ids=list(FILES))
class TestFiles:
    def test_every_type_reads_back(self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path) -> None:
        for number, (kind, values, expected) in enumerate(CASES):
            if write is parquet and kind in NOT_IN_PARQUET:
                continue
            path = put(tmp_path / str(number) / name, write(pa.table({"x": array_of(kind, values)})))
            rows = [row["x"] for row in staged_rows(path)]
            if write is parquet and pa.types.is_timestamp(kind) and kind.unit == "s":
                assert rows == (expected or values)
            else:
                assert repr(rows) == repr(expected or values), kind

    def test_file_of_no_rows_has_its_columns(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        put(tmp_path / f"1{name}", write(pa.table({"b": pa.array([], pa.int8()), "a": pa.array([], pa.int8())})))
        put(tmp_path / "2.csv", "c\n1\n")
        assert list(staged_rows(tmp_path)[0]) == ["b", "a", "c"]

    def test_file_that_is_cut_off_anywhere_is_refused_by_name(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        content = write(pa.table({"a": list(range(100)), "b": ["text"] * 100}))
        for size in range(0, len(content), 8):  # messages of a stream end at multiples of 8
            path = put(tmp_path / name, content[:size])
            with pytest.raises(StagingError, match="Stage it again, whole") as refused:
                staged_rows(path)
            assert str(path) in str(refused.value)

    def test_damage_to_the_structure_never_shows_as_another_error(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        content = write(pa.table({"a": list(range(100)), "b": ["text"] * 100}))
        refused = []
        for position in range(0, len(content), 7):
            damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
            path = put(tmp_path / name, damaged)
            try:
                staged_rows(path)
            except (StagingError, RecordError) as error:
                refused.append(str(error))
        assert refused
        assert all(str(path) in error for error in refused)

    def test_value_that_has_no_exact_form_is_named_by_its_row(
        self, name: str, write: Callable[[pa.Table], bytes], tmp_path: Path
    ) -> None:
        moments = pa.array([0] * 50 + [10**17], pa.int64()).cast(pa.timestamp("ms"))
        path = put(tmp_path / name, write(pa.table({"x": moments})))
        with pytest.raises(RecordError, match=f"{name}, row 51, column 'x'") as refused:
            staged_rows(path)
        assert (refused.value.file, refused.value.line) == (str(path), 51)


def test_anything_after_the_end_of_a_stream_is_refused(tmp_path: Path) -> None:
    content = arrow_stream(pa.table({"a": [1]}))
    with pytest.raises(StagingError, match="after the end of the stream"):
        staged_rows(put(tmp_path / "x.arrows", content + content))


def test_damage_to_the_values_of_a_file_that_has_checksums_is_refused(tmp_path: Path) -> None:
    table = pa.table({"a": [f"text {number}" for number in range(200)]})
    for codec in ("snappy", "zstd", "gzip", "none"):
        out = io.BytesIO()
        pa.parquet.write_table(table, out, compression=codec, use_dictionary=False, write_page_checksum=True)
        content, refused = out.getvalue(), 0
        for position in range(4, len(content) - 8, 61):
            damaged = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
            try:
                assert staged_rows(put(tmp_path / "x.parquet", damaged)) == table.to_pylist()
            except StagingError:
                refused += 1
        assert refused


def test_column_named_twice_in_a_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "x.arrow", arrow_file(pa.table([[1], [2]], names=["a", "a"])))
    with pytest.raises(SpecError, match=r"x\.arrow has the columns \['a'\] twice"):
        staged_rows(path)


def test_index_that_pandas_stored_as_a_column_is_kept(tmp_path: Path) -> None:
    pandas.DataFrame({"a": [1]}).set_axis(["x"]).to_parquet(tmp_path / "x.parquet")
    assert staged_rows(tmp_path) == [{"a": 1, "__index_level_0__": "x"}]


def test_json_of_typed_values() -> None:
    kinds = [(kind, values, expected) for kind, values, expected in CASES if len(values) == 3]
    table = pa.table({str(n): array_of(kind, values) for n, (kind, values, _) in enumerate(kinds)})
    plain = [{str(n): (expected or values)[row] for n, (_, values, expected) in enumerate(kinds)} for row in range(3)]
    assert json_of(table) == json_of(plain)
    assert [list(json.loads(line)) for line in json_of(table).splitlines()] == [list(row) for row in plain]
