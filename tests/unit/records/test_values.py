"""Every kind of value has one text in CSV and one form in JSON, alone and inside other values."""

from __future__ import annotations

import json
import sys
from collections import Counter, OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy
import pandas
import pendulum
import pyarrow
import pytest

from airflow_provider_s3dest.delivery.partitions import partition_text
from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.records.nesting import MAX_LEVELS
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, fields_with_nulls, json_of, read_chunks


class Colour(Enum):
    RED = "red"
    DAY = date(2024, 1, 31)


class Level(IntEnum):
    LOW = 7


class Word(str, Enum):
    HELLO = "hello"


class Right(IntFlag):
    READ = 1
    WRITE = 2


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not the text itself"


class Whole(int):
    pass


class Real(float):
    pass


class Money(Decimal):
    pass


class Row(list[Any]):
    pass


class Frozen(Mapping[str, Any]):
    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


Point = namedtuple("Point", "x y")

NULL = None
UTC = timezone.utc
ID = UUID("12345678-1234-5678-1234-567812345678")
DIGITS_38 = "1234567890123456789012345678901234.5678"
BIG = 10**5000
BIG_TEXT = "1" + "0" * 5000
AT = datetime(2024, 1, 31, 12, 30, 5, 123456)

# The value, its CSV text (None: a null), and its JSON text.
VALUES: list[tuple[Any, str | None, str]] = [
    (None, NULL, "null"),
    ("", "", '""'),
    ("text", "text", '"text"'),
    ("007", "007", '"007"'),
    (" padded ", " padded ", '" padded "'),
    ("null", "null", '"null"'),
    ("\x00", "\x00", r'"\u0000"'),
    ('say "hi"', 'say "hi"', r'"say \"hi\""'),
    ("back\\slash/", "back\\slash/", r'"back\\slash/"'),
    ("a\r\nb\rc\nd", "a\r\nb\rc\nd", r'"a\r\nb\rc\nd"'),
    ("\u2028\x85\x0b\x1c", "\u2028\x85\x0b\x1c", '"\u2028\x85\\u000b\\u001c"'),
    ("👩‍👩‍👧 e\u0301 é", "👩‍👩‍👧 e\u0301 é", '"👩‍👩‍👧 e\u0301 é"'),
    ("\ufeffmarked", "\ufeffmarked", '"\ufeffmarked"'),
    (Text("own"), "own", '"own"'),
    (True, "true", "true"),
    (False, "false", "false"),
    (0, "0", "0"),
    (-1, "-1", "-1"),
    (2**53 + 1, "9007199254740993", "9007199254740993"),
    (-(2**63), "-9223372036854775808", "-9223372036854775808"),
    (2**64 + 5, "18446744073709551621", "18446744073709551621"),
    (-(2**64) - 5, "-18446744073709551621", "-18446744073709551621"),
    (10**4000, "1" + "0" * 4000, "1" + "0" * 4000),
    (BIG, BIG_TEXT, BIG_TEXT),
    (-BIG, "-" + BIG_TEXT, "-" + BIG_TEXT),
    (Whole(5), "5", "5"),
    (Whole(BIG), BIG_TEXT, BIG_TEXT),
    (Decimal("1.10"), "1.10", '"1.10"'),
    (Decimal("1E+3"), "1000", '"1000"'),
    (Decimal("1E-7"), "0.0000001", '"0.0000001"'),
    (Decimal("-0"), "-0", '"-0"'),
    (Decimal("0E-3"), "0.000", '"0.000"'),
    (Decimal(DIGITS_38), DIGITS_38, f'"{DIGITS_38}"'),
    (Decimal("NaN"), "NaN", "null"),
    (Decimal("sNaN"), "NaN", "null"),
    (Decimal("Infinity"), "Infinity", "null"),
    (Decimal("-Infinity"), "-Infinity", "null"),
    (Money("2.50"), "2.50", '"2.50"'),
    (0.1, "0.1", "0.1"),
    (-0.0, "-0.0", "-0.0"),
    (17.0, "17.0", "17.0"),
    (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"),
    (float("nan"), "NaN", "null"),
    (float("inf"), "Infinity", "null"),
    (float("-inf"), "-Infinity", "null"),
    (Real(2.5), "2.5", "2.5"),
    (Real("nan"), "NaN", "null"),
    (datetime(1, 1, 1), "0001-01-01T00:00:00", '"0001-01-01T00:00:00"'),
    (datetime.max, "9999-12-31T23:59:59.999999", '"9999-12-31T23:59:59.999999"'),
    (AT, "2024-01-31T12:30:05.123456", '"2024-01-31T12:30:05.123456"'),
    (AT.replace(microsecond=0, tzinfo=UTC), "2024-01-31T12:30:05+00:00", '"2024-01-31T12:30:05+00:00"'),
    (
        datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        "2024-07-01T00:00:00+02:00",
        '"2024-07-01T00:00:00+02:00"',
    ),
    (
        datetime(1880, 1, 1, tzinfo=timezone(-timedelta(hours=1, minutes=2, seconds=3))),
        "1880-01-01T00:00:00-01:02:03",
        '"1880-01-01T00:00:00-01:02:03"',
    ),
    (date(1, 2, 3), "0001-02-03", '"0001-02-03"'),
    (date(9999, 12, 31), "9999-12-31", '"9999-12-31"'),
    (time(1, 2, 3), "01:02:03", '"01:02:03"'),
    (time(1, 2, 3, 4, tzinfo=UTC), "01:02:03.000004+00:00", '"01:02:03.000004+00:00"'),
    (timedelta(days=1, hours=2, seconds=3.5), "P1DT2H3.5S", '"P1DT2H3.5S"'),
    (timedelta(0), "PT0S", '"PT0S"'),
    (timedelta(microseconds=-1), "-PT0.000001S", '"-PT0.000001S"'),
    (timedelta(hours=-25), "-P1DT1H", '"-P1DT1H"'),
    (timedelta.max, "P999999999DT23H59M59.999999S", '"P999999999DT23H59M59.999999S"'),
    (b"", "", '""'),
    (b"\x00\xff\n", "AP8K", '"AP8K"'),
    (bytearray(b"ab"), "YWI=", '"YWI="'),
    (memoryview(b"abc"), "YWJj", '"YWJj"'),
    (ID, str(ID), f'"{ID}"'),
    (Colour.RED, "red", '"red"'),
    (Colour.DAY, "2024-01-31", '"2024-01-31"'),
    (Level.LOW, "7", "7"),
    (Word.HELLO, "hello", '"hello"'),
    (Right.READ | Right.WRITE, "3", "3"),
    (PurePosixPath("/a/b"), "/a/b", '"/a/b"'),
    (PureWindowsPath("c:\\x"), "c:\\x", r'"c:\\x"'),
    (Path("a"), "a", '"a"'),
    ([], "[]", "[]"),
    ([1, None, "x", [2.5]], '[1,null,"x",[2.5]]', '[1,null,"x",[2.5]]'),
    ((1, 2), "[1,2]", "[1,2]"),
    (Point(1, AT.date()), '[1,"2024-01-31"]', '[1,"2024-01-31"]'),
    (Point(1, 2), "[1,2]", "[1,2]"),
    (Row([1, 2]), "[1,2]", "[1,2]"),
    ({3, 1, 2}, "[1,2,3]", "[1,2,3]"),
    (frozenset({"b", "a"}), '["a","b"]', '["a","b"]'),
    ({10, 9, "10"}, '["10",10,9]', '["10",10,9]'),
    (set(), "[]", "[]"),
    ({}, "{}", "{}"),
    ({"b": 1, "a": None}, '{"b":1,"a":null}', '{"b":1,"a":null}'),
    (OrderedDict(z=1, a=2), '{"z":1,"a":2}', '{"z":1,"a":2}'),
    (defaultdict(int, a=1), '{"a":1}', '{"a":1}'),
    (Counter("aa"), '{"a":2}', '{"a":2}'),
    (UserDict(a=1), '{"a":1}', '{"a":1}'),
    (MappingProxyType({"a": AT.date()}), '{"a":"2024-01-31"}', '{"a":"2024-01-31"}'),
    (Frozen(a=1), '{"a":1}', '{"a":1}'),
    ({Word.HELLO: 1}, '{"hello":1}', '{"hello":1}'),
    ({Text("own"): 1}, '{"own":1}', '{"own":1}'),
    ([2**64 + 5, BIG], f"[18446744073709551621,{BIG_TEXT}]", f"[18446744073709551621,{BIG_TEXT}]"),
    ({"n": BIG}, f'{{"n":{BIG_TEXT}}}', f'{{"n":{BIG_TEXT}}}'),
    (
        {"deep": [{"price": Decimal("1.10"), "at": AT, "tags": {"b", "a"}, "raw": b"\x00", "nan": float("nan")}]},
        '{"deep":[{"price":"1.10","at":"2024-01-31T12:30:05.123456","tags":["a","b"],"raw":"AA==","nan":null}]}',
        '{"deep":[{"price":"1.10","at":"2024-01-31T12:30:05.123456","tags":["a","b"],"raw":"AA==","nan":null}]}',
    ),
    # pendulum, which comes with Airflow
    (
        pendulum.datetime(2024, 1, 31, 12, tz="Europe/Berlin"),
        "2024-01-31T12:00:00+01:00",
        '"2024-01-31T12:00:00+01:00"',
    ),
    (pendulum.date(2024, 1, 31), "2024-01-31", '"2024-01-31"'),
    (pendulum.time(1, 2, 3), "01:02:03", '"01:02:03"'),
    (pendulum.duration(days=1, hours=2, seconds=3.5), "P1DT2H3.5S", '"P1DT2H3.5S"'),
    (pendulum.duration(hours=-1), "-PT1H", '"-PT1H"'),
    (pendulum.duration(weeks=-1, microseconds=1), "-P6DT23H59M59.999999S", '"-P6DT23H59M59.999999S"'),
    (pendulum.datetime(2024, 1, 1, 5) - pendulum.datetime(2024, 1, 3), "-P1DT19H", '"-P1DT19H"'),
    # pandas
    (
        pandas.Timestamp("2024-01-31T12:00:00.123456789Z"),
        "2024-01-31T12:00:00.123456789+00:00",
        '"2024-01-31T12:00:00.123456789+00:00"',
    ),
    (pandas.Timestamp("2024-01-31"), "2024-01-31T00:00:00", '"2024-01-31T00:00:00"'),
    (pandas.NaT, NULL, "null"),
    (pandas.NA, NULL, "null"),
    (pandas.Timedelta("1 days 00:00:00.000001001"), "P1DT0.000001001S", '"P1DT0.000001001S"'),
    (pandas.Timedelta("-1ns"), "-PT0.000000001S", '"-PT0.000000001S"'),
    # numpy
    (numpy.bool_(True), "true", "true"),
    (numpy.int8(-5), "-5", "-5"),
    (numpy.uint64(2**64 - 1), "18446744073709551615", "18446744073709551615"),
    (numpy.float64("nan"), "NaN", "null"),
    (numpy.float64(0.1), "0.1", "0.1"),
    (numpy.float32(0.1), "0.1", "0.1"),
    (numpy.float32("inf"), "Infinity", "null"),
    (numpy.float16(0.1), "0.1", "0.1"),
    (numpy.str_("x"), "x", '"x"'),
    (numpy.bytes_(b"x"), "eA==", '"eA=="'),
    (numpy.datetime64("2024-01-31"), "2024-01-31", '"2024-01-31"'),
    (
        numpy.datetime64("2024-01-31T00:00:00.5", "ns"),
        "2024-01-31T00:00:00.500000000",
        '"2024-01-31T00:00:00.500000000"',
    ),
    (numpy.datetime64("NaT"), NULL, "null"),
    (numpy.timedelta64(5, "ns"), "PT0.000000005S", '"PT0.000000005S"'),
    (numpy.timedelta64(-1500, "ms"), "-PT1.5S", '"-PT1.5S"'),
    (numpy.timedelta64(90, "m"), "PT1H30M", '"PT1H30M"'),
    (numpy.timedelta64(3, "W"), "P21D", '"P21D"'),
    (numpy.timedelta64(2, ("s", 25)), "PT50S", '"PT50S"'),
    (numpy.timedelta64(7, "as"), "PT0.000000000000000007S", '"PT0.000000000000000007S"'),
    (numpy.timedelta64("NaT", "s"), NULL, "null"),
    (numpy.ma.masked, NULL, "null"),
    (numpy.ma.array([1, 2], mask=[False, True]), "[1,null]", "[1,null]"),
    (numpy.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]", "[[1,2],[3,4]]"),
    (numpy.array([0.1, numpy.nan], dtype="float32"), "[0.1,null]", "[0.1,null]"),
    (numpy.array(["2024-01-31"], dtype="M8[D]"), '["2024-01-31"]', '["2024-01-31"]'),
    (numpy.array([]), "[]", "[]"),
    (numpy.array(5), "5", "5"),
]


IDS = [f"{type(value).__name__}-{number}" for number, (value, _, _) in enumerate(VALUES)]


@pytest.mark.parametrize(("value", "text"), [(value, text) for value, text, _ in VALUES], ids=IDS)
def test_value_has_this_text_in_csv(value: Any, text: str | None) -> None:
    assert fields_with_nulls(csv_of([{"key": 1, "value": value}])) == [["key", "value"], ["1", text]]


@pytest.mark.parametrize(("value", "text"), [(value, text) for value, _, text in VALUES], ids=IDS)
def test_value_has_this_form_in_json(value: Any, text: str) -> None:
    assert json_of([{"value": value}]) == f'{{"value":{text}}}\n'


@pytest.mark.parametrize(("value", "text"), [(value, text) for value, _, text in VALUES], ids=IDS)
def test_value_inside_others_has_its_json_form_in_both_formats(value: Any, text: str) -> None:
    nested = [{"at": (value,)}]
    assert json_of([{"value": nested}]) == f'{{"value":[{{"at":[{text}]}}]}}\n'
    assert fields_with_nulls(csv_of([{"value": nested}]))[1] == [f'[{{"at":[{text}]}}]']


def test_each_value_keeps_its_text_in_a_column_of_all_kinds() -> None:
    records = [{"n": number, "value": value} for number, (value, _, _) in enumerate(VALUES)]
    assert [row[1] for row in fields_with_nulls(csv_of(records))[1:]] == [text for _, text, _ in VALUES]
    assert json_of(records) == "".join(f'{{"n":{n},"value":{text}}}\n' for n, (_, _, text) in enumerate(VALUES))


@pytest.mark.parametrize("value", [0.1, 1e-300, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 123456789.123, -2.5e-7])
def test_float_reads_back_as_the_same_float(value: float) -> None:
    assert float(csv_of([{"value": value}]).splitlines()[1]) == value
    assert json.loads(json_of([{"value": value}]))["value"] == value


@pytest.mark.parametrize("width", [numpy.float16, numpy.float32])
def test_narrow_float_reads_back_as_the_same_narrow_float(width: Any) -> None:
    for value in (width(0.1), width(1) / width(3), numpy.finfo(width).max, numpy.finfo(width).tiny):
        text = csv_of([{"value": value}]).splitlines()[1]
        assert width(text) == value
        assert len(text) <= len(repr(float(value)))


def test_digits_beyond_the_limit_of_python_are_written_without_lifting_it() -> None:
    limit = sys.get_int_max_str_digits()
    assert csv_of([{"value": BIG}]) == f"value\n{BIG_TEXT}\n"
    assert sys.get_int_max_str_digits() == limit


def test_one_wide_int_leaves_its_neighbours_as_they_are() -> None:
    records = [{"n": BIG, "f": float("nan"), "t": "x"}, {"n": 1, "f": 1.5, "t": None}]
    assert json_of(records) == f'{{"n":{BIG_TEXT},"f":null,"t":"x"}}\n{{"n":1,"f":1.5,"t":null}}\n'


@pytest.mark.parametrize("write", [csv_of, json_of])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "no rule for object"),
        (1j, "no rule for complex"),
        (Fraction(1, 3), "no rule for fractions.Fraction"),
        (range(3), "no rule for range"),
        (numpy.longdouble(1), "no rule for numpy.longdouble"),
        (numpy.timedelta64(1, "M"), "no rule for numpy.timedelta64"),
        (numpy.datetime64("20000-01-01"), "no rule for numpy.datetime64"),
        (numpy.datetime64("-0001-01-01"), "no rule for numpy.datetime64"),
        (pandas.Period("2024-01"), "no rule for pandas.Period"),
        (numpy.timedelta64(1), "no rule for numpy.timedelta64"),
        ([1, {"x": object()}], "no rule for object"),
        ({"x": {1: 2}}, "the key 1 of a nested mapping is no string but int"),
        ({None: 2}, "the key None of a nested mapping is no string but NoneType"),
        ({b"x": 2}, "is no string but bytes"),
        ("\ud800", "half of a surrogate pair"),
        (["\udfff"], "half of a surrogate pair"),
        ({"\ud83d": 1}, "half of a surrogate pair"),
    ],
)
def test_value_without_a_rule_is_refused_with_its_place(write: Any, value: Any, said: str) -> None:
    records = [{"a": 1, "b": "fine"}] * 1500 + [{"a": 1, "b": value}, {"a": object(), "b": 1}]
    with pytest.raises(RecordError) as refused:
        write(records)
    error = refused.value
    assert (error.table, error.index, error.column) == ("t", 1500, "b")
    assert error.value is value
    assert said in str(error)
    assert str(error).startswith("table 't', record 1500, column 'b': ")


def test_first_bad_record_is_named_and_not_the_first_bad_column() -> None:
    with pytest.raises(RecordError, match="record 1, column 'b'"):
        csv_of([{"a": 1, "b": 1}, {"a": 1, "b": object()}, {"a": object(), "b": 1}])


def _nested(levels: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: {"a": value},
        lambda value: Frozen(a=value),
        lambda value: (value,),
        lambda value: [1, (value,)],
    ],
    ids=["list", "dict", "mapping", "tuple", "tuple in list"],
)
def test_value_nested_deeper_than_can_be_written_is_refused_with_its_place(wrap: Callable[[Any], Any]) -> None:
    for write in (csv_of, json_of):
        if wrap(1) in ([1], {"a": 1}, (1,)):
            assert "1" in write([{"a": 1}, {"a": _nested(MAX_LEVELS, wrap)}])
        for levels in (MAX_LEVELS + 1, MAX_LEVELS + 2, 3000, 100_000):
            with pytest.raises(RecordError, match="record 1, column 'a': the value is nested more than 253 levels"):
                write([{"a": 1}, {"a": _nested(levels, wrap)}])


@pytest.mark.parametrize(
    "number",
    [
        Decimal("1E+999999999"),
        Decimal("1E+999999999999999999"),
        Decimal("-1E-999999999"),
        Decimal("0E-999999"),
        1 << 600_000,
    ],
    ids=["large", "huge", "small", "zero", "int"],
)
def test_number_of_more_digits_than_can_be_written_is_refused_with_its_place(number: Any) -> None:
    for write in (csv_of, json_of):
        for value in (number, [number], {"a": (number,)}):
            with pytest.raises(
                RecordError, match=r"record 1, column 'a': the number has more than 150,000 digits: .*Convert"
            ):
                write([{"a": 1}, {"a": value}])


def test_the_longest_number_of_a_database_is_written() -> None:
    number = Decimal("1E+131071") + 1
    for value in (number, Decimal("1E+131071"), Decimal("1E-16383")):
        assert csv_of([{"a": value}]) == f"a\n{value:f}\n"


def _typed_as_text(records: Any) -> None:
    list(with_types(open_records("t", records, None), {"a": pyarrow.string()}).chunks)


class Pair(NamedTuple):
    left: Any
    right: Any


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value, value],
        lambda value: (value, value),
        lambda value: {"a": value, "b": value},
        lambda value: OrderedDict(a=value, b=value),
        lambda value: [UserDict(a=(value, value))],
        lambda value: Pair(value, value),
    ],
    ids=["list", "tuple", "dict", "OrderedDict", "UserDict", "namedtuple"],
)
def test_value_that_would_be_written_without_end_is_refused_with_its_place(wrap: Callable[[Any], Any]) -> None:
    """It is refused before it is written: a failing test takes all memory, or does not end."""
    ends_in_itself: list[Any] = []
    ends_in_itself += [ends_in_itself, ends_in_itself]
    for value, said in ((1, "at several places"), (ends_in_itself, "or holds itself")):
        for _ in range(60):
            value = wrap(value)
        records = [{"a": "x"}, {"a": value}]
        refused = rf"record 1, column 'a': .*{said}"

        for write in (csv_of, json_of, _typed_as_text):
            with pytest.raises(RecordError, match=refused):
                write(records)
        with pytest.raises(RecordError, match=f"record 0, column 'a': .*{said}"):
            list(with_types(open_records("t", records[1:], None), {}, for_parquet=True).chunks)
        with pytest.raises(ValueError, match=said):
            partition_text(value)
        put = Mock()
        bad = BadRecords(put)
        table = with_safe_keys(open_records("t", records, None, bad=bad))
        encode = JsonEncoder("t", ("a",)).encode
        assert [len(part.data) for chunk in read_chunks(table) for part in isolate_bad_records(encode, chunk, bad)]
        assert bad.counts == {"t": 1}
        assert len(put.call_args.args[1]) < 100_000


def test_value_that_repeats_a_part_is_written_as_long_as_that_is_not_too_much() -> None:
    row = [0] * 1000
    assert len(json_of([{"a": [row] * 2000}])) == len('{"a":[]}\n') + 2000 * 2002 - 1
    with pytest.raises(RecordError, match="at several places"):
        json_of([{"a": [row] * 40_000}])


def test_value_that_holds_itself_is_refused_with_its_place() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for write in (csv_of, json_of):
        with pytest.raises(RecordError, match=r"record 0, column 'a': .* or holds itself"):
            write([{"a": endless}])
