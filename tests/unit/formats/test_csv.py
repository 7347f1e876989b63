"""CSV as it is written: quotes only where a reader needs them, nulls apart from empty texts, exact ends of records."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.records.chunks import Origins, RowChunk
from airflow_provider_s3dest.sources.python_records import open_records
from tests.unit.tables import csv_of, fields_with_nulls, written

TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(',;"\n\r\ufeff\x00 é')), max_size=8)


def test_file_is_header_and_records_with_plain_line_ends() -> None:
    assert csv_of([{"a": 1, "b": "x"}, {"a": 2.5, "b": "y z"}]) == "a,b\n1,x\n2.5,y z\n"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain", "plain"),
        (" a ", " a "),
        ("it's; a\ttab", "it's; a\ttab"),
        ("a,b", '"a,b"'),
        ('5" pipe', '"5"" pipe"'),
        ('"', '""""'),
        ("a\nb", '"a\nb"'),
        ("a\rb", '"a\rb"'),
        ("a\r\nb", '"a\r\nb"'),
        ("\ufeffmark", '"\ufeffmark"'),
        ("\x00", "\x00"),
        ("", '""'),
        (None, ""),
    ],
)
def test_field_is_quoted_only_where_a_reader_needs_it(text: str | None, field: str) -> None:
    assert csv_of([{"a": text, "b": "x"}]) == f"a,b\n{field},x\n"
    assert csv_of([{"b": "x", "a": text}]) == f"b,a\nx,{field}\n"


def test_null_alone_on_its_line_is_quoted_since_readers_skip_blank_lines() -> None:
    assert csv_of([{"a": None}, {"a": ""}, {"a": 0}]) == 'a\n""\n""\n0\n'


def test_names_of_columns_are_quoted_like_texts() -> None:
    record = {"a,b": 1, 'say "x"': 2, "": 3, "two\nlines": 4, "\ufeff": 5}
    assert csv_of([record]).startswith('"a,b","say ""x""","","two\nlines","\ufeff"\n')
    assert csv_of([{"": 1}]) == '""\n1\n'


def test_other_delimiter_is_the_one_that_is_quoted() -> None:
    assert csv_of([{"a;b": "x;y", "c": "1,2"}], delimiter=";") == '"a;b";c\n"x;y";1,2\n'
    assert csv_of([{"a": "x\ty", "b": "1,2"}], delimiter="\t") == 'a\tb\n"x\ty"\t1,2\n'
    assert csv_of([{"a": "x§y", "b": "é"}], delimiter="§") == 'a§b\n"x§y"§é\n'
    assert csv_of([{"a": "x|y", "b": "]^"}], delimiter="|") == 'a|b\n"x|y"|]^\n'
    assert csv_of([{"a": -1.5, "b": "x-y"}], delimiter="-") == 'a-b\n"-1.5"-"x-y"\n'


def test_header_can_be_left_out() -> None:
    assert written(open_records("t", [{"a": 1}], None), "csv", skip_header=True) == b"1\n"


def test_field_that_a_record_lacks_is_null() -> None:
    assert csv_of([{"a": 1}, {"b": ""}, {}]) == 'a,b\n1,\n,""\n,\n'


def test_records_without_any_column_are_refused() -> None:
    with pytest.raises(RecordError, match="no columns"):
        csv_of([{}, {}])


def test_load_of_no_records_has_no_header_and_no_columns() -> None:
    assert csv_of([]) == ""
    assert csv_of([], columns=("a", "b")) == "a,b\n"


def test_nested_value_is_json_text_in_quotes() -> None:
    assert csv_of([{"a": {"x": [1, "é"]}, "b": 1}]) == 'a,b\n"{""x"":[1,""é""]}",1\n'


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.integers()), max_size=6), st.sampled_from([",", ";", "\t", "é"]))
def test_each_record_ends_where_the_encoder_says(rows: list[tuple[Any, ...]], delimiter: str) -> None:
    records = [dict(zip("abc", row, strict=True)) for row in rows]
    encoder = CsvEncoder("t", ("a", "b", "c"), delimiter, True)
    encoded = encoder.encode(RowChunk(records, Origins(0)))
    begin = 0
    for record, end in zip(records, encoded.ends, strict=True):
        assert encoded.data[begin:end] == encoder.encode(RowChunk([record], Origins(0))).data
        begin = end
    assert begin == (len(encoded.data) if records else 0)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": st.none() | TEXT}), max_size=6))
def test_any_text_reads_back_the_same(records: list[dict[str, str | None]]) -> None:
    text = csv_of(records, columns=("a", "b"))
    assert fields_with_nulls(text) == [["a", "b"], *([record["a"], record["b"]] for record in records)]
    without_nulls = [[record["a"], record["b"] or ""] for record in records]
    if "\x00" in text:  # which the standard library does not read before Python 3.11
        return
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["a", "b"], *without_nulls]
