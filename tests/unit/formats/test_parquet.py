"""Parquet files hold what was given, value by value, one type a column, cut exactly and the same every time."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import MissingExtraError, RecordError, S3DestinationError, SpecError
from airflow_provider_s3dest.formats.batching import BatchWriter, Limits
from airflow_provider_s3dest.formats.encoders import encoder_for, sink_for
from airflow_provider_s3dest.formats.parquet import EncodedBatch
from airflow_provider_s3dest.load.transforms import with_types_for
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.spec import DestinationSpec
from tests.unit.tables import put, staged_table

NO_LIMITS = Limits(None, None)


class Objects:
    """Keeps the objects in memory."""

    def __init__(self) -> None:
        self.contents: list[bytearray] = []

    def open(self, number: int) -> Objects:
        self.contents.append(bytearray())
        return self

    def write(self, data: bytes) -> None:
        self.contents[-1] += data

    def close(self, records: int) -> None:
        """Nothing is left to write."""


def files_of(table: Table, limits: Limits = NO_LIMITS, schema: Any = None, **fields: Any) -> list[bytes]:
    """Write a table as Parquet."""
    spec = DestinationSpec(**{"bucket": "b", "path": "{{UUID}}", "format": "parquet", **fields})
    table = with_types_for(spec, table, schema)
    encoder, objects = encoder_for(spec, table), Objects()
    line = BatchWriter(limits, b"", lambda number: sink_for(spec, table, objects.open(number)))
    for chunk in table.chunks:
        line.add(encoder.encode(chunk))  # type: ignore[arg-type]
    line.close()
    return [bytes(content) for content in objects.contents]


def parquet_of(records: Any, **how: Any) -> pa.Table:
    """Write records as one Parquet file, and read it back."""
    (file,) = files_of(open_records("t", records, None), **how)
    return pq.read_table(io.BytesIO(file))


ZONE = timezone(timedelta(hours=2))
RECORDS: list[dict[str, Any]] = [
    {"i": -(2**63), "big": 2**64 + 5, "f": 0.1, "n": 1, "d": Decimal("1.10"), "s": "é😀\n", "b": b"\0\xff", "o": True},
    {"i": 2**63 - 1, "big": 1, "f": -0.0, "n": 2.5, "d": Decimal("-12345.678"), "s": "", "b": b"", "o": False},
    {"i": 0, "big": -(10**38 - 1), "f": 1e-300, "n": 2**53, "d": 7, "s": None, "b": None, "o": None},
    {},
]
TIMESTAMPS: list[dict[str, Any]] = [
    {"t": datetime(1, 1, 1), "z": datetime(2024, 1, 31, 12, tzinfo=ZONE), "d": date(1, 1, 1), "c": time(1, 2, 3, 4)},
    {"t": datetime(9999, 12, 31, 23, 59, 59, 999999), "z": datetime(2024, 1, 31, tzinfo=timezone.utc), "d": None},
]
NESTED: list[dict[str, Any]] = [
    {"l": [1, None, 3], "s": {"a": 1, "b": "x"}, "m": [{"x": [1.5]}, None]},
    {"l": [], "s": None, "m": []},
    {"l": None, "s": {"a": None, "b": ""}, "m": None},
]


@pytest.mark.parametrize("records", [RECORDS, TIMESTAMPS, NESTED], ids=["plain", "timestamps", "nested"])
@pytest.mark.parametrize("codec", ["", "snappy", "zstd", "gzip", "none"])
def test_records_read_back_equal_by_pyarrow_duckdb_and_polars(
    records: list[dict[str, Any]], codec: str, tmp_path: Path
) -> None:
    (file,) = files_of(open_records("t", records, None), compression=codec)
    path = put(tmp_path / "x.parquet", file)
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [{name: record.get(name) for name in names} for record in records]
    assert pq.read_table(path).to_pylist() == rows
    assert polars.read_parquet(path).to_dicts() == rows
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.read_parquet(str(path))
        assert [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()] == rows


def test_nan_is_kept_apart_from_null() -> None:
    values = parquet_of([{"x": math.nan}, {"x": None}, {"x": math.inf}])["x"].to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [None, math.inf]


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("values", "arrow_type", "read"),
    [
        ([1, None], pa.int64(), [1, None]),
        ([None, None], pa.string(), [None, None]),
        ([1, Decimal("0.5")], pa.decimal128(38, 1), [Decimal("1.0"), Decimal("0.5")]),
        ([timedelta(days=1, seconds=2)], pa.string(), ["P1DT2S"]),
        ([UUID(int=1)], pa.string(), [str(UUID(int=1))]),
        ([Colour.RED, "blue"], pa.string(), ["red", "blue"]),
        ([{3, 1}, (2,)], pa.list_(pa.int64()), [[1, 3], [2]]),
        (
            [{"a": 1}, {"b": "x"}],
            pa.struct({"a": pa.int64(), "b": pa.string()}),
            [{"a": 1, "b": None}, {"a": None, "b": "x"}],
        ),
        ([time(1, tzinfo=ZONE)], pa.string(), ["01:00:00+02:00"]),
        ([pandas.Timestamp(1, unit="ns"), datetime(2024, 1, 1)], pa.timestamp("ns"), None),
        ([bytearray(b"x"), memoryview(b"y")], pa.binary(), [b"x", b"y"]),
        ([[], None], pa.list_(pa.string()), [[], None]),
    ],
)
def test_values_have_the_type_that_the_document_says(
    values: list[Any], arrow_type: Any, read: list[Any] | None
) -> None:
    table = parquet_of([{"x": value} for value in values])
    assert table.schema.field("x").type.equals(arrow_type, check_metadata=False) or str(
        table.schema.field("x").type
    ).replace("element", "item") == str(arrow_type)
    if read is not None:
        assert table["x"].to_pylist() == read


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "x"], "'x' is string here, and in earlier records the type is int64"),
        ([True, 1], "1 is int64 here, and in earlier records the type is bool"),
        ([datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=ZONE)], "tz=UTC] here"),
        ([date(2024, 1, 1), datetime(2024, 1, 1)], "the type is date32"),
        ([1.5, 2**53 + 1], "9007199254740993 does not fit"),
        ([1, Decimal("NaN")], "NaN is no decimal"),
        ([1, {"a": [{"b": 1}]}, {"a": [{"b": "x"}]}], "struct"),
        (["x", object()], "there is no rule for object"),
        (["x", "\ud800"], "surrogates not allowed"),
        ([1, 10**38], "100000000000000000000000000000000000000"),
        ([1, 10**5000], "the number has more than 38 digits, the most of a decimal"),
    ],
)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "stream"])
def test_values_without_a_type_in_common_are_refused_with_their_place(
    values: list[Any], message: str, make: Any
) -> None:
    with pytest.raises(RecordError, match="schema=") as caught:
        parquet_of(make([{"x": value} for value in values]))
    assert message in str(caught.value)
    assert (caught.value.index, caught.value.column) == (1, "x")


def test_a_list_is_looked_through_before_its_first_object() -> None:
    records: list[dict[str, Any]] = [{"x": 1, "y": {"a": 1}}] * 20_000 + [{"x": 1.5, "y": {"b": 2}}]
    table = parquet_of(records)
    assert table.schema.field("x").type == pa.float64()
    assert table["y"][-1].as_py() == {"a": None, "b": 2}


@pytest.mark.parametrize("late", [{"x": "text"}, {"x": 2**63}, {"x": 1.5}, {"y": {"b": 1}}])
def test_what_does_not_fit_the_first_records_of_a_stream_is_refused(late: dict[str, Any]) -> None:
    def stream() -> Iterator[dict[str, Any]]:
        yield from ({"x": 1, "y": {"a": 1}} for _ in range(15_000))
        yield late

    with pytest.raises(RecordError, match="schema=") as caught:
        parquet_of(stream())
    assert (caught.value.index, caught.value.column) == (15_000, next(iter(late)))


@pytest.mark.parametrize(("format_", "types"), [("parquet", None), ("csv", {"x": "int64"})])
def test_what_is_missing_to_write_it_is_named(
    monkeypatch: pytest.MonkeyPatch, format_: str, types: dict[str, str] | None
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    spec = DestinationSpec(bucket="b", path="{{UUID}}", format=format_)
    with pytest.raises(MissingExtraError, match=r"airflow-provider-s3dest\[arrow\]"):
        with_types_for(spec, open_records("t", [{"x": 1}], None), types)


def test_decimals_with_a_negative_scale_are_stored_whole_at_any_level() -> None:
    thousands = pa.array([Decimal(1000), None, Decimal(-500)], pa.decimal128(5, -2))
    lists = pa.ListArray.from_arrays([0, 1, 1, 3], thousands)
    pairs = pa.MapArray.from_arrays([0, 1, 1, 2], ["a", "b"], thousands.take(pa.array([0, 2])))
    table = pa.table({"n": thousands, "list": lists, "pairs": pairs})

    stored = parquet_of(table)

    assert stored.to_pylist() == table.to_pylist()
    assert stored.schema.field("n").type == pa.decimal128(7, 0)


def test_an_object_without_fields_has_no_type() -> None:
    with pytest.raises(SpecError, match="an object without fields"):
        parquet_of([{"x": {}}])
    with pytest.raises(SpecError, match="an object without fields"):
        parquet_of(pa.table({"x": pa.nulls(1, pa.map_(pa.string(), pa.struct([])))}))


def test_an_object_within_staged_json_that_has_a_key_twice_loses_neither_value(tmp_path: Path) -> None:
    put(tmp_path / "a.ndjson", '{"x": {"a": 1}}\n{"x": {"a": 1, "a": 2}}\n')
    with pytest.raises(RecordError, match=r"a.ndjson, line 2, column 'x': a nested object has the key 'a' twice"):
        files_of(staged_table(tmp_path))


@pytest.mark.parametrize(
    ("first", "second", "schema"),
    [("1", "%s", None), ("1", "%s", {"x": "float64"}), ('"[1]"', '"[%s]"', {"x": "list<int64>"})],
)
def test_a_number_of_more_digits_than_python_takes_is_refused_with_its_line(
    tmp_path: Path, first: str, second: str, schema: Any
) -> None:
    put(tmp_path / "a.ndjson", f'{{"x": {first}}}\n{{"x": {second % ("1" * 5000)}}}\n')
    with pytest.raises(RecordError, match=r"a.ndjson, line 2, column 'x': .*the number has more than 38 digits"):
        files_of(staged_table(tmp_path), schema=schema)


@pytest.mark.parametrize(
    ("nest", "deepest"), [(lambda inner: [inner], 49), (lambda inner: {"a": inner}, 98)], ids=["lists", "mappings"]
)
def test_what_is_nested_deeper_than_readers_take_is_refused(nest: Callable[[Any], Any], deepest: int) -> None:
    value: Any = 1
    for _ in range(deepest):
        value = nest(value)
    assert parquet_of([{"x": value}]).to_pylist() == [{"x": value}]

    with pytest.raises(SpecError, match=r"(?s)'x' of table 't' is nested in 10. levels.*schema=\{'x': 'string'\}"):
        parquet_of([{"x": nest(value)}])
    as_text = parquet_of([{"x": nest(value)}], schema={"x": "string"})
    assert json.loads(as_text["x"][0].as_py()) == nest(value)


def test_types_of_arrow_data_are_kept() -> None:
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int16()),
            "f": pa.array([0.1, None], pa.float32()),
            "d": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
            "t": pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")),
            "l": pa.array([["x"], None], pa.large_list(pa.large_string())),
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
        }
    )
    written = parquet_of(table)
    assert written.schema.types[:4] == table.schema.types[:4]
    assert written.to_pylist() == table.to_pylist()


def test_dictionaries_and_views_are_written_as_their_values() -> None:
    table = pa.table(
        {"c": pa.array(["a", "b", "a"]).dictionary_encode(), "v": pa.array(["x", None, ""], pa.string_view())}
    )
    written = parquet_of(table)
    assert written.schema.types == [pa.string(), pa.string()]
    assert written.to_pylist() == table.to_pylist()


def test_objects_of_a_pandas_column_are_looked_through() -> None:
    frame = pandas.DataFrame({"o": [None] * 40_000 + [Decimal("1.5")], "n": range(40_001)})
    table = parquet_of(frame)
    assert table.schema.field("o").type == pa.decimal128(38, 1)
    assert table.num_rows == 40_001


def test_staged_files_give_types_by_their_format(tmp_path: Path) -> None:
    put(tmp_path / "csv" / "a.csv", "id,name\n007,\n,x\n")
    put(
        tmp_path / "json" / "a.ndjson",
        '{"id": 1, "p": 1.10, "q": 0.12345678901234567890}\n{"id": 18446744073709551621}\n',
    )
    (file,) = files_of(staged_table(tmp_path / "csv"))
    assert pq.read_table(io.BytesIO(file)).to_pylist() == [{"id": "007", "name": None}, {"id": None, "name": "x"}]
    (file,) = files_of(staged_table(tmp_path / "json"))
    assert pq.read_table(io.BytesIO(file)).to_pylist() == [
        {"id": Decimal(1), "p": 1.1, "q": Decimal("0.12345678901234567890")},
        {"id": Decimal(18446744073709551621), "p": None, "q": None},
    ]


def test_staged_files_share_one_type_or_are_refused(tmp_path: Path) -> None:
    for name, values in (("a", pa.array([1], pa.int32())), ("b", pa.array([2**40]))):
        (tmp_path / "x").mkdir(exist_ok=True)
        pq.write_table(pa.table({"x": values}), tmp_path / "x" / f"{name}.parquet")
    (file,) = files_of(staged_table(tmp_path / "x"))
    assert pq.read_table(io.BytesIO(file))["x"].to_pylist() == [1, 2**40]
    pq.write_table(pa.table({"x": ["text"]}), tmp_path / "x" / "c.parquet")
    with pytest.raises(SpecError, match=r"is int64 in .*a.parquet, and string in .*c.parquet"):
        files_of(staged_table(tmp_path / "x"))
    (file,) = files_of(staged_table(tmp_path / "x"), schema={"x": "string"})
    assert pq.read_table(io.BytesIO(file))["x"].to_pylist() == ["1", str(2**40), "text"]


@pytest.mark.parametrize(("version", "unit"), [("v1.0", "us"), ("v2.4", "us"), ("v2.6", "ns"), ("v2Latest", "ns")])
def test_old_versions_have_no_nanoseconds(version: str, unit: str) -> None:
    def table(nanoseconds: int) -> pa.Table:
        return pa.table({"t": pa.array([nanoseconds], pa.timestamp("ns"))})

    assert parquet_of(table(1000), format_spec={"version": version}).schema.field("t").type == pa.timestamp(unit)
    if unit == "us":
        with pytest.raises(RecordError, match="does not fit"):
            parquet_of(table(1001), format_spec={"version": version})


@pytest.mark.parametrize(("version", "unit"), [("v1.0", "us"), ("v2.4", "us"), ("v2.6", "ns")])
@pytest.mark.parametrize("inside", ["key", "item"])
def test_old_versions_have_no_nanoseconds_in_maps_either(version: str, unit: str, inside: str) -> None:
    timestamp, number = pa.timestamp("ns"), pa.int64()
    key, item = (timestamp, number) if inside == "key" else (number, timestamp)

    def table(nanoseconds: int) -> pa.Table:
        pair = (nanoseconds, 1) if inside == "key" else (1, nanoseconds)
        return pa.table({"m": pa.array([[], None, [pair]], pa.map_(key, item))})

    stored = parquet_of(table(1000), format_spec={"version": version})["m"]
    assert pa.timestamp(unit) in (stored.type.key_type, stored.type.item_type)
    assert stored.cast(pa.map_(key, item)).to_pylist() == table(1000)["m"].to_pylist()
    if unit == "us":
        with pytest.raises(RecordError, match=r"table 't', record 2, column 'm': .*does not fit.*`schema=`"):
            parquet_of(table(1001), format_spec={"version": version})


def test_row_groups_are_cut_by_records_and_hold_a_bounded_size() -> None:
    (file,) = files_of(
        open_records("t", [{"x": number} for number in range(2500)], None), format_spec={"max_row_group_length": 700}
    )
    metadata = pq.ParquetFile(io.BytesIO(file)).metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [700, 700, 700, 400]
    large = pa.table({"x": ["x" * 2**20] * 100})
    (file,) = files_of(open_records("t", large, None))
    metadata = pq.ParquetFile(io.BytesIO(file)).metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [63, 37]


def test_a_number_counts_its_bytes_and_a_bit_for_null_and_text_an_offset_besides() -> None:
    batch = pa.RecordBatch.from_pylist([{"i": 1, "s": "abc"}, {"i": None, "s": None}])
    assert [*EncodedBatch(batch).ends] == [16, 16 + 13]
    nested = pa.RecordBatch.from_pylist([{"l": [1, 2]}, {"l": None}, {"l": [3]}])
    assert [*EncodedBatch(nested).ends] == [21, 21 + 5, 21 + 5 + 13]
    assert [*EncodedBatch(nested.slice(1)).ends] == [5, 5 + 13]


values = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False),
        "s": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        "b": st.none() | st.binary(max_size=9),
        "o": st.none() | st.booleans(),
        "d": st.none() | st.decimals(-(10**20), 10**20, places=5),
        "t": st.none() | st.datetimes(),
        "l": st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=4),
        "m": st.none() | st.fixed_dictionaries({"a": st.none() | st.text("ab", max_size=3)}),
    }
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(values, min_size=1, max_size=40), st.integers(1, 12), st.integers(1, 400), st.integers(1, 7))
def test_any_records_read_back_equal_and_are_cut_exactly_whatever_their_chunks(
    records: list[dict[str, Any]], most: int, size: int, group: int
) -> None:
    table = parquet_of(records)
    assert table.to_pylist() == [{name: record[name] for name in table.column_names} for record in records]
    limits, how = Limits(most, size), {"format_spec": {"max_row_group_length": group}}
    arrow = pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=3), table.schema)
    files = files_of(open_records("t", arrow, None), limits, **how)
    assert files == files_of(open_records("t", table, None), limits, **how)
    read = [pq.read_table(io.BytesIO(file)) for file in files]
    assert [row for one in read for row in one.to_pylist()] == table.to_pylist()
    ends = [0, *EncodedBatch(table.combine_chunks().to_batches()[0]).ends]
    start = 0
    for number, one in enumerate(read):
        stop = start + one.num_rows
        assert one.num_rows <= most
        assert ends[stop] - ends[start] <= size or one.num_rows == 1
        if number + 1 < len(read):
            assert one.num_rows == most or ends[stop + 1] - ends[start] > size or ends[stop] - ends[start] >= size
        start = stop


def _lists(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class Clock(time):
    """A time as pendulum's is one."""

    __slots__ = ()


class Binary(bytes):
    """Bytes as those of bson are."""

    __slots__ = ()


_VIEWS = pa.array(["x", "y"], pa.string_view())


@pytest.mark.parametrize(
    ("records", "values"),
    [
        (polars.DataFrame({"a": ["x", "y", None]}, schema={"a": polars.Categorical}), ["x", "y", None]),
        (polars.DataFrame({"a": ["x", "y", None]}, schema={"a": polars.Enum(["x", "y"])}), ["x", "y", None]),
        (
            polars.DataFrame({"a": [["x"], ["y", "x"]]}, schema={"a": polars.List(polars.Categorical)}),
            [["x"], ["y", "x"]],
        ),
        (pa.table({"a": pa.DictionaryArray.from_arrays([0, 1, None], _VIEWS)}), ["x", "y", None]),
        (pa.table({"a": pa.DictionaryArray.from_arrays([1], pa.array([b"x", b"y"], pa.binary_view()))}), [b"y"]),
        *(
            (
                pa.table({"a": pa.array([[("k", value)], None, []], pa.map_(pa.string(), kind))})[:3],
                [[("k", value)], None, []],
            )
            for kind, value in [
                (pa.string_view(), "v"),
                (pa.binary_view(), b"v"),
                (pa.null(), None),
                (pa.list_(pa.string_view()), ["v"]),
                (pa.list_(pa.null()), [None]),
            ]
        ),
        (pa.table({"a": pa.array([[("k", 1)], [("l", 2)]], pa.map_(pa.string_view(), pa.int64()))})[1:], [[("l", 2)]]),
        ([{"a": Clock(1, 2, 3)}, {"a": time(4, 5)}], [time(1, 2, 3), time(4, 5)]),
        ([{"a": Binary(b"x")}, {"a": b"y"}, {"a": [Binary(b"z")][0]}], [b"x", b"y", b"z"]),
    ],
)
def test_what_arrow_or_a_library_stores_in_its_own_way_is_written(records: Any, values: list[Any]) -> None:
    (content,) = files_of(open_records("t", records, None))
    assert pq.read_table(io.BytesIO(content)).column("a").to_pylist() == values


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (10**50, "record 0, column 'a': the .*more than 38 digits"),
        # Which of the two limits is met first depends on how deep this Python recurses.
        (_lists(500), "record 0, column 'a': the .*more than 253 levels deep|'a' .* levels of Parquet's schema"),
    ],
)
def test_what_no_type_holds_is_called_what_it_is(value: Any, said: str) -> None:
    with pytest.raises(S3DestinationError, match=said):
        files_of(open_records("t", [{"a": value}], None))
