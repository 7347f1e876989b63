"""JSON as it is written: one object a line, every column in every object, in the same order."""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.chunks import Origins, RowChunk
from tests.unit.tables import json_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def test_file_is_one_object_a_line() -> None:
    assert json_of([{"a": 1, "b": "x"}, {"a": None, "b": [2]}]) == '{"a":1,"b":"x"}\n{"a":null,"b":[2]}\n'


def test_every_object_has_every_column_in_the_same_order() -> None:
    records = [{"a": 1}, {"b": 2, "a": 3}, {}, {"c": 4}]
    assert json_of(records) == (
        '{"a":1,"b":null,"c":null}\n{"a":3,"b":2,"c":null}\n{"a":null,"b":null,"c":null}\n{"a":null,"b":null,"c":4}\n'
    )


def test_records_of_any_kind_of_mapping_are_written_alike() -> None:
    expected = '{"a":1,"b":null}\n{"a":null,"b":2}\n'
    for kind in (dict, OrderedDict, lambda record: defaultdict(int, record), MappingProxyType):
        records = [kind({"a": 1}), kind({"b": 2})]
        assert json_of(records) == expected
        assert [dict(record) for record in records] == [{"a": 1}, {"b": 2}]


def test_names_of_columns_are_escaped() -> None:
    assert json_of([{'say "x"\n': 1, "": 2, "é": 3}]) == '{"say \\"x\\"\\n":1,"":2,"é":3}\n'


def test_line_ends_inside_texts_are_escaped() -> None:
    text = json_of([{"a": "x\ny\r\nz"}] * 2)
    assert text == '{"a":"x\\ny\\r\\nz"}\n' * 2


def test_records_without_any_column_are_empty_objects() -> None:
    assert json_of([{}, {}]) == "{}\n{}\n"
    assert json_of([]) == ""


def test_value_without_a_rule_is_refused_wherever_it_stands() -> None:
    records: list[dict[str, Any]] = [{"a": 1}] * 3 + [{"a": {"x": {1: 2}}}]
    with pytest.raises(RecordError, match=r"table 't', record 3, column 'a'.*Convert it upstream"):
        json_of(records)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), max_size=5))
def test_any_json_value_reads_back_the_same(records: list[dict[str, Any]]) -> None:
    encoded = JsonEncoder("t", ("a", "b")).encode(RowChunk(records, Origins(0)))
    begin, read = 0, []
    for end in encoded.ends:
        read.append(json.loads(bytes(encoded.data[begin:end])))
        begin = end
    assert begin == len(encoded.data)
    # By their spelling, since to Python 1 is 1.0 and True.
    assert [json.dumps([r["a"], r["b"]]) for r in read] == [json.dumps([r["a"], r["b"]]) for r in records]
    assert all(list(record) == ["a", "b"] for record in read)
