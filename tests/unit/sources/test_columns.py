"""All records of a table get the same columns in the same order, whatever the first one looked like."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import numpy
import pytest
import sqlalchemy

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.load.columns import check_columns
from airflow_provider_s3dest.records.table import STREAM_WINDOW
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, json_of, rows_of


def test_columns_stand_in_the_order_in_which_they_turn_up() -> None:
    records = [{"b": 1}, {"a": 2, "b": 3}, {}, {"c": 4, "a": 5}]
    for given in (records, tuple(records), iter(records)):
        table = open_records("t", given, None)
        assert table.columns == ("b", "a", "c")
        assert rows_of(table) == [
            {"b": 1, "a": None, "c": None},
            {"b": 3, "a": 2, "c": None},
            {"b": None, "a": None, "c": None},
            {"b": None, "a": 5, "c": 4},
        ]


def test_same_keys_in_another_order_keep_their_values() -> None:
    assert csv_of([{"a": 1, "b": 2}, {"b": 3, "a": 4}]) == "a,b\n1,2\n4,3\n"
    assert json_of([{"a": 1, "b": 2}, {"b": 3, "a": 4}]) == '{"a":1,"b":2}\n{"a":4,"b":3}\n'


def test_list_is_looked_through_to_its_last_record() -> None:
    records: list[dict[str, int]] = [{"a": 1}] * 20_000 + [{"late": 2}]
    text = csv_of(records)
    assert text.startswith("a,late\n1,\n")
    assert text.endswith("\n1,\n,2\n")
    assert text.count("\n") == 20_002


def test_stream_has_the_columns_of_its_first_ten_thousand_records() -> None:
    records: list[dict[str, int]] = [{"a": 1}] * (STREAM_WINDOW - 1) + [{"late": 2}] + [{"a": 3}]
    assert STREAM_WINDOW == 10_000
    assert csv_of(iter(records)) == csv_of(records)


def test_new_column_of_a_stream_after_that_is_refused_with_its_index_and_the_way_out() -> None:
    records: list[dict[str, int]] = [{"a": 1}] * STREAM_WINDOW + [{"a": 1, "late": 2}]
    with pytest.raises(RecordError) as refused:
        csv_of(iter(records))
    assert (refused.value.index, refused.value.column) == (10_000, "late")
    assert "`columns=`" in str(refused.value)
    assert csv_of(iter(records), ("a", "late")).endswith("\n1,2\n")
    assert csv_of(iter(records), ("a",)).endswith("\n1\n1\n")


def test_field_that_is_null_or_missing_late_in_a_stream_is_null() -> None:
    records: list[dict[str, Any]] = [{"a": 1, "b": 2}] * STREAM_WINDOW + [{"b": None}, {}, {"b": 3, "a": 4}]
    assert csv_of(iter(records)).endswith("\n1,2\n,\n,\n4,3\n")


def test_columns_choose_and_order() -> None:
    records = [{"a": 1, "b": 2, "c": 3}, {"b": 4}]
    for given in (records, iter(records)):
        assert csv_of(given, ("c", "a")) == "c,a\n3,1\n,\n"
    assert json_of(records, ("x", "b")) == '{"x":null,"b":2}\n{"x":null,"b":4}\n'


def test_value_that_is_not_written_needs_no_rule() -> None:
    assert csv_of([{"a": 1, "b": object()}], ("a",)) == "a\n1\n"


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda values: defaultdict(int, values)])
def test_missing_field_is_null_for_any_mapping_and_the_record_stays_as_it_is(kind: Any) -> None:
    records = [kind({"a": 1}), kind({"b": 2})]
    assert csv_of(records) == "a,b\n1,\n,2\n"
    assert [dict(record) for record in records] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(("columns", "checked"), [(None, None), (["a"], ("a",)), (("b", "a"), ("b", "a"))])
def test_columns_may_be_a_list_of_names(columns: Any, checked: Any) -> None:
    assert check_columns(columns) == checked


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["a", "b", "a"], "names ['a'] twice"),
        ([], "names nothing"),
        ("abc", "is 'abc'"),
        ([1], "is [1]"),
        (["a", None], "is ['a', None]"),
        ({"a": 1}, "is {'a': 1}"),
        (b"ab", "is b'ab'"),
        (5, "is 5"),
    ],
)
def test_anything_else_as_columns_is_refused(columns: Any, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        check_columns(columns)
    assert str(refused.value).startswith("`columns`: ")
    assert said in str(refused.value)


class Name(str, Enum):
    ID = "id"
    NAME = "name"


class Quoted(str):
    """A name as SQLAlchemy's quoted_name is one."""

    __slots__ = ()


@pytest.mark.parametrize("names", [tuple(Name), (numpy.str_("id"), numpy.str_("name")), (Quoted("id"), Quoted("name"))])
def test_a_name_may_be_of_a_subclass_of_str(names: tuple[str, str]) -> None:
    for records in ([{names[0]: 1, names[1]: "a"}], iter([{names[0]: 1, names[1]: "a"}])):
        assert json_of(records) == '{"id":1,"name":"a"}\n'
    assert csv_of([{names[0]: 1, names[1]: "a"}]) == "id,name\n1,a\n"


def test_rows_of_sqlalchemy_are_records() -> None:
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        result = connection.execute(sqlalchemy.text("SELECT 1 AS id, 'a' AS name UNION SELECT 2, NULL"))
        rows = result.mappings().all()
    for records in (list(rows), iter(rows)):
        assert json_of(records) == '{"id":1,"name":"a"}\n{"id":2,"name":null}\n'


def test_a_dict_has_the_keys_that_it_holds_whatever_it_says() -> None:
    class Lying(dict[str, Any]):
        def keys(self) -> Any:
            raise OSError("no keys today")

    for records in ([Lying(a=1)], iter([Lying(a=1)])):
        assert csv_of(records) == "a\n1\n"


def test_a_mapping_whose_keys_cant_be_read_is_refused_with_its_place() -> None:
    class Unreadable(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise KeyError(key)

        def __iter__(self) -> Iterator[str]:
            raise OSError("gone")

        def __len__(self) -> int:
            return 1

    said = "record 1: the keys of the Unreadable can't be read: OSError: gone. Make a dict of it upstream"
    for records in ([{"a": 1}, Unreadable()], iter([{"a": 1}, Unreadable()])):
        with pytest.raises(RecordError, match=said):
            csv_of(records)


def test_rows_without_names_are_told_how_to_get_them() -> None:
    with pytest.raises(
        RecordError, match=r"not tuple: \(1, 2\)\. Yield or return dicts, such as dict\(zip\(names, row\)\)"
    ):
        csv_of([(1, 2)], columns=("a", "b"))
