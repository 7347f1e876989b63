"""Values of every Arrow type become exact Python values, and a value that has no exact form is refused."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import uuid
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from airflow_provider_s3dest.records.arrow.values import values_of
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, json_of, rows_of

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


NO_UTF8 = pa.StringArray.from_buffers(2, pa.py_buffer(struct.pack("iii", 0, 1, 2)), pa.py_buffer(b"a\xff"))


@pytest.mark.parametrize("times", [1, 200], ids=["record by record", "by column"])
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (pa.array([0, 86_400], pa.time32("s")), "86400 s is no time"),
        (pa.array([None, -1], pa.time32("ms")), "-1 ms is no time"),
        (pa.array([1, 86_400_000_000], pa.time64("us")), "86400000000 us is no time"),
        (pa.array([1, -1], pa.time64("us")), "-1 us is no time"),
        (pa.array([1, 86_400_000_000_005], pa.time64("ns")), "86400000000005 ns is no time"),
        (pa.array([0, 86_400_001], pa.date64()), "no whole day"),
        (pa.array([-86_400_000, -1], pa.date64()), "no whole day"),
        (NO_UTF8, "utf"),
        (pa.array(["{}", "{bad"]).cast(pa.json_()), "the column is JSON, and the text is not"),
    ],
    ids=["s", "ms", "us", "below", "ns", "date64", "date64 below", "UTF-8", "JSON"],
)
def test_value_that_its_type_does_not_have_is_refused_alike_in_every_format_and_level(
    array: pa.Array, said: str, times: int
) -> None:
    good = pa.concat_arrays([array.slice(0, 1)] * times)
    many = pa.concat_arrays([good, array.slice(1, 1), array.slice(0, 1)])
    lists = pa.ListArray.from_arrays(pa.array(range(len(many) + 1), pa.int32()), many)
    maps = pa.MapArray.from_arrays(lists.offsets, pa.array(["k"] * len(many)), many)
    encoded = pa.DictionaryArray.from_arrays(pa.array([*[0] * times, 1, 0], pa.int32()), array)
    for values in (many, lists, maps, pa.StructArray.from_arrays([many], ["x"]), encoded):
        table = pa.table({"x": values})
        messages = set()
        for write in (
            csv_of,
            json_of,
            lambda table: list(with_types(open_records("t", table, None), {}, for_parquet=True).chunks),
        ):
            with pytest.raises(RecordError, match="Cast the column upstream") as refused:
                write(table)
            assert (refused.value.index, refused.value.column) == (times, "x")
            messages.add(str(refused.value))
        assert len(messages) == 1
        assert said in messages.pop()
        # The members of a dictionary that no record has are no values.
        list(with_types(open_records("t", table.slice(0, times), None), {}, for_parquet=True).chunks)
        (chunk,) = open_records("t", table.slice(0, times), None).chunks
        assert isinstance(chunk, ArrowChunk)
        assert len(chunk.column("x")) == times


def test_struct_that_names_a_field_twice_has_no_form_in_parquet_and_no_bytes_of_length_0() -> None:
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["y", "y"])
    for values in (twice, pa.ListArray.from_arrays([0, 1], twice)):
        with pytest.raises(SpecError, match="the column 'x' of table 't' is an object that has the field 'y' twice"):
            with_types(open_records("t", pa.table({"x": values}), None), {}, for_parquet=True)
        with pytest.raises(RecordError, match="names a field twice"):
            list(
                with_types(
                    open_records("t", pa.table({"x": twice}), None), {"x": pa.struct([("y", pa.int64())])}
                ).chunks
            )
    empty = pa.binary(0)
    table = pa.table(
        {
            "x": pa.array([b"", None], empty),
            "l": pa.array([[b""], None], pa.list_(empty)),
            "m": pa.array([[("k", b"")], None], pa.map_(pa.string(), empty)),
        }
    )
    typed = with_types(open_records("t", table, None), {}, for_parquet=True)
    assert typed.schema.types == [pa.binary(), pa.list_(pa.binary()), pa.map_(pa.string(), pa.binary())]
    (chunk,) = typed.chunks
    assert isinstance(chunk, ArrowChunk)
    assert chunk.batch.to_pylist() == table.to_pylist()


def test_json_of_typed_values() -> None:
    kinds = [(kind, values, expected) for kind, values, expected in CASES if len(values) == 3]
    table = pa.table({str(n): array_of(kind, values) for n, (kind, values, _) in enumerate(kinds)})
    plain = [{str(n): (expected or values)[row] for n, (_, values, expected) in enumerate(kinds)} for row in range(3)]
    assert json_of(table) == json_of(plain)
    assert [list(json.loads(line)) for line in json_of(table).splitlines()] == [list(row) for row in plain]
