"""Arrow data is encoded column by column to the bytes that its values are encoded to record by record."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.sources.records import open_records
from tests.unit.tables import written

UTC = timezone.utc
MOMENTS = st.datetimes()


def of_bits(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def units(moments: st.SearchStrategy[datetime], per_second: int) -> st.SearchStrategy[int]:
    """The same moments, to the second and not, counted from 1970 in parts of a second."""
    seconds = moments.map(lambda moment: (moment - datetime(1970, 1, 1)) // timedelta(seconds=1))
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
    *((kind, of_bits(bits, True)) for bits, kind in ((8, pa.int8()), (16, pa.int16()), (32, pa.int32()))),
    *((kind, of_bits(bits, False)) for bits, kind in ((8, pa.uint8()), (16, pa.uint16()), (32, pa.uint32()))),
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
    (pa.time32("s"), st.times().map(lambda moment: moment.replace(microsecond=0))),
    (pa.time32("ms"), st.integers(0, 86_399_999)),
    (pa.time64("us"), st.times()),
    (pa.time64("ns"), st.builds(int.__add__, st.integers(0, 86_399).map((10**9).__mul__), fractions(10**9))),
    *((pa.timestamp(unit, zone), units(MOMENTS, per_second)) for zone in (None, "UTC", "Europe/Berlin")
      for unit, per_second in (("s", 1), ("ms", 10**3), ("us", 10**6)) if zone != "Europe/Berlin"),
    (pa.timestamp("us", "Europe/Berlin"), units(NANO_RANGE, 10**6)),
    (pa.timestamp("ns"), units(NANO_RANGE, 10**9)),
    (pa.timestamp("ns", "UTC"), units(NANO_RANGE, 10**9)),
    (pa.duration("us"), st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    *((kind, TEXTS) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    (pa.binary(), st.binary(max_size=4)),
    (pa.map_(pa.string(), pa.int64()), st.dictionaries(TEXTS, st.integers(0, 9), max_size=2).map(lambda m: [*m.items()])),
]  # fmt: skip
NAMES = st.lists(st.sampled_from(["", 'a "\u00e9\ufeff', "x\n"]), min_size=1, max_size=2, unique=True)


@st.composite
def arrays(draw: st.DrawFn, depth: int = 2) -> pa.Array:
    """An array of any type, with nulls, of which some are parts of others."""
    kind, values = draw(st.sampled_from(SCALARS))
    array = pa.array(draw(st.lists(st.none() | values, min_size=1, max_size=6)), kind)
    for _ in range(draw(st.integers(0, depth))):
        array = draw(st.sampled_from([as_lists, as_structs, as_dictionary, as_slice]))(array, draw)
    return array


def as_lists(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    bounds = sorted(draw(st.lists(st.integers(0, len(array)), min_size=2, max_size=5)))
    ends: list[int | None] = [draw(st.sampled_from([bound, bound, None])) for bound in bounds[:-1]]
    make = draw(st.sampled_from([pa.ListArray, pa.LargeListArray]))
    kind = pa.int32() if make is pa.ListArray else pa.int64()
    return make.from_arrays(pa.array([*ends, bounds[-1]], kind), array)


def as_structs(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    names = draw(NAMES)
    absent = pa.array(draw(st.lists(st.booleans(), min_size=len(array), max_size=len(array))))
    return pa.StructArray.from_arrays([array] * len(names), names, mask=absent)


def as_dictionary(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    places = draw(st.lists(st.none() | st.integers(0, len(array) - 1), min_size=1, max_size=8))
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), array)


def as_slice(array: pa.Array, draw: st.DrawFn) -> pa.Array:
    start = draw(st.integers(0, len(array) - 1))
    return array.slice(start, draw(st.integers(1, len(array) - start)))


def same_in_both_lanes(table: pa.Table, delimiter: str = ",") -> None:
    written(open_records("t", table, None), "csv", delimiter)  # fails where the lanes differ
    written(open_records("t", table, None), "json")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(arrays(), min_size=1, max_size=3),
    st.permutations(["", 'a "\u00e9\ufeff', "x\n"]),
    st.sampled_from(",\t;|¦eT-:.5N"),
)
def test_lanes_write_the_same_bytes(columns: list[pa.Array], names: list[str], delimiter: str) -> None:
    size = min(map(len, columns))
    pairs = zip(names, columns, strict=False)
    same_in_both_lanes(pa.table({name: array.slice(0, size) for name, array in pairs}), delimiter)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize(
    ("kind", "values"), SCALARS, ids=lambda case: str(case) if isinstance(case, pa.DataType) else ""
)
def test_lanes_write_the_same_bytes_of_each_type(
    kind: pa.DataType, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    array = pa.array(data.draw(st.lists(st.none() | values, min_size=1, max_size=6)), kind)
    same_in_both_lanes(pa.table({"x": array}), data.draw(st.sampled_from(",;T0-.")))


@pytest.mark.parametrize(
    ("kind", "values"), SCALARS, ids=lambda case: str(case) if isinstance(case, pa.DataType) else ""
)
def test_values_that_repeat_are_written_like_others(kind: pa.DataType, values: st.SearchStrategy[Any]) -> None:
    @settings(derandomize=True, max_examples=3, deadline=None)
    @given(st.lists(st.none() | values, min_size=1, max_size=6))
    def check(few: list[Any]) -> None:
        array = pa.array(few * 400, kind)
        same_in_both_lanes(pa.table({"x": array, "y": array.slice(1)} if len(few) == 0 else {"x": array, "n": array}))

    check()
