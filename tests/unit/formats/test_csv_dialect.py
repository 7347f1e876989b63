"""CSV in another dialect than the default: each option with a reader that needs it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.formats.encoders import text_encoder_for
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.chunks import TextDialect
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.spec import DestinationSpec
from tests.unit.tables import read_chunks, staged_table

RECORDS: list[dict[str, Any]] = [
    {"t": "plain", "n": 1},
    {"t": "", "n": None},
    {"t": None, "n": 2},
    {"t": 'say "hi"', "n": 3},
    {"t": "a,b\nc", "n": 4},
    {"t": "back\\slash", "n": 5},
    {"t": '\\"', "n": 6},
    {"t": "\\N", "n": 7},
    {"t": "NULL", "n": 8},
    {"t": "#5", "n": 9},
]


def spec(**options: Any) -> DestinationSpec:
    return DestinationSpec(bucket="b", path="{{UUID}}", format="csv", format_spec=options)


def written(records: Any, **options: Any) -> str:
    table = open_records("t", records, None)
    encoder = text_encoder_for(spec(**options), "t", table.columns)
    encoded = [encoder.encode(chunk) for chunk in read_chunks(table)]
    assert all(sum(one.sizes()) == len(one.data) for one in encoded)
    return (encoder.header + b"".join(one.data for one in encoded)).decode()


class TestReaders:
    def test_pandas_keeps_null_and_empty_text_apart_by_a_text_for_null(self) -> None:
        content = written(RECORDS, null_value="(null)")
        frame = pandas.read_csv(io.StringIO(content), keep_default_na=False, na_values=["(null)"], dtype=str)
        assert [None if pandas.isna(text) else text for text in frame["t"]] == [one["t"] for one in RECORDS]

        default = pandas.read_csv(io.StringIO(written(RECORDS)), keep_default_na=False, na_values=[""], dtype=str)
        assert pandas.isna(default["t"][1]), (
            "pandas can tell the two apart in the default dialect too: the option is needless"
        )

    def test_pandas_reads_an_escape_character(self) -> None:
        content = written(RECORDS, escape="\\", null_value="(null)")
        frame = pandas.read_csv(
            io.StringIO(content),
            escapechar="\\",
            doublequote=False,
            keep_default_na=False,
            na_values=["(null)"],
            dtype=str,
        )
        assert [None if pandas.isna(text) else text for text in frame["t"]] == [one["t"] for one in RECORDS]

    def test_duckdb_that_is_told_of_line_ends_takes_no_others(self, tmp_path: Path) -> None:
        def read(content: str) -> list[Any]:
            (tmp_path / "a.csv").write_bytes(content.encode())
            return duckdb.execute(
                f"SELECT * FROM read_csv('{tmp_path}/a.csv', auto_detect=false, header=true, quote='\"', escape='\"', "
                "delim=',', new_line='\\r\\n', columns={'t': 'VARCHAR', 'n': 'INT'}, allow_quoted_nulls=false)"
            ).fetchall()

        rows = [tuple(one.values()) for one in RECORDS]
        assert read(written(RECORDS, line_terminator="\r\n")) == rows
        assert read(written(RECORDS)) != rows

    def test_duckdb_takes_a_quoted_line_for_no_comment(self, tmp_path: Path) -> None:
        def read(content: str) -> list[Any]:
            (tmp_path / "a.csv").write_bytes(content.encode())
            return duckdb.execute(
                f"SELECT * FROM read_csv('{tmp_path}/a.csv', auto_detect=false, header=true, quote='\"', escape='\"', "
                "delim=',', comment='#', columns={'t': 'VARCHAR', 'n': 'INT'}, allow_quoted_nulls=false)"
            ).fetchall()

        rows = [tuple(one.values()) for one in RECORDS]
        assert read(written(RECORDS, quoting="all")) == rows
        assert read(written(RECORDS)) != rows

    def test_python_turns_what_is_not_quoted_into_numbers(self) -> None:
        records = [{"t": "007", "n": 7, "b": True}, {"t": "x", "n": 0.5, "b": False}]
        read = list(csv.reader(io.StringIO(written(records, quoting="nonnumeric")), quoting=csv.QUOTE_NONNUMERIC))
        assert read == [["t", "n", "b"], ["007", 7.0, "true"], ["x", 0.5, "false"]]
        with pytest.raises(ValueError, match="could not convert"):
            list(csv.reader(io.StringIO(written(records)), quoting=csv.QUOTE_NONNUMERIC))


class TestQuoting:
    @pytest.mark.parametrize(
        ("value", "all_", "nonnumeric"),
        [
            ("x", '"x"', '"x"'),
            ("", '""', '""'),
            (None, "", ""),
            (7, '"7"', "7"),
            (-0.5, '"-0.5"', "-0.5"),
            (Decimal("1.10"), '"1.10"', "1.10"),
            (True, '"true"', '"true"'),
            (2**70, '"1180591620717411303424"', "1180591620717411303424"),
            ([1], '"[1]"', '"[1]"'),
            (b"\0", '"AA=="', '"AA=="'),
        ],
    )
    def test_of_all_but_nulls_and_of_what_is_no_number(self, value: Any, all_: str, nonnumeric: str) -> None:
        assert written([{"a": value, "b": 1}], quoting="all") == f'"a","b"\n{all_},"1"\n'
        assert written([{"a": value, "b": 1}], quoting="nonnumeric") == f'"a","b"\n{nonnumeric},1\n'

    def test_knows_numbers_of_staged_json_and_of_arrow(self, tmp_path: Path) -> None:
        import numpy
        import pyarrow

        (tmp_path / "a.ndjson").write_bytes(b'{"a":1.10,"b":"1.10"}\n{"a":null,"b":true}\n{"a":-1,"b":[2]}\n')
        table = staged_table(tmp_path / "a.ndjson")
        encoder = text_encoder_for(spec(quoting="nonnumeric"), "t", table.columns)
        lines = b"".join(encoder.encode(chunk).data for chunk in read_chunks(table)).decode()
        assert lines == '1.10,"1.10"\n,"true"\n-1,"[2]"\n'
        frame = pyarrow.table({"i": pyarrow.array([1], "int8"), "f": pyarrow.array([0.1], "float32"), "s": ["1"]})
        assert written(frame, quoting="nonnumeric").splitlines()[1] == '1,0.1,"1"'
        scalars = [{"i": numpy.int16(1), "b": numpy.bool_(True), "d": numpy.datetime64("2026-02-03")}]
        assert written(scalars, quoting="nonnumeric").splitlines()[1] == '1,"true","2026-02-03"'


class TestNull:
    def test_is_written_bare_and_its_text_as_a_value_is_quoted(self) -> None:
        records = [{"a": None, "b": "\\N"}, {"a": "", "b": None}]
        assert written(records, null_value="\\N") == 'a,b\n\\N,"\\N"\n"",\\N\n'

    def test_shows_in_a_table_of_one_column(self) -> None:
        assert written([{"a": None}, {"a": "x"}], line_terminator="\r\n") == 'a\r\n""\r\nx\r\n'
        assert written([{"a": None}, {"a": ""}], null_value="NULL") == 'a\nNULL\n""\n'


def test_a_header_is_quoted_as_texts_are() -> None:
    assert written([{"a": 1, "b c": 2}], quoting="nonnumeric") == '"a","b c"\n1,2\n'
    assert written([{'say "x"': 1}], escape="\\") == '"say \\"x\\""\n1\n'
    assert written([{"a": 1}], skip_header=True, quoting="all") == '"1"\n'


TEXTS = st.none() | st.text(st.sampled_from('ab,;"\\\n\r#N'), max_size=5)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5),
    st.sampled_from(["minimal", "all", "nonnumeric"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from('"\\'),
    st.sampled_from([",", ";"]),
)
def test_python_reads_back_every_text(
    rows: list[tuple[str | None, ...]], quoting: str, line_terminator: str, escape: str, delimiter: str
) -> None:
    options = {"quoting": quoting, "line_terminator": line_terminator, "escape": escape, "delimiter": delimiter}
    content = written([dict(zip("xy", row, strict=True)) for row in rows], null_value="(null)", **options)
    escaping = {"doublequote": True} if escape == '"' else {"doublequote": False, "escapechar": escape}
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, **escaping)
    expected = [["(null)" if text is None else text for text in row] for row in rows]
    assert list(lines) == [["x", "y"], *expected]


class TestRefuses:
    @pytest.mark.parametrize(
        ("options", "key"),
        [
            ({"escape": ";", "delimiter": ";"}, "format_spec.escape"),
            ({"null_value": "a,b"}, "format_spec.null_value"),
            ({"null_value": "\\N", "escape": "\\"}, "format_spec.null_value"),
            ({"null_value": '"'}, "format_spec.null_value"),
            ({"quoting": "none"}, "format_spec.quoting"),
            ({"line_terminator": "\r"}, "format_spec.line_terminator"),
            ({"escape": "ab"}, "format_spec.escape"),
        ],
    )
    def test_options_that_no_reader_could_take_back(self, options: dict[str, str], key: str) -> None:
        with pytest.raises(SpecError) as caught:
            spec(**options)
        assert [fault.key for fault in caught.value.faults] == [key]

    def test_a_value_without_a_rule_with_its_place(self) -> None:
        with pytest.raises(RecordError, match=r"record 1, column 'a': there is no rule for object"):
            written([{"a": 1}, {"a": object()}], quoting="all")

    def test_records_without_columns(self) -> None:
        with pytest.raises(RecordError, match="CSV can't hold records without any"):
            written([{}], quoting="all")


def test_lines_pass_through_where_the_dialect_is_that_of_the_file_only() -> None:
    assert passing_for(spec(delimiter=";", skip_header=True)) == TextDialect("csv", ";")
    for option in ({"null_value": "x"}, {"quoting": "all"}, {"line_terminator": "\r\n"}, {"escape": "\\"}):
        assert passing_for(spec(**option)) is None
