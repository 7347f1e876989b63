"""Records that are encoded at once come out byte for byte as records that are encoded value by value."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from itertools import chain
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.chunks import ColumnChunk, Origins, RowChunk, TextColumns
from airflow_provider_s3dest.records.values import csv_text
from airflow_provider_s3dest.sources.json_file import read_lines
from airflow_provider_s3dest.sources.source_file import SourceFile


class Colour(Enum):
    RED = "red"


class Time(Enum):
    LOCAL = datetime(1880, 1, 1, tzinfo=timezone(timedelta(hours=1, seconds=27)))


class Zone(tzinfo):
    """A zone that can't be hashed, as those of dateutil."""

    def utcoffset(self, timestamp: datetime | None) -> timedelta:
        return timedelta(hours=2)

    def dst(self, timestamp: datetime | None) -> None:
        return None

    def tzname(self, timestamp: datetime | None) -> None:
        return None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zone)


class Day(date):
    """A date with an ISO format of its own."""

    def isoformat(self) -> str:
        return f"day {self.toordinal()}"


class Text(str):
    """A text that is not quite a str."""


ODD_OFFSET = timezone(timedelta(hours=1, seconds=27))
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    _texts,
    _texts.map(Text),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([timezone.utc, ODD_OFFSET])),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.binary(max_size=5),
    st.uuids(),
    st.sampled_from([Colour.RED, Time.LOCAL]),
)
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", '"},{"a":']), inner, max_size=3),
        st.lists(st.fixed_dictionaries({"a": inner}), max_size=3),
    ),
    max_leaves=6,
)
_timestamps = st.datetimes(timezones=st.none() | st.sampled_from([timezone.utc, ODD_OFFSET]))
_records = st.lists(st.fixed_dictionaries({"a": _values, "b": _scalars}), max_size=5)
_same_kind = st.one_of(
    *(
        st.lists(st.fixed_dictionaries({"a": st.none() | values, "b": values}), min_size=1, max_size=5)
        for values in (
            *(st.integers(), st.floats(), st.booleans(), _texts, st.lists(_values), st.dates(), st.timedeltas()),
            *(st.dates() | st.lists(st.dates()), _timestamps, st.times(), _scalars),
        )
    )
)


def _json(chunk: RowChunk) -> bytes:
    return bytes(JsonEncoder("t", ("a", "b")).encode(chunk).data)


def _csv(chunk: RowChunk, delimiter: str = ",") -> bytes:
    return bytes(CsvEncoder("t", ("a", "b"), delimiter, skip_header=True).encode(chunk).data)


@given(_records | _same_kind)
def test_json_at_once_is_json_value_by_value(records: Sequence[dict[str, Any]]) -> None:
    assert _json(RowChunk.of(records, Origins())) == b"".join(
        _json(RowChunk([record], Origins())) for record in records
    )


def _field(text: str | None, delimiter: str) -> str:
    if text is None:
        return ""
    special = not text or any(one in text for one in (delimiter, '"', "\n", "\r", "\ufeff"))
    return '"' + text.replace('"', '""') + '"' if special else text


@given(_records | _same_kind, st.sampled_from(",\t;|e5.-n"))
def test_csv_by_columns_is_csv_value_by_value(records: Sequence[dict[str, Any]], delimiter: str) -> None:
    fields = [[_field(csv_text(record[name]), delimiter) for name in ("a", "b")] for record in records]
    expected = "".join(f"{delimiter.join(pair)}\n" for pair in fields)
    assert _csv(RowChunk.of(records, Origins()), delimiter).decode() == expected


_spelled = st.one_of(
    st.sampled_from(["1", "1.10", "-0", "1E5", "12345678901234567890123", "true", "null", "[1, 2]", '{"a": "x,y"}']),
    st.sampled_from(['""', '"null"', '"[null"', '",null"', r'"\ud83d\ude00"', r'"\/"', r'"\u0000"', '"\x7f"']),
    _texts.map(json.dumps),
    _texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
)
_plainly_spelled = st.sampled_from(["1", "1.10", "null", '"x"', '"two words"', '"é"', "false", '""'])


@given(
    st.lists(st.tuples(_spelled, _spelled), max_size=4),
    st.lists(st.tuples(_plainly_spelled, _plainly_spelled)),
    st.sampled_from(['{{"a":{},"b":{}}}\n', '{{"a": {}, "b" :{}}}\r\n', '\n {{ "a":{},"b":{}}}\n']),
    st.sampled_from(",\t;|e"),
)
def test_staged_json_is_csv_of_each_value_as_it_is_written(
    odd: list[tuple[str, str]], plain: list[tuple[str, str]], line: str, delimiter: str
) -> None:
    pairs = odd + plain

    def field(raw: str) -> str:
        text = json.loads(raw) if raw.startswith('"') else None if raw == "null" else raw
        return _field(text, delimiter)

    content = "".join(line.format(*pair) for pair in pairs).encode()
    lines = b"".join(
        _csv(chunk.rows, delimiter) for chunk in read_lines(io.BytesIO(content), SourceFile("t", "x.ndjson"))
    )
    assert lines.decode() == "".join(f"{field(a)}{delimiter}{field(b)}\n" for a, b in pairs)


@given(
    st.lists(st.tuples(*[st.none() | _texts | st.sampled_from(["", ":", '"', "\\", "\x01", "null", "é\n"])] * 2)),
    st.sampled_from(["a", ":", 'k"q', "é", "\x01", "a\\"]),
)
def test_fields_of_csv_come_out_as_the_same_texts_of_records(rows: list[tuple[Any, Any]], name: str) -> None:
    columns = ColumnChunk(TextColumns({name: 0, "b": 1}, [*chain.from_iterable(rows)]), Origins(), len(rows))
    records = RowChunk.of([{name: a, "b": b} for a, b in rows], Origins())
    for names in ((name, "b"), ("b", name), ("b", "c", name)):
        for encode in (JsonEncoder("t", names).encode, CsvEncoder("t", names, ",", skip_header=True).encode):
            of_columns, of_records = encode(columns), encode(records)
            assert (of_columns.data, [*of_columns.ends]) == (of_records.data, [*of_records.ends])


@pytest.mark.parametrize(
    "records",
    [
        [{"a": [{"a": 1}, {"a": 2}], "b": 1}, {"a": [], "b": 2}],
        [{"a": '"},{"a":', "b": '},{"a":'}, {"a": "\n", "b": None}],
        [{"a": 2**64 + 5, "b": 0.1}, {"a": -1, "b": 1e16}],
        [{"a": Text("x"), "b": Colour.RED}, {"a": UUID(int=5), "b": Decimal("1.10")}],
        [{"a": datetime(2026, 1, 2, tzinfo=timezone.utc), "b": date(1, 1, 1)}, {"a": time(5), "b": timedelta(-1)}],
        [{"a": {"x": {"y": [1, [2]]}}, "b": float("nan")}, {"a": (1, "2"), "b": float("-inf")}],
        [{"a": {3, 1, 2}, "b": b"\x00"}, {"a": None, "b": ""}],
        [{"a": None, "b": float(n)} for n in range(8)] + [{"a": None, "b": 'x "y", z'}, {"a": "", "b": float("nan")}],
        [{"a": n, "b": f"plain {n}"} for n in range(8)] + [{"a": None, "b": "a,\n[]{}\\\x0e"}, {"a": 1, "b": "[null"}],
        [{"a": n, "b": f"plain {n}"} for n in range(8)] + [{"a": {"k": [1]}, "b": "\ufeff"}, {"a": None, "b": ""}],
        [{"a": date(1, 1, 1), "b": time(0, 0, 0, 10_000)}],
        [{"a": date(1, 1, 1), "b": n} for n in range(8)] + [{"a": datetime(1, 1, 1, tzinfo=ODD_OFFSET), "b": None}],
        [{"a": date(1, 1, 1), "b": Time.LOCAL}, {"a": time(5), "b": None}],
        [{"a": datetime(2026, 7, 1, tzinfo=Zone()), "b": 1}],
    ],
)
def test_values_at_the_edges_come_out_the_same_too(records: list[dict[str, Any]]) -> None:
    alone = [RowChunk([record], Origins()) for record in records]
    assert _json(RowChunk.of(records, Origins())) == b"".join(map(_json, alone))
    assert _csv(RowChunk.of(records, Origins())) == b"".join(map(_csv, alone))


@given(_timestamps, st.dates())
def test_times_and_dates_are_written_as_python_writes_them(timestamp: datetime, day: date) -> None:
    chunk = RowChunk.of([{"a": timestamp, "b": day}], Origins())
    assert _csv(chunk) == f"{timestamp.isoformat()},{day.isoformat()}\n".encode()
    for of_record in ({"a": timestamp, "b": [day]}, {"a": [timestamp], "b": day}):
        assert _json(RowChunk.of([of_record], Origins())).translate(None, b"[]") == (
            f'{{"a":"{timestamp.isoformat()}","b":"{day.isoformat()}"}}\n'.encode()
        )


def test_more_dates_than_are_kept_are_all_written() -> None:
    days = [date.fromordinal(700_000 + number) for number in range(40_000)]
    chunk = RowChunk.of([{"a": day, "b": 1} for day in days], Origins())
    assert _csv(chunk) == "".join(f"{day.isoformat()},1\n" for day in days).encode()


def test_a_date_of_a_subclass_is_written_the_same_whether_its_date_was_seen_or_not() -> None:
    day, seen = Day(1723, 4, 5), Day(1723, 4, 6)
    for encode in (_json, _csv):
        unseen = encode(RowChunk.of([{"a": date(2026, 1, 2), "b": day}], Origins()))
        after = encode(RowChunk.of([{"a": date(1723, 4, 6), "b": seen}], Origins()))
        assert (b"1723-04-05" in unseen, after.count(b"1723-04-06")) == (True, 2)


def test_values_that_cannot_be_looked_up_stand_among_dates() -> None:
    records: list[dict[str, Any]] = [{"a": date(2026, 1, 2), "b": None}, {"a": None, "b": {1}}]
    assert _json(RowChunk.of(records, Origins())) == b'{"a":"2026-01-02","b":null}\n{"a":null,"b":[1]}\n'


def test_a_few_records_that_need_quotes_stand_among_those_that_need_none() -> None:
    records = [{"a": n, "b": f"x{n}"} for n in range(20)]
    records[7]["b"] = 'a "b", c\nd'
    lines = [f"{n},x{n}\n" for n in range(20)]
    lines[7] = '7,"a ""b"", c\nd"\n'
    chunk = RowChunk.of(records, Origins())
    assert _csv(chunk) == "".join(lines).encode()
    assert list(CsvEncoder("t", ("a", "b"), ",", True).encode(chunk).sizes()) == list(map(len, lines))
    assert bytes(CsvEncoder("t", ("b", "a"), ";", True).encode(chunk).data).split(b"\n")[0] == b"x0;0"


def test_each_record_of_a_chunk_ends_where_it_is_said_to_end() -> None:
    records = [{"a": "é\n" * n, "b": [{"a": n}, {"a": n}]} for n in range(5)]
    for encode in (JsonEncoder("t", ("a", "b")).encode, CsvEncoder("t", ("a", "b"), ",", True).encode):
        encoded = encode(RowChunk.of(records, Origins()))
        begins = [0, *encoded.ends[:-1]]
        pieces = [encoded.data[begin:end] for begin, end in zip(begins, encoded.ends, strict=True)]
        assert pieces == [encode(RowChunk.of([record], Origins())).data for record in records]
