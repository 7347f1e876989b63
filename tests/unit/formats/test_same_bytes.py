"""Any table reads back equal from each format, whatever it came from, once a schema says what its texts are."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.formats.batching import BatchWriter, Limits
from airflow_provider_s3dest.formats.encoders import encoder_for, sink_for
from airflow_provider_s3dest.load.transforms import with_types_for
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.spec import DestinationSpec
from tests.unit.formats.test_parquet import Objects
from tests.unit.tables import fields_with_nulls, put, staged_table

Records = Sequence[Mapping[str, Any]]

SCHEMA = {
    "id": "int64",
    "float": "float64",
    "text": "string",
    "flag": "bool",
    "price": "decimal(18,2)",
    "day": "date32",
    "moment": "timestamp[us]",
    "list": "list<int64>",
    "struct": "struct<a: string, b: int8>",
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\n\r\t\\é\ufeff\x00'), max_size=6)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "id": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "text": TEXT,
    "flag": st.booleans(),
    "price": st.decimals(-(10**15), 10**15, places=2),
    "day": st.dates(),
    "moment": st.datetimes().map(lambda moment: moment.replace(fold=0)),
    "list": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3),
    "struct": st.builds(lambda a, b: {"a": a, "b": b}, st.none() | TEXT, st.none() | st.integers(-128, 127)),
}
TABLES = st.lists(
    st.tuples(*(st.none() | value for value in VALUES.values())).map(lambda row: dict(zip(VALUES, row, strict=True))),
    min_size=1,
    max_size=5,
)


def as_text(value: Any) -> str:
    """Format a value as a careful writer of staged text does."""
    if isinstance(value, (list, dict)):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def csv_text(records: Records) -> str:
    fields = [["" if v is None else '"' + as_text(v).replace('"', '""') + '"' for v in r.values()] for r in records]
    return "".join(f"{','.join(row)}\n" for row in [list(SCHEMA), *fields])


def json_text(record: Mapping[str, Any]) -> str:
    return json.dumps({k: as_text(v) if isinstance(v, (Decimal, date)) else v for k, v in record.items()})


def arrow_of(records: Records) -> pa.Table:
    arrow_types = {"price": pa.decimal128(18, 2), "day": pa.date32(), "moment": pa.timestamp("us")}
    return pa.table({name: pa.array([record[name] for record in records], arrow_types.get(name)) for name in SCHEMA})


def staged(home: Path, name: str, content: str) -> Table:
    return staged_table(put(home / name / name, content))


def staged_parquet(home: Path, records: Records) -> Table:
    pq.write_table(arrow_of(records), put(home / "x.parquet", ""))
    return staged_table(home / "x.parquet")


SOURCES: Mapping[str, Callable[[Path, Records], Table]] = {
    "records": lambda _, records: open_records("t", list(records), None),
    "stream": lambda _, records: open_records("t", iter(records), None),
    "Arrow": lambda _, records: open_records("t", arrow_of(records), None),
    "Parquet": staged_parquet,
    "CSV": lambda home, records: staged(home, "x.csv", csv_text(records)),
    "NDJSON": lambda home, records: staged(home, "x.ndjson", "".join(f"{json_text(one)}\n" for one in records)),
    "JSON array": lambda home, records: staged(home, "x.json", f"[{', '.join(map(json_text, records))}]"),
}


def file_of(table: Table, format_: str) -> bytes:
    spec = DestinationSpec(bucket="b", path="{{UUID}}", format=format_)
    typed, objects = with_types_for(spec, table, SCHEMA), Objects()
    encoder = encoder_for(spec, typed)
    line = BatchWriter(Limits(None, None), encoder.header, lambda number: sink_for(spec, typed, objects.open(number)))
    for chunk in typed.chunks:
        line.add(encoder.encode(chunk))  # type: ignore[arg-type]
    line.close()
    (content,) = objects.contents
    return bytes(content)


FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "id": int,
    "float": float,
    "flag": lambda text: {"true": True, "false": False}[text],
    "price": Decimal,
    "day": date.fromisoformat,
    "moment": datetime.fromisoformat,
    "list": json.loads,
    "struct": json.loads,
}


def records_in(content: bytes, format_: str) -> list[dict[str, Any]]:
    """Read a file back by a reader that has nothing to do with the provider."""
    if format_ == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
        return rows
    if format_ == "csv":
        header, *fields = fields_with_nulls(content.decode())
        found = [dict(zip(map(str, header), row, strict=True)) for row in fields]
    else:
        found = [json.loads(line) for line in content.decode().split("\n")[:-1]]
    return [
        {name: FROM_TEXT[name](v) if isinstance(v, str) and name in FROM_TEXT else v for name, v in record.items()}
        for record in found
    ]


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
@pytest.mark.parametrize("source", SOURCES)
@settings(derandomize=True, max_examples=100, deadline=None)
@given(records=TABLES, block=st.sampled_from([1, 30, 2**20]))
def test_any_table_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, source: str, format_: str, records: Records, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        content = file_of(SOURCES[source](tmp_path_factory.mktemp("any"), records), format_)
    assert [repr(record) for record in records_in(content, format_)] == [repr(record) for record in records]
