"""Written files read back equal, value by value, by readers of others; and staged, they are written again the same."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.sources import text_lines
from tests.unit.tables import csv_of, fields_with_nulls, json_of, put, staged_rows, staged_table, written

TEXTS = [
    "plain", "", None, " ", "007", "1.10", "1e2", "18446744073709551621", "null", "NULL", "NaN", "\\N", "true", "-",
    'say "hi"', '"', '""', '5" pipe', "a,b", ",", ";", "\t", "a\nb", "\n", "a\r\nb", "a\rb", "\r", "'", "\\", "\\n",
    "{}", "[1]", "#comment", "=1+1", "2024-01-31", "é", "e\u0301", "😀", "👩‍👩‍👧", "\u2028", "\x85", "\x0b", "\ufeff",
    "\u200b", "日本語", "مرحبا", "x" * 5000, 'a"' * 500,
]  # fmt: skip
RECORDS: dict[str, list[dict[str, Any]]] = {
    "texts": [{"n": str(number), "a": text, "b": TEXTS[-1 - number]} for number, text in enumerate(TEXTS)],
    "texts first": [{"a": text, "n": str(number)} for number, text in enumerate(TEXTS)],
    "one column": [{"only": text} for text in TEXTS if text is not None],
    "late columns": [{"a": "1"}, {"b": ""}, {}, {"c": "x", "a": None}],
    "odd names": [{"a b": "1", 'say "x"': "2", "a,b": "3", "é😀": "4", "two\nlines": "5", "A": "6", "a": "7"}],
    "nulls": [{"a": None, "b": None, "c": None}] * 3,
    "empty texts": [{"a": "", "b": "", "c": ""}] * 3,
}
NUMBERS: list[dict[str, Any]] = [
    {"i": 2**64 + 5, "f": 0.1, "d": Decimal("1.10"), "b": True},
    {"i": -(2**63), "f": 5e-324, "d": Decimal("12345678901234567890.123456789"), "b": False},
    {"i": 10**4500, "f": 1.7976931348623157e308, "d": Decimal("1E+3"), "b": None},
    {"i": 0, "f": -0.0, "d": Decimal("-0"), "b": True},
    {"i": None, "f": None, "d": None, "b": None},
]
NESTED: list[dict[str, Any]] = [
    {"id": 1, "v": {"x": [1, None, {"y": "a,\"b\"\n"}], "z": {}}, "l": []},
    {"id": 2, "v": None, "l": [[], [None], ["", "é"]]},
    {"id": 3, "v": {"": {"": None}}, "l": None},
]  # fmt: skip


def full(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every record every column."""
    names = list(dict.fromkeys(itertools.chain(*records)))
    return [{name: record.get(name) for name in names} for record in records]


def by_own_reader(path: Path) -> list[dict[str, Any]]:
    header, *rows = fields_with_nulls(path.read_bytes().decode())
    return [dict(zip((name or "" for name in header), row, strict=True)) for row in rows]


def by_polars(path: Path) -> list[dict[str, Any]]:
    frame = polars.read_csv(path, infer_schema=False)
    # polars leaves the quotes in names doubled.
    return frame.rename(lambda name: name.replace('""', '"')).to_dicts()


def by_duckdb(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        relation = connection.read_csv(
            str(path), all_varchar=True, header=True, delimiter=",", quotechar='"', escapechar='"', strict_mode=True,
            allow_quoted_nulls=False, na_values="", max_line_size=2**22, null_padding=False, encoding="utf-8",
        )  # fmt: skip
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


CSV_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "one character at a time": by_own_reader,
    "polars": by_polars,
    "duckdb": by_duckdb,
}


@pytest.mark.parametrize("reader", CSV_READERS)
@pytest.mark.parametrize("records", RECORDS.values(), ids=list(RECORDS))
def test_texts_and_nulls_read_back_from_csv(records: list[dict[str, Any]], reader: str, tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", csv_of(records))
    if reader == "duckdb":
        records = duckdb_can(records)
    assert CSV_READERS[reader](path) == full(records)


def duckdb_can(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """duckdb tells names apart without regard to case, and calls the second one by another."""
    return [{("a_1" if name == "a" and "A" in record else name): v for name, v in record.items()} for record in records]


@pytest.mark.parametrize("records", RECORDS.values(), ids=list(RECORDS))
def test_texts_read_back_from_csv_by_the_standard_library(records: list[dict[str, Any]]) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of(records), newline=""), strict=True))
    assert rows == [{name: value or "" for name, value in record.items()} for record in full(records)]


@pytest.mark.parametrize("reader", CSV_READERS)
def test_numbers_read_back_from_csv_digit_by_digit(reader: str, tmp_path: Path) -> None:
    rows = CSV_READERS[reader](put(tmp_path / "x.csv", csv_of(NUMBERS)))
    for row, record in zip(rows, NUMBERS, strict=True):
        if record["i"] is None:
            assert set(row.values()) == {None}
            continue
        assert Decimal(row["i"]) == Decimal(record["i"])
        assert row["f"] == repr(record["f"])
        assert row["d"] == format(record["d"], "f")
        assert row["b"] == {True: "true", False: "false", None: None}[record["b"]]


@pytest.mark.parametrize("reader", CSV_READERS)
def test_nested_values_read_back_from_csv_as_json(reader: str, tmp_path: Path) -> None:
    rows = CSV_READERS[reader](put(tmp_path / "x.csv", csv_of(NESTED)))
    read = [{name: None if text is None else json.loads(text) for name, text in row.items()} for row in rows]
    assert read == NESTED


@pytest.mark.parametrize("records", [*RECORDS.values(), NESTED], ids=[*RECORDS, "nested"])
def test_records_read_back_from_json(records: list[dict[str, Any]], tmp_path: Path) -> None:
    text = json_of(records)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == full(records)
    assert [list(json.loads(line)) for line in lines] == [list(record) for record in full(records)]
    assert msgspec.json.Decoder().decode_lines(text) == full(records)
    frame = polars.read_ndjson(put(tmp_path / "x.ndjson", text), infer_schema_length=None)
    if records is not NESTED:  # polars gives every struct of a column the same fields
        assert frame.to_dicts() == full(records)


def test_numbers_read_back_from_json_digit_by_digit() -> None:
    lines = json_of(NUMBERS).splitlines()
    for line, record in zip(lines, NUMBERS, strict=True):
        row = json.loads(line, parse_int=Decimal, parse_float=str)
        assert row["i"] == (None if record["i"] is None else Decimal(record["i"]))
        assert row["f"] is record["f"] is None or float(row["f"]).hex() == record["f"].hex()
        assert row["d"] == (None if record["d"] is None else format(record["d"], "f"))
        assert row["b"] is record["b"]


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
@pytest.mark.parametrize(
    "records", [*RECORDS.values(), NUMBERS, NESTED, []], ids=[*RECORDS, "numbers", "nested", "none"]
)
def test_what_was_written_and_staged_is_written_again_the_same(
    records: list[dict[str, Any]], ending: str, tmp_path: Path
) -> None:
    first = csv_of(records) if ending == "csv" else json_of(records)
    path = put(tmp_path / f"x.{ending}", first)
    assert written(staged_table(path), "csv" if ending == "csv" else "json").decode() == first


def test_staged_json_and_its_records_give_the_same_csv_text(tmp_path: Path) -> None:
    for records in (RECORDS["texts"], NESTED, [{"i": 2**64 + 5, "f": 0.5, "b": False, "n": None, "e": ""}]):
        path = put(tmp_path / "x.ndjson", json_of(records))
        assert written(staged_table(path), "csv").decode() == csv_of(records)


def test_staged_csv_becomes_json_of_texts(tmp_path: Path) -> None:
    path = put(tmp_path / "x.csv", csv_of(RECORDS["texts"]))
    assert written(staged_table(path), "json").decode() == json_of(RECORDS["texts"])


def test_file_in_two_objects_is_the_same_records_as_in_one(tmp_path: Path) -> None:
    records = RECORDS["texts"]
    for ending, write in (("csv", csv_of), ("ndjson", json_of)):
        put(tmp_path / ending / f"1.{ending}", write(records[:7]))
        put(tmp_path / ending / f"2.{ending}", write(records[7:]))
        assert written(staged_table(tmp_path / ending), ending).decode() == write(records)


def test_nulls_of_one_column_are_read_from_what_others_write(tmp_path: Path) -> None:
    values = ["x", None, "", None, "y", None]
    path = tmp_path / "x.csv"
    records = [{"a": value} for value in values]
    polars.DataFrame({"a": values}).write_csv(path)
    assert staged_rows(path) == records
    pyarrow.csv.write_csv(pyarrow.table({"a": values}), path)
    assert staged_rows(path) == records
    with duckdb.connect() as connection:
        connection.from_arrow(pyarrow.table({"a": values})).write_csv(str(path))
    assert staged_rows(path) == records


TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\n\r\t\\é\ufeff\x00'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2))
TABLES = st.lists(st.sampled_from(["a", "b", "", 'odd ",\n', "é"]), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.lists(
        st.tuples(*(VALUES for _ in names)).map(lambda row: dict(zip(names, row, strict=True))), min_size=1, max_size=5
    )
)
BLOCKS = st.sampled_from([1, 3, 2**20])


def as_text(value: Any) -> str | None:
    """Format a value of a table as its CSV field."""
    if value is None or isinstance(value, str):
        return value
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if isinstance(value, (list, dict, bool))
        else repr(value)
    )


@settings(derandomize=True, max_examples=150, deadline=None)
@given(TABLES, BLOCKS)
def test_any_table_reads_back_from_json_and_is_written_again_the_same(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], block: int
) -> None:
    text = json_of(records)
    read = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [json.dumps(record) for record in read] == [json.dumps(record) for record in records]
    path = put(tmp_path_factory.getbasetemp() / "any.ndjson", text)
    array = put(tmp_path_factory.getbasetemp() / "any.json", "[" + text.strip("\n").replace("}\n{", "}\n,{") + "\n]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        assert written(staged_table(path), "json").decode() == text
        assert written(staged_table(array), "json").decode() == text


@settings(derandomize=True, max_examples=150, deadline=None)
@given(TABLES, BLOCKS)
def test_any_table_reads_back_from_csv_and_is_written_again_the_same(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], block: int
) -> None:
    text = csv_of(records)
    header, *rows = fields_with_nulls(text)
    assert [name or "" for name in header] == list(records[0])
    # A null that is alone on its line must show, and so comes back as an empty text.
    alone = "" if len(header) == 1 else None
    for row, record in zip(rows, records, strict=True):
        for field, value in zip(row, record.values(), strict=True):
            if isinstance(value, (list, dict)):
                assert json.dumps(json.loads(field or "")) == json.dumps(value)
            else:
                assert field == (alone if value is None else as_text(value))
    path = put(tmp_path_factory.getbasetemp() / "any.csv", text)
    if "" in records[0]:
        with pytest.raises(RecordError, match="has no name"):
            staged_table(path)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        assert written(staged_table(path), "csv").decode() == text
