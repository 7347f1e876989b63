"""A schema gives columns their types in any format: what can be cast exactly is, and all else is refused."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.load import schema
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.transforms import with_types_for
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.spec import DestinationSpec
from tests.unit.tables import put, rows_of, staged_table, written

CSV = DestinationSpec(bucket="b", path="{{UUID}}", format="csv")


def cast(value: Any, kind: str) -> Any:
    """Return what a value is as a type."""
    table = with_types_for(CSV, open_records("t", [{"x": value}], ("x",)), {"x": kind})
    return rows_of(table)[0]["x"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("007", "int64", 7),
        ("-5", "int8", -5),
        (7.0, "int64", 7),
        (Decimal("7.00"), "int32", 7),
        (7, "float64", 7.0),
        ("1.10", "decimal(18,2)", Decimal("1.10")),
        (1.1, "decimal(18,2)", Decimal("1.10")),
        (3, "decimal(18,2)", Decimal("3.00")),
        ("0.1", "float64", 0.1),
        ("0.1", "float32", 0.1),
        (0.1, "float32", 0.1),
        (Decimal("0.1"), "double", 0.1),
        ("NaN", "string", "NaN"),
        (2**64 + 5, "string", str(2**64 + 5)),
        (1.5, "string", "1.5"),
        (True, "string", "true"),
        ([1, {"a": None}], "string", '[1,{"a":null}]'),
        (b"x", "string", "eA=="),
        ({}, "string", "{}"),
        ("true", "bool", True),
        ("2024-01-31", "date32", date(2024, 1, 31)),
        ("12:30:00", "time64[us]", time(12, 30)),
        ("2024-01-31T12:00:00", "timestamp[us]", datetime(2024, 1, 31, 12)),
        ("2024-01-31T12:00:00+02:00", "timestamp[us, tz=UTC]", datetime(2024, 1, 31, 10, tzinfo=timezone.utc)),
        (datetime(2024, 1, 31), "date", date(2024, 1, 31)),
        (date(2024, 1, 31), "timestamp[us]", datetime(2024, 1, 31)),
        ("[1, null, 2]", "list<int16>", [1, None, 2]),
        ("[1, null]", "list<item: int64>", [1, None]),
        ([date(2024, 2, 29)], "list<element: date32[day]>", [date(2024, 2, 29)]),
        ([1, None], "large_list<float64>", [1.0, None]),
        ('{"a": 1.10}', "struct<a: decimal(5,2), b: string>", {"a": Decimal("1.10"), "b": None}),
        ({"a": 1}, "struct<a: int8, b: list<int8>>", {"a": 1, "b": None}),
        (b"abcd", "fixed_size_binary[4]", b"abcd"),
        (None, "int64", None),
        (2**64 - 1, "uint64", 2**64 - 1),
        ("0000000001.5000", "decimal(5,2)", Decimal("1.50")),
        ("-12.5e-1", "decimal(5,2)", Decimal("-1.25")),
        (f"-{'9' * 28}.{'9' * 10}", "decimal(38,10)", Decimal(f"-{'9' * 28}.{'9' * 10}")),
        (10**70, "decimal256(76,2)", Decimal(10**70).quantize(Decimal("1.00"), context=Context(prec=80))),
        (Decimal("1E+70"), "decimal256(76,0)", Decimal(10**70)),
        (timedelta(days=-1, microseconds=1), "duration[us]", timedelta(days=-1, microseconds=1)),
    ],
)
def test_what_is_exact_is_cast(value: Any, kind: str, expected: Any) -> None:
    assert cast(value, kind) == expected
    assert type(cast(value, kind)) is type(expected)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1.5", "int64"),
        (1.5, "int64"),
        ("0x10", "int64"),
        (" 7", "int64"),
        ("", "int64"),
        ("x", "int64"),
        (128, "int8"),
        (-1, "uint8"),
        (2**63, "int64"),
        (True, "int64"),
        (1, "bool"),
        (Decimal("1.005"), "decimal(18,2)"),
        ("1.105", "decimal(18,2)"),
        ("1E-999999999", "decimal(18,2)"),
        ("0e-00999999999", "decimal256(76,2)"),
        (Decimal("1E-999999999"), "decimal(18,2)"),
        (Decimal("1E-999999999"), "decimal256(76,2)"),
        ("40261445247232862833846541659", "decimal(38,10)"),
        ("83640298103.7207092242031258150891768476368372227199248100056889211090363", "decimal(18,2)"),
        ("4.", "decimal(38,38)"),
        ("3.4e38", "decimal(38,0)"),
        (3.4e38, "decimal(38,0)"),
        (10**76, "decimal256(76,2)"),
        (10**17, "decimal(18,2)"),
        (2**53 + 1, "float64"),
        ("0.12345678901234567890", "float64"),
        ("x", "float64"),
        (float("nan"), "int64"),
        (float("nan"), "decimal(18,2)"),
        (datetime(2024, 1, 31, 1), "date32"),
        ("2024-02-30", "date32"),
        (datetime(2024, 1, 31, tzinfo=timezone.utc), "timestamp[us]"),
        (datetime(2024, 1, 31), "timestamp[us, tz=UTC]"),
        ("2024-01-31T12:00:00Z", "timestamp[us]"),
        (datetime(2024, 1, 1, 0, 0, 0, 1), "timestamp[ms]"),
        ("eA==", "binary"),
        (b"abc", "fixed_size_binary[4]"),
        (date(2024, 1, 31), "timestamp[us, tz=UTC]"),
        (datetime(2024, 1, 31, tzinfo=timezone.utc), "date32"),
        (timedelta(microseconds=1), "duration[ms]"),
        (timedelta.max, "duration[us]"),
        (Decimal("1.005"), "decimal256(76,2)"),
        (True, "decimal256(76,2)"),
        (1, "timestamp[us]"),
        ({"a": 1, "c": 2}, "struct<a: int64>"),
        ('{"a": 1, "a": 2}', "struct<a: int64>"),
        ([1.5], "list<int64>"),
        (1, "list<int64>"),
        ("[1", "list<int64>"),
    ],
)
def test_what_is_not_is_refused_with_place_column_and_value(value: Any, kind: str) -> None:
    records = [{"x": None}, {"x": value}, {"x": value}]
    table = with_types_for(CSV, open_records("t", records, ("x",)), {"x": kind})
    with pytest.raises(RecordError) as caught:
        rows_of(table)
    assert (caught.value.index, caught.value.column) == (1, "x")
    assert "does not fit the column's type" in str(caught.value)


@pytest.mark.parametrize(("value", "kind"), [([1], "struct<a: int64>"), ({"a": 1}, "list<int64>")])
def test_a_list_is_no_struct(value: Any, kind: str) -> None:
    with pytest.raises(RecordError, match=r"column 'x': .* does not fit .*: (list|struct)<.*> is no (list|struct)<"):
        cast(value, kind)


def test_a_column_of_several_kinds_may_become_text() -> None:
    table = with_types_for(
        CSV, open_records("t", [{"x": 1}, {"x": "a"}, {"x": None}, {"x": [1]}], ("x",)), {"x": "string"}
    )
    assert [row["x"] for row in rows_of(table)] == ["1", "a", None, "[1]"]


class ObjectId:
    """A type without a rule, as the one of MongoDB."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        if not self._text:
            raise RuntimeError("no text")
        return self._text

    __hash__ = object.__hash__


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_a_value_without_a_rule_may_become_text(format_: str) -> None:
    spec = DestinationSpec(bucket="b", path="{{UUID}}", format=format_)
    one = ObjectId("65f0")
    values = [one, 1, None, {"id": one, "at": date(2024, 1, 31)}, [(one, 1.5)], 1 + 2j, {one}, Decimal("NaN"), b"x"]

    table = with_types_for(spec, open_records("t", [{"x": value} for value in values], ("x",)), {"x": "string"})

    texts = [
        "65f0",
        "1",
        None,
        '{"id":"65f0","at":"2024-01-31"}',
        '[["65f0",1.5]]',
        "(1+2j)",
        '["65f0"]',
        "NaN",
        "eA==",
    ]
    assert [row["x"] for row in rows_of(table)] == texts


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "only an address in memory"),
        (cast, "only an address in memory"),
        (ObjectId(""), "RuntimeError: no text"),
    ],
    ids=["object", "function", "fails"],
)
def test_an_address_is_no_text(value: Any, told: str) -> None:
    for records in ([{"x": 1}, {"x": value}], [{"x": 1}, {"x": [value]}]):
        table = with_types_for(CSV, open_records("t", records, ("x",)), {"x": "string"})
        with pytest.raises(RecordError, match=f"record 1, column 'x': .* there is no rule for .*{told}"):
            rows_of(table)


def test_numbers_and_texts_may_become_one_number() -> None:
    table = with_types_for(CSV, open_records("t", [{"x": 1}, {"x": "2"}], ("x",)), {"x": "int64"})
    assert [row["x"] for row in rows_of(table)] == [1, 2]


@pytest.mark.parametrize(
    ("format_", "text"),
    [("csv", b"id,price\n7,1.10\n,\n"), ("json", b'{"id":7,"price":"1.10"}\n{"id":null,"price":null}\n')],
)
def test_text_of_a_staged_csv_is_cast_for_every_format(format_: str, text: bytes, tmp_path: Path) -> None:
    put(tmp_path / "a.csv", "price,id,more\n1.10,007,x\n,,\n")
    spec = DestinationSpec(bucket="b", path="{{UUID}}", format=format_)
    kinds = {"id": "int64", "price": "decimal(18,2)"}
    table = with_types_for(spec, staged_table(tmp_path, tuple(kinds)), kinds)
    assert written(table, format_) == text


def test_an_error_of_a_staged_file_names_its_line(tmp_path: Path) -> None:
    put(tmp_path / "a.ndjson", '{"x": 1}\n{"x": 1.10}\n')
    table = with_types_for(CSV, staged_table(tmp_path, ("x",)), {"x": "int64"})
    with pytest.raises(RecordError, match=r"a.ndjson, line 2, column 'x': '1.10' does not fit"):
        rows_of(table)


def test_digits_of_staged_json_reach_a_decimal(tmp_path: Path) -> None:
    put(tmp_path / "a.ndjson", '{"x": 0.12345678901234567890}\n{"x": {"not": 1}}\n')
    table = with_types_for(CSV, staged_table(tmp_path, ("x",)), {"x": "decimal(38,20)"})
    with pytest.raises(RecordError, match="line 2"):
        rows_of(table)
    put(tmp_path / "a.ndjson", '{"x": 0.12345678901234567890}\n')
    table = with_types_for(CSV, staged_table(tmp_path, ("x",)), {"x": "decimal(38,20)"})
    assert rows_of(table) == [{"x": Decimal("0.12345678901234567890")}]


def test_the_schema_fixes_columns_and_order_and_columns_selects() -> None:
    kinds = {"b": "int64", "a": "string"}
    assert LoadArguments({}, schema=kinds).columns_of("t") == ("b", "a")
    assert LoadArguments({}, schema=kinds, columns=["a"]).columns_of("t") == ("a",)
    assert LoadArguments({}, schema={"t": kinds}).columns_of("t") == ("b", "a")
    assert LoadArguments({}, schema={"t": kinds}).columns_of("other") is None
    ((fault),) = schema.faults(kinds, ["a", "c"])
    assert fault.key == "columns"


@pytest.mark.parametrize(
    "kind",
    [
        "int",
        "decimal",
        "decimal(39,2)",
        "decimal(5,6)",
        "time32[us]",
        "list<>",
        "struct<>",
        "struct<a: x>",
        "struct<a: int8, a: int8>",
        "timestamp[us, tz=]",
        "list<int64",
        "timestamp[us, tz=Nowhere/Land]",
        "timestamp[us, tz=+0200]",
        "fixed_size_binary[2147483648]",
        "struct<\ud800: int64>",
        "",
        7,
        pa.int64(),
    ],
)
def test_a_name_of_no_type_is_a_fault(kind: Any) -> None:
    ((fault),) = schema.faults({"x": kind})
    assert fault.key == "schema"


@pytest.mark.parametrize("kinds", [{}, "int64", ["x"], {1: "int64"}, {"t": {}}, {"\ud800": "int64"}])
def test_what_is_no_mapping_of_columns_is_a_fault(kinds: Any) -> None:
    assert [fault.key for fault in schema.faults(kinds)] == ["schema"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("decimal(18,2)", pa.decimal128(18, 2)),
        ("decimal256(40, 2)", pa.decimal256(40, 2)),
        ("double", pa.float64()),
        ("timestamp[ns, tz=Europe/Berlin]", pa.timestamp("ns", "Europe/Berlin")),
        ("timestamp[s, tz=-02:30]", pa.timestamp("s", "-02:30")),
        ("fixed_size_binary[16]", pa.binary(16)),
        (
            "struct<a: list<struct<b: decimal(5,2), c: int8>>, d: string>",
            pa.struct({"a": pa.list_(pa.struct({"b": pa.decimal128(5, 2), "c": pa.int8()})), "d": pa.string()}),
        ),
    ],
)
def test_names_are_those_of_arrow(name: str, kind: Any) -> None:
    assert not list(schema.faults({"x": name}))
    assert schema.arrow_types({"x": name}) == {"x": kind}


def test_a_type_of_more_levels_than_can_be_read_is_refused() -> None:
    def nested(levels: int) -> str:
        return "list<" * (levels - 1) + "int64" + ">" * (levels - 1)

    assert list(schema.faults({"a": nested(100)})) == []
    for levels in (101, 5000):
        (fault,) = schema.faults({"a": nested(levels)})
        assert fault.problem.startswith("gives 'a' the type 'list<")
        assert fault.problem.endswith("more than 100 levels.")
