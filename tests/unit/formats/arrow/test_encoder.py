"""Arrow data is encoded column by column to the bytes that its values are encoded to record by record."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError, StagingError
from airflow_provider_s3dest.formats.arrow.encoder import FEW_RECORDS, ArrowEncoder
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.arrow.chunk import CHUNK_BYTES, ArrowChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources import arrow_file
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import put, read_chunks, staged_rows, staged_table, written

MOMENTS = st.datetimes()


def of_bits(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def units(timestamps: st.SearchStrategy[datetime], per_second: int) -> st.SearchStrategy[int]:
    """The same times, to the second and not, counted from 1970 in parts of a second."""
    seconds = timestamps.map(lambda value: (value - datetime(1970, 1, 1)) // timedelta(seconds=1))
    return st.builds(lambda second, rest: second * per_second + rest, seconds, st.just(0) | fractions(per_second))


def fractions(per_second: int) -> st.SearchStrategy[int]:
    return st.integers(0, per_second - 1) | st.integers(0, max(0, per_second // 1000 - 1)).map(lambda few: few * 1000)


NANO_RANGE = st.datetimes(datetime(1678, 1, 1), datetime(2262, 1, 1))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text(
    ' ,"\n\r\\\t\ufeff\x00\x1f;|é/0.', max_size=6
)
SCALARS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.null(), st.none()),
    (pa.bool_(), st.booleans()),
    *((int_type, of_bits(bits, True)) for bits, int_type in ((8, pa.int8()), (16, pa.int16()), (32, pa.int32()))),
    *((int_type, of_bits(bits, False)) for bits, int_type in ((8, pa.uint8()), (16, pa.uint16()), (32, pa.uint32()))),
    (pa.int64(), of_bits(64, True) | st.integers(-1, 10_001)),
    (pa.uint64(), of_bits(64, False)),
    (pa.float64(), st.floats() | st.sampled_from([1e16, 1e-7, -0.0, 1e22, 123456789012345680.0])),
    (pa.float32(), st.floats(width=32)),
    (pa.decimal128(38, 4), st.decimals(-(10**33), 10**33, places=4)),
    (pa.decimal128(20, 9), st.decimals(-(10**10), 10**10, places=9)),
    (pa.decimal128(9, 0), st.decimals(-(10**8), 10**8, places=0)),
    (pa.decimal256(70, 6), st.decimals(-(10**30), 10**30, places=6)),
    (pa.date32(), st.dates() | st.dates(date(1890, 1, 1), date(2110, 1, 1))),
    (pa.date64(), st.dates()),
    (pa.time32("s"), st.times().map(lambda value: value.replace(microsecond=0))),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (pa.time64("us"), st.times()),
    (pa.time64("ns"), st.builds(int.__add__, st.integers(0, 86_399).map((10**9).__mul__), fractions(10**9))),
    *((pa.timestamp(unit, zone), units(MOMENTS, per_second)) for zone in (None, "UTC", "Europe/Berlin")
      for unit, per_second in (("s", 1), ("ms", 10**3), ("us", 10**6)) if zone != "Europe/Berlin"),
    (pa.timestamp("us", "Europe/Berlin"), units(NANO_RANGE, 10**6)),
    (pa.timestamp("ns"), units(NANO_RANGE, 10**9)),
    (pa.timestamp("ns", "UTC"), units(NANO_RANGE, 10**9)),
    (pa.duration("us"), st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    *((arrow_type, TEXTS) for arrow_type in (pa.string(), pa.large_string(), pa.string_view())),
    (pa.binary(), st.binary(max_size=4)),
    (pa.map_(pa.string(), pa.int64()), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2).map(dict.items).map(list)),
]  # fmt: skip
NAMES = ["", 'a "\u00e9\ufeff', "x\n"]


@st.composite
def arrays(draw: st.DrawFn, depth: int = 2) -> pa.Array:
    """An array of any type, with nulls, of which some are parts of others."""
    arrow_type, values = draw(st.sampled_from(SCALARS))
    array = pa.array(draw(st.lists(st.none() | values, min_size=1, max_size=6)), arrow_type)
    for _ in range(draw(st.integers(0, depth))):
        array = draw(st.sampled_from([as_lists, as_structs, as_dictionary, as_slice]))(array, draw)
    return array


def as_lists(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    bounds = sorted(draw(st.lists(st.integers(0, len(array)), min_size=2, max_size=5)))
    ends: list[int | None] = [draw(st.sampled_from([bound, bound, None])) for bound in bounds[:-1]]
    make = draw(st.sampled_from([pa.ListArray, pa.LargeListArray]))
    arrow_type = pa.int32() if make is pa.ListArray else pa.int64()
    return make.from_arrays(pa.array([*ends, bounds[-1]], arrow_type), array)


def as_structs(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
    absent = pa.array(draw(st.lists(st.booleans(), min_size=len(array), max_size=len(array))))
    return pa.StructArray.from_arrays([array] * len(names), names, mask=absent)


def as_dictionary(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    places = draw(st.lists(st.none() | st.integers(0, len(array) - 1), min_size=1, max_size=8))
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), array)


def as_slice(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    start = draw(st.integers(0, len(array) - 1))
    return array.slice(start, draw(st.integers(1, len(array) - start)))


def same_by_both_encoders(table: pa.Table, delimiter: str = ",") -> None:
    written(open_records("t", table, None), "csv", delimiter)  # fails where the encoders differ
    written(open_records("t", table, None), "json")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(arrays(), min_size=1, max_size=3),
    st.permutations(["", 'a "\u00e9\ufeff', "x\n"]),
    st.sampled_from(",\t;|¦eT-:.5N"),
)
def test_both_encoders_write_the_same_bytes(columns: list[pa.Array], names: list[str], delimiter: str) -> None:
    size = min(map(len, columns))
    pairs = zip(names, columns, strict=False)
    same_by_both_encoders(pa.table({name: array.slice(0, size) for name, array in pairs}), delimiter)


EACH_TYPE = pytest.mark.parametrize(
    ("arrow_type", "values"), SCALARS, ids=[str(arrow_type) for arrow_type, _ in SCALARS]
)


@EACH_TYPE
@settings(derandomize=True, max_examples=25, deadline=None)
@given(data=st.data())
def test_both_encoders_write_the_same_bytes_of_each_type(
    arrow_type: pa.DataType, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    array = pa.array(data.draw(st.lists(st.none() | values, min_size=1, max_size=6)), arrow_type)
    same_by_both_encoders(pa.table({"x": array}), data.draw(st.sampled_from(",;T0-.")))


@EACH_TYPE
@settings(derandomize=True, max_examples=3, deadline=None)
@given(data=st.data())
def test_values_that_repeat_are_written_like_others(
    arrow_type: pa.DataType, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    few = data.draw(st.lists(st.none() | values, min_size=1, max_size=6))
    same_by_both_encoders(pa.table({"x": pa.array(few * 400, arrow_type), "n": list(range(len(few) * 400))}))


def encoders_of(table: Table) -> list[ArrowEncoder]:
    csv, json = CsvEncoder("t", table.columns, ",", skip_header=True), JsonEncoder("t", table.columns)
    return [ArrowEncoder(csv, "csv", table.columns), ArrowEncoder(json, "json", table.columns)]


class OnlyArrow(ArrowChunk):
    """A chunk that gives no Python values."""

    def column(self, name: str) -> Sequence[Any]:
        raise AssertionError(f"column {name} was asked for as Python values")


def test_usual_types_never_become_python_values() -> None:
    days = pa.array(range(FEW_RECORDS), pa.int32()).cast(pa.date32())
    columns = {"a": range(FEW_RECORDS), "b": ['x,"'] * FEW_RECORDS, "c": days, "d": days.cast(pa.timestamp("us"))}
    table = open_records("t", pa.table({name: pa.array(values) for name, values in columns.items()}), None)
    (chunk,) = read_chunks(table)
    assert isinstance(chunk, ArrowChunk)
    for encoder in encoders_of(table):
        assert encoder.encode(OnlyArrow(chunk.batch, chunk.origins, len(chunk), "t")).records == FEW_RECORDS


@pytest.mark.parametrize("records", [FEW_RECORDS - 1, FEW_RECORDS + 1])
def test_value_that_can_not_be_written_is_named_with_its_place_whatever_the_size_of_its_chunk(records: int) -> None:
    timestamps = pa.array([0] * (records - 1) + [10**17], pa.timestamp("s"))
    table = open_records("t", pa.table({"n": range(records), "x": timestamps}), None)
    (chunk,) = read_chunks(table)
    for encoder in encoders_of(table):
        with pytest.raises(RecordError, match="can't be written exactly") as refused:
            encoder.encode(chunk)
        assert (refused.value.table, refused.value.index, refused.value.column) == ("t", records - 1, "x")


def test_chunks_are_bounded_by_bytes_unless_one_record_is_larger() -> None:
    long = "x" * (CHUNK_BYTES // 4)
    table = pa.table({"x": ["a"] * 1000 + [long] * 9 + [long * 5] + ["b"] * 1000})
    chunks = list(read_chunks(open_records("t", table, None)))
    sizes = [sum(map(len, chunk.column("x"))) for chunk in chunks]
    assert sum(map(len, chunks)) == 2010
    assert all(size <= CHUNK_BYTES or len(chunk) == 1 for size, chunk in zip(sizes, chunks, strict=True))
    assert [chunk.origins.start for chunk in chunks] == [sum(map(len, chunks[:n])) for n in range(len(chunks))]


@pytest.mark.parametrize("arrow_type", [pa.string_view(), pa.list_(pa.string_view())], ids=str)
def test_memory_that_slices_share_does_not_count_for_each(arrow_type: pa.DataType) -> None:
    text = "x" * 100
    array = pa.array([[text] if pa.types.is_list(arrow_type) else text] * (CHUNK_BYTES // 100), arrow_type)
    chunks = list(read_chunks(open_records("t", pa.table({"x": array}), None)))
    assert len(chunks) <= 8


class TestParquet:
    def test_texts_that_repeat_and_row_groups_that_are_large_read_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flags = ["é,", None, "", "b"] * 5000
        table = pa.table(
            {"flag": flags, "raw": [b"\x00", b"\xff"] * 10_000, "n": range(20_000), "list": [["a"]] * 20_000}
        )
        pa.parquet.write_table(table, tmp_path / "x.parquet", row_group_size=9000)
        whole = {format_: written(staged_table(tmp_path), format_) for format_ in ("csv", "json")}
        assert whole["csv"] == written(open_records("t", table, None), "csv")
        monkeypatch.setattr(arrow_file, "_HELD_BYTES", 1000)
        assert {format_: written(staged_table(tmp_path), format_) for format_ in whole} == whole

    def test_columns_that_are_not_wanted_are_not_read(self, tmp_path: Path) -> None:
        out = io.BytesIO()
        noise = random.Random(1).randbytes(3000)
        table = pa.table({"a": [1, 2], "a.b": [3, 4], "s": [{"b": 5}, {"b": 6}], "noise": [noise, noise[::-1]]})
        options = {
            "use_dictionary": False,
            "write_statistics": False,
            "write_page_checksum": True,
            "compression": "none",
        }
        pa.parquet.write_table(table, out, **options)
        damaged = bytearray(out.getvalue())
        damaged[damaged.index(noise)] ^= 0xFF
        put(tmp_path / "x.parquet", bytes(damaged))
        assert staged_rows(tmp_path, ("s", "z", "a")) == [
            {"s": {"b": 5}, "z": None, "a": 1},
            {"s": {"b": 6}, "z": None, "a": 2},
        ]
        with pytest.raises(StagingError, match="can't be read"):
            staged_rows(tmp_path)
