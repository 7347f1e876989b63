"""Annotations of Parquet that pyarrow returns as bytes or without their meaning, and INT96 timestamps of any year."""

from __future__ import annotations

import io
from datetime import datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError, StagingError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from tests.unit.tables import put, staged_table, written

_STRING = b"\x25\x00\x4c\x1c\x00\x00\x00"
"""A column's annotation as text: ConvertedType UTF8 (0) in field 6, and LogicalType STRING (1) in field 10."""


def as_annotated(converted: int, logical: int, values: list[str | None]) -> bytes:
    """Write texts under another annotation, by their numbers in Parquet's Thrift, as pyarrow can't."""
    out = io.BytesIO()
    pq.write_table(pa.table({"a": values}), out, store_schema=False)
    content = out.getvalue()
    assert content.count(_STRING) == 1
    return content.replace(_STRING, bytes([0x25, converted * 2, 0x4C, logical * 16 + 12, 0, 0, 0]))


def by_duckdb(path: Path, select: str) -> Path:
    duckdb.sql(f"COPY (SELECT {select}) TO '{path}'")
    return path


def as_text(path: Path) -> tuple[str, str]:
    csv, json = (written(staged_table(path), format_).decode() for format_ in ("csv", "json"))
    return csv, json


def as_parquet(path: Path, columns: tuple[str, ...] | None = None) -> tuple[list[str], list[dict[str, Any]]]:
    table = with_types(staged_table(path, columns), {}, for_parquet=True)
    chunks = [chunk for chunk in table.chunks if isinstance(chunk, ArrowChunk)]
    return list(map(str, table.schema.types)), [row for chunk in chunks for row in chunk.batch.to_pylist()]


@pytest.mark.parametrize("count", [1, 200], ids=["record by record", "by column"])
def test_enum_is_text(tmp_path: Path, count: int) -> None:
    path = put(tmp_path / "x.parquet", as_annotated(4, 4, ["é", None] * count))

    assert as_text(path) == ("a\n" + 'é\n""\n' * count, '{"a":"é"}\n{"a":null}\n' * count)
    assert as_parquet(path) == (["string"], [{"a": "é"}, {"a": None}] * count)


def test_json_is_json_and_bson_is_bytes(tmp_path: Path) -> None:
    json = put(tmp_path / "x.parquet", as_annotated(19, 12, ['{"b":1.10,\n"c":[]}', "null", None]))
    assert as_text(json) == (
        'a\n"{""b"":1.10, ""c"":[]}"\nnull\n""\n',
        '{"a":{"b":1.10, "c":[]}}\n{"a":null}\n{"a":null}\n',
    )
    bson = put(tmp_path / "y.parquet", as_annotated(20, 13, ["ab"]))
    assert as_text(bson) == ("a\nYWI=\n", '{"a":"YWI="}\n')

    broken = put(tmp_path / "z.parquet", as_annotated(19, 12, ["1", "{"]))
    with pytest.raises(RecordError, match="row 2, column 'a': the column is JSON, and the text is not"):
        as_text(broken)


def test_time_that_is_adjusted_to_utc_keeps_its_offset_at_any_level(tmp_path: Path) -> None:
    select = "'1:2:3.5+02'::timetz a, [a, NULL] b, {'c': a} c, MAP {a: a} d, '1:2:3'::time e"
    csv, json = as_text(path := by_duckdb(tmp_path / "x.parquet", select))

    assert csv.splitlines()[1].startswith("23:02:03.500000+00:00,")
    assert csv.endswith(",01:02:03\n")
    one = "23:02:03.500000+00:00"
    assert json == f'{{"a":"{one}","b":["{one}",null],"c":{{"c":"{one}"}},"d":{{"{one}":"{one}"}},"e":"01:02:03"}}\n'
    types, rows = as_parquet(path)
    assert [types[0], types[4]] == ["string", "time64[us]"]
    assert rows[0] == {"a": one, "b": [one, None], "c": {"c": one}, "d": [(one, one)], "e": time(1, 2, 3)}


@pytest.mark.parametrize("by_arrow", [False, True])
def test_times_of_arrow_have_no_offset(tmp_path: Path, by_arrow: bool) -> None:
    table = pa.table({"a": pa.array([time(1)], pa.time64("us"))})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, write_time_adjusted_to_utc=True, store_schema=by_arrow)
    assert as_text(path)[0] == ("a\n01:00:00\n" if by_arrow else "a\n01:00:00+00:00\n")


@pytest.mark.parametrize(
    ("name", "select"),
    [
        ("INTERVAL", "INTERVAL 1 DAY a, 7 b"),
        ("INTERVAL", "[INTERVAL 1 DAY] a, 7 b"),
        ("VARIANT", "42::VARIANT a, 7 b"),
    ],
)
def test_type_without_a_rule_is_refused_unless_it_is_left_out(tmp_path: Path, name: str, select: str) -> None:
    path = by_duckdb(tmp_path / "x.parquet", select)

    with pytest.raises(RecordError, match=f"column 'a': there is no rule for the type {name} of Parquet. Cast"):
        as_text(path)
    with pytest.raises(SpecError, match=f"{name} of Parquet, which has no rule. Cast it upstream.*or leave it out"):
        as_parquet(path)
    assert as_parquet(path, ("b",)) == (["int32"], [{"b": 7}])


def test_int96_keeps_any_year_or_is_refused(tmp_path: Path) -> None:
    path, far = tmp_path / "x.parquet", datetime(9999, 12, 31, 1, 2, 3, 456789)

    def write(values: list[Any], unit: str) -> None:
        table = pa.table({"a": pa.array(values, pa.timestamp(unit)), "b": [[0]] * len(values)})
        pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)

    write([far, None, datetime(1, 1, 1)], "us")
    assert as_text(path)[0].splitlines() == ["a,b", "9999-12-31T01:02:03.456789,[0]", ",[0]", "0001-01-01T00:00:00,[0]"]
    assert as_parquet(path)[0][0] == "timestamp[us]"

    write([datetime(2024, 1, 1), 1704067200_000000001], "ns")
    assert as_text(path)[0].splitlines()[2] == "2024-01-01T00:00:00.000000001,[0]"

    content, wide = io.BytesIO(), pa.array([far], pa.timestamp("us"))
    pq.write_table(pa.table({"a": wide, "b": [7]}), content, use_deprecated_int96_timestamps=True, store_schema=False)
    day = far.hour * 3600 + far.minute * 60 + far.second
    nanoseconds = (day * 10**9 + far.microsecond * 1000).to_bytes(8, "little")
    assert nanoseconds in content.getvalue()
    odd = content.getvalue().replace(nanoseconds, (int.from_bytes(nanoseconds, "little") + 1).to_bytes(8, "little"))
    with pytest.raises(StagingError, match=r"no unit holds all of the INT96 timestamps in a. Stage it with .*in micro"):
        as_text(put(path, odd))
    assert as_parquet(path, ("b",)) == (["int64"], [{"b": 7}])
