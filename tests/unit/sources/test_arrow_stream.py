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
from pyarrow.cffi import ffi

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from airflow_provider_s3dest.sources.arrow_stream import meant_fields
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, fields_with_nulls, json_of, rows_of

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


def field_of(name: str, storage: pa.DataType, value: Any) -> pa.Table:
    """Make a table of one value of an extension type that pyarrow does not know."""
    field = pa.field("a", storage, metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": '{"freq": "M"}'})
    return pa.table([pa.array([value, None], storage)], schema=pa.schema([field]))


def tensor() -> pa.Table:
    storage = pa.array([[1, 2, 3, 4], None], pa.list_(pa.int32(), 4))
    return pa.table({"a": pa.FixedShapeTensorArray.from_storage(pa.fixed_shape_tensor(pa.int32(), [2, 2]), storage)})


@pytest.mark.parametrize("times", [1, 100], ids=["record by record", "by column"])
@pytest.mark.parametrize(
    ("table", "json"),
    [
        (pa.table({"a": pa.array(['{"b": 1.10}', None], pa.json_())}), '{"b": 1.10}'),
        (field_of("json", pa.binary(), b'{"b":"\\"\xc3\xa9"}'), '{"b":"\\"é"}'),
        (field_of("json", pa.large_string(), "[1]"), "[1]"),
        (field_of("uuid", pa.binary(16), bytes(range(16))), '"00010203-0405-0607-0809-0a0b0c0d0e0f"'),
        (pa.table({"a": pa.array([bytes(range(16)), None], pa.uuid())}), '"00010203-0405-0607-0809-0a0b0c0d0e0f"'),
        (field_of("mac", pa.binary(), b"\x00\x1b\x44\x11\x3a\xb7"), '"00:1b:44:11:3a:b7"'),
        (field_of("inet", pa.string(), "10.0.0.0/8"), '"10.0.0.0/8"'),
        (pa.table({"a": pa.array([2, None], pa.int8()).cast(pa.bool8())}), "true"),
        (pa.table({"a": pa.array(["1.50", None]).cast(pa.opaque(pa.string(), "numeric", "PostgreSQL"))}), '"1.50"'),
        (tensor(), "[[1,2],[3,4]]"),
        (field_of("geoarrow.wkb", pa.binary(), b"\x01"), '"AQ=="'),
    ],
    ids=[
        "arrow.json",
        "json",
        "large json",
        "uuid",
        "arrow.uuid",
        "mac",
        "inet",
        "bool8",
        "opaque text",
        "tensor",
        "wkb",
    ],
)
def test_extension_types_are_what_they_mean(table: pa.Table, json: str, times: int) -> None:
    many = pa.concat_tables([table] * times).combine_chunks()
    assert json_of(many) == f'{{"a":{json}}}\n{{"a":null}}\n' * times
    members = many.column(0).chunk(0)
    nested = pa.table([pa.StructArray.from_arrays([members], fields=[many.schema.field(0)])], names=["s"])
    assert json_of(nested.slice(0, 1)) == f'{{"s":{{"a":{json}}}}}\n'
    lists = pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), members, type=pa.list_(many.schema.field(0)))
    assert json_of(pa.table([lists], names=["s"])) == f'{{"s":[{json},null]}}\n'


class Named(pa.ExtensionType):  # type: ignore[misc]
    """An extension type that pyarrow knows only as long as it is not passed as a stream."""

    def __init__(self, storage: pa.DataType, name: str) -> None:
        super().__init__(storage, name)

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Named:
        return cls(storage, "any")


@pytest.mark.parametrize(
    ("name", "storage", "value", "json"),
    [
        ("json", pa.string(), '{"b": 1.10}', '{"b": 1.10}'),
        ("uuid", pa.binary(16), bytes(range(16)), '"00010203-0405-0607-0809-0a0b0c0d0e0f"'),
        ("mac", pa.binary(), b"\x00\x1b\x44\x11\x3a\xb7", '"00:1b:44:11:3a:b7"'),
        ("inet", pa.string(), "10.0.0.0/8", '"10.0.0.0/8"'),
    ],
)
def test_encoded_extension_types_are_what_they_mean_at_any_level(
    name: str, storage: pa.DataType, value: Any, json: str
) -> None:
    members = pa.ExtensionArray.from_storage(Named(storage, name), pa.array([value], storage))
    texts = {}
    for how, encoded in (
        ("dictionary", pa.DictionaryArray.from_arrays(pa.array([0, 0, None], pa.int8()), members)),
        ("run ends", pa.RunEndEncodedArray.from_arrays([2], members)),
    ):
        lists = pa.ListArray.from_arrays([0, 1], encoded.slice(1, 1))
        table = pa.table({"a": encoded.slice(1, 1), "l": lists, "s": pa.StructArray.from_arrays([lists], ["x"])})
        texts[how] = json_of(table)
        (chunk,) = with_types(open_records("t", table, None), {}, for_parquet=True).chunks
        assert isinstance(chunk, ArrowChunk)
        assert pa.types.is_string(getattr(chunk.batch.schema.types[0], "storage_type", chunk.batch.schema.types[0]))
        assert chunk.batch.column(0).to_pylist() == [json.strip('"')]
    assert {*texts.values()} == {f'{{"a":{json},"l":[{json}],"s":{{"x":[{json}]}}}}\n'}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (pandas.DataFrame({"a": pandas.period_range("2024-01", "2024-02", freq="M")}), "period of pandas"),
        (field_of("pandas.period", pa.int64(), 648), "period of pandas"),
        (pandas.DataFrame({"a": pandas.cut([1, 2, 3], 2)}), "interval of pandas"),
        (pa.table({"a": pa.array([b"1"]).cast(pa.opaque(pa.binary(), "bignum", "DuckDB"))}), "bignum of DuckDB"),
    ],
    ids=["period", "period without pandas", "categories of intervals", "opaque"],
)
def test_type_that_only_its_maker_can_read_is_refused_in_every_format(table: Any, name: str) -> None:
    for write in (csv_of, json_of):
        with pytest.raises(RecordError, match=f"column 'a': there is no rule for the type {name}. Cast"):
            write(table)
    for schema in ({}, {"a": pa.int64()}, {"a": pa.string()}):
        with pytest.raises((RecordError, SpecError), match=f"type {name}(, which has no rule)?\\. Cast"):
            list(with_types(open_records("t", table, None), schema, for_parquet=True).chunks)


def test_interval_that_pyarrow_has_no_class_for_is_refused_at_any_place() -> None:
    # Such a type comes from files alone; here its letters in Arrow's C interface make it.
    memory = ffi.new("struct ArrowSchema*")
    address, letters = int(ffi.cast("uintptr_t", memory)), ffi.new("char[]", b"tiM")
    pa.month_day_nano_interval()._export_to_c(address)
    memory.format = letters
    months = pa.DataType._import_from_c(address)
    for held in (months, pa.list_(months), pa.dictionary(pa.int8(), months), pa.run_end_encoded(pa.int16(), months)):
        with pytest.raises(SpecError, match="is a month_interval, which pyarrow can't read"):
            meant_fields(pa.schema([pa.field("a", held)]), "table 't'")
