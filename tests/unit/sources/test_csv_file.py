"""Staged CSV and TSV: text stays text, null is no empty text, and what is malformed is named by its line."""

from __future__ import annotations

import bz2
import csv
import io
import lzma
import re
import zipfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.records.chunks import ColumnChunk
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.csv_file import CsvFile
from airflow_provider_s3dest.sources.encodings import in_utf8
from airflow_provider_s3dest.sources.source_file import SourceFile
from tests.unit.tables import fields_with_nulls

FILE = SourceFile("t", "x.csv")
BLOCKS = [1, 2, 3, 7, 2**20]


def read(content: bytes | str, delimiter: str = ",") -> tuple[tuple[str, ...], list[list[Any]]]:
    """Read a file: its header and its records."""
    data = content.encode() if isinstance(content, str) else content
    header = CsvFile(io.BytesIO(data), delimiter, FILE).header()
    rows: list[list[Any]] = []
    for chunk in CsvFile(io.BytesIO(data), delimiter, FILE).chunks():
        assert isinstance(chunk, ColumnChunk)
        assert tuple(chunk.values) == header
        rows.extend(map(list, zip(*chunk.values.values(), strict=True)))
    return header, rows


def lines_of(content: str) -> list[int | None]:
    """Tell on which line each record of a file begins."""
    chunks = CsvFile(io.BytesIO(content.encode()), ",", FILE).chunks()
    read = [chunk for chunk in chunks if isinstance(chunk, ColumnChunk)]
    return [chunk.origins[position].line for chunk in read for position in range(len(chunk))]


@pytest.fixture(params=BLOCKS)
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read by blocks of so many bytes, so that records span them."""
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", request.param)
    return int(request.param)


@pytest.mark.usefixtures("block_bytes")
class TestReading:
    def test_values_stay_text(self) -> None:
        content = "id,n,t\n007,1.10,true\n2e5,2024-01-31,null\n"
        assert read(content) == (("id", "n", "t"), [["007", "1.10", "true"], ["2e5", "2024-01-31", "null"]])

    @pytest.mark.parametrize("other", ["x", '"x"', '"x\ny"'])
    def test_unquoted_empty_field_is_null_and_a_quoted_one_is_not(self, other: str) -> None:
        text = other.strip('"')
        content = f'a,b,c\n,"",{other}\n"",{other},\n{other},,""\n'
        assert read(content)[1] == [[None, "", text], ["", text, None], [text, None, ""]]

    def test_no_text_is_taken_for_a_mark_of_the_reader(self) -> None:
        content = 'a,b,c\n"\x01","",\n\x01,"x\n\x01",""\n'
        assert read(content)[1] == [["\x01", "", None], ["\x01", "x\n\x01", ""]]

    def test_nulls_need_no_quotes_around(self) -> None:
        assert read("a,b\n,\n1,\n,2\n")[1] == [[None, None], ["1", None], [None, "2"]]

    def test_quoted_fields_hold_delimiters_quotes_and_line_ends(self) -> None:
        content = 'a,b\n"x,y","say ""hi"""\n"one\ntwo\r\nthree\n","\n"\n"""",""""""\n'
        expected = [["x,y", 'say "hi"'], ["one\ntwo\r\nthree\n", "\n"], ['"', '""']]
        assert read(content)[1] == expected

    def test_quote_inside_an_unquoted_field_is_text(self) -> None:
        content = 'part,size\n5" pipe,3\npipe 6",""\na"b"c,"x"\n7" x,8" y\n'
        assert read(content)[1] == [['5" pipe', "3"], ['pipe 6"', ""], ['a"b"c', "x"], ['7" x', '8" y']]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", ["", "\n", "\r\n", "\n\n\n"])
    def test_line_ends_of_both_kinds_and_a_missing_last_one_are_read(self, end: str, last: str) -> None:
        for content in ("a,b\n1,2\n3,", 'a,b\n"1",2\n3,'):
            assert read(content.replace("\n", end) + last) == (("a", "b"), [["1", "2"], ["3", None]])

    def test_blank_lines_are_passed_over_and_counted(self) -> None:
        for content in ("\na,b\n\n1,2\n\r\n\n3,4\n\n", '\na,b\n\n"1",2\n\r\n\n"3",4\n\n'):
            assert read(content) == (("a", "b"), [["1", "2"], ["3", "4"]])
            assert lines_of(content) == [4, 7]

    def test_byte_order_mark_is_taken_off_once(self) -> None:
        assert read(b"\xef\xbb\xbfa,b\n1,2\n")[0] == ("a", "b")
        assert read(b'\xef\xbb\xbf"a",b\n1,2\n')[0] == ("a", "b")
        assert read(b'\xef\xbb\xbf"\xef\xbb\xbfa"\n\xef\xbb\xbf1\n') == (("\ufeffa",), [["\ufeff1"]])

    def test_only_line_feeds_end_lines(self) -> None:
        odd = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x00"
        assert read(f'a,b\n{odd},"{odd}"\n') == (("a", "b"), [[odd, odd]])
        assert read(f"a,b\n{odd},1\n") == (("a", "b"), [[odd, "1"]])

    def test_characters_of_several_bytes_may_span_blocks(self) -> None:
        text = "é€👩‍👩‍👧e\u0301"
        assert read(f'{text},b\n{text},"{text}"\n') == ((text, "b"), [[text, text]])

    def test_other_delimiters(self) -> None:
        assert read('a\tb\n1,5\t"x\ty"\n\t""\n', "\t") == (("a", "b"), [["1,5", "x\ty"], [None, ""]])

    def test_header_alone_is_a_file_of_no_records(self) -> None:
        assert read("a,b\n") == read("a,b") == read('"a",b\r\n') == (("a", "b"), [])

    def test_empty_file_has_no_columns(self) -> None:
        assert read(b"") == read(b"\n\n") == read(b"\xef\xbb\xbf") == ((), [])

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_blank_line_of_a_file_of_one_column_is_a_null(self, end: str) -> None:
        # So polars, duckdb and pyarrow write it.
        assert read('a\n1\n\n""\n\n'.replace("\n", end)) == (("a",), [["1"], [None], [""], [None]])
        assert read("\na\n\n\n2".replace("\n", end)) == (("a",), [[None], [None], ["2"]])
        assert lines_of("\na\n\n\n2") == [3, 4, 5]

    def test_names_of_columns_may_be_odd(self) -> None:
        assert read(' ,"a,b","x\ny"\n1,2,3\n') == ((" ", "a,b", "x\ny"), [["1", "2", "3"]])

    def test_place_of_a_record_is_its_first_line(self) -> None:
        assert lines_of('a,b\n"x\ny\nz",1\n2,3\n"p","q\n"\n4,5\n') == [2, 5, 6, 8]

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            ("a,b\n1,2\n3\n4,5\n", 3, "the header has 2 fields, the record 1"),
            ("a,b\n1,2\n3,4,5\n", 3, "the header has 2 fields, the record 3"),
            ('a,b\n"1\n",2\n\n3,"4",\n', 5, "the header has 2 fields, the record 3"),
            ("a,b\n1,2\n \n", 3, "the header has 2 fields, the record 1"),
            ('a,b\n1,2\n3,"4\n5,6\n', 3, "a quoted field never closes"),
            ('a,b\n1,2\n3,"4""\n', 3, "a quoted field never closes"),
            ('a,b\n1,2\n"', 3, "a quoted field never closes"),
            ('a,b\n"x\ny",2\n3,"', 4, "a quoted field never closes"),
            ('a,b\n"x\ny","2\n3,4', 3, "a quoted field never closes"),
            ('a,b\n1,2\n"3"x,4\n', 3, "text stands after the closing quote of a field"),
            ('a,b\n1,2\n"3" ,4\n', 3, "text stands after the closing quote of a field"),
            ('a,b\n"1\n2"x,2\n', 3, "text stands after the closing quote of a field"),
            ('a,b\n1,2\n"3""4"5,4\n', 3, "text stands after the closing quote of a field"),
            ("a,b\n1,2\r3,4\r", 2, "a carriage return stands alone"),
            ("a,b\r1,2\r3,4\r", 1, "a carriage return stands alone"),
            ('a,b\n"1",2\n3\r,"4"\n', 3, "a carriage return stands alone"),
            ('a,b\n"1",2\r\r\n', 2, "a carriage return stands alone"),
            ("a,b\n1,2\r\r\n", 2, "a carriage return stands alone"),
            ("a,b,a\n1,2,3\n", 1, "the header names the column 'a' twice"),
            ("\n\na,,b,\n1,2,3,4\n", 3, "column 2 has no name"),
            ("\na;b\n1;2\n", 2, "the header is one column, 'a;b', and holds ';'"),
            ("a\tb\r\n1\t2\r\n", 1, "the header is one column, 'a\\tb', and holds"),
            ('a|"b"\n1|2\n', 1, "the header is one column, 'a|\"b\"', and holds"),
            ('"a";"b"\n1;2\n', 1, "text stands after the closing quote of a field"),
        ],
    )
    def test_malformed_record_is_refused_with_its_file_and_line(self, content: str, line: int, said: str) -> None:
        with pytest.raises(RecordError) as refused:
            read(content)
        assert said in str(refused.value)
        assert (refused.value.table, refused.value.file, refused.value.line) == ("t", "x.csv", line)
        assert str(refused.value).startswith(f"table 't', x.csv, line {line}: ")

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b"a,b\n1,2\n\xe9,4\n", 3),
            (b'a,b\n"1\n",2\n"\xe9",4\n', 4),
            (b"a\n1\n\xc3", 3),
            (b"a\n\xed\xa0\x80\n", 2),
        ],
    )
    def test_byte_that_is_no_utf8_is_refused_with_its_file_and_line(self, content: bytes, line: int) -> None:
        with pytest.raises(RecordError, match=f"x.csv, line {line}: byte 0x.. is not UTF-8"):
            read(content)


def files_of_other_formats() -> dict[str, bytes]:
    table, parquet, no_rows = pa.table({"a": [1]}), io.BytesIO(), io.BytesIO()
    pq.write_table(table, parquet)
    pq.write_table(table.slice(1), no_rows)
    files = {"bzip2": bz2.compress(b"a\n1\n"), "xz": lzma.compress(b"a\n1\n")}
    for names, title in (["a.csv"], "a ZIP archive"), ([], "an empty ZIP archive"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            for name in names:
                opened.writestr(name, "a\n1\n")
        files[title] = archive.getvalue()
    for make, title in (pa.ipc.new_file, "Arrow IPC"), (pa.ipc.new_stream, "an Arrow IPC stream"):
        sink = pa.BufferOutputStream()
        with make(sink, table.schema) as writer:
            writer.write_table(table)
        files[title] = sink.getvalue().to_pybytes()
    return {**files, "Parquet": parquet.getvalue(), "Parquet without records": no_rows.getvalue()}


OTHER_FORMATS = files_of_other_formats()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_a_file_of_another_format_is_called_what_it_is(name: str, encoding: str) -> None:
    title = name.removesuffix(" without records")
    stream = in_utf8(io.BytesIO(OTHER_FORMATS[name]), encoding)
    with pytest.raises(
        RecordError, match=rf"line 1: the file is no text but (compressed with )?{title}.*by its format"
    ):
        CsvFile(stream, ",", SourceFile("t", "x.csv", encoding=encoding)).header()


@pytest.mark.parametrize("name", ["PAR1", "PARENT", "BZh9", "PK", "ORC", "Obj", "ARROW1", "SQLite format 3"])
def test_text_may_begin_with_letters_by_which_other_formats_begin(name: str) -> None:
    assert read(f"{name},b\n1,2\n") == ((name, "b"), [["1", "2"]])


@pytest.mark.parametrize("columns", [None, ("a", "b")], ids=["parsed", "passed"])
def test_record_without_bounds_is_refused_with_the_line_of_its_opening_quote(
    monkeypatch: pytest.MonkeyPatch, columns: tuple[str, ...] | None
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 16)
    monkeypatch.setattr(text_lines, "MAX_RECORD_BYTES", 200)
    long = "x\n" * 40
    assert read(f'a,b\n1,"{long}"\n')[1] == [["1", long]]
    endless = f'a,b\n"1\n2","{long * 10}'
    with pytest.raises(RecordError, match=r"x.csv, line 3: a quoted field does not close within 200 bytes\. Close it"):
        list(CsvFile(io.BytesIO(endless.encode()), ",", SourceFile("t", "x.csv")).chunks(columns))
    with pytest.raises(RecordError, match=r"x.csv, line 4: the record is longer than 200 bytes\. Stage shorter"):
        list(CsvFile(io.BytesIO(b"a,b\n1,2\n3,4\n" + b"5" * 600), ",", SourceFile("t", "x.csv")).chunks(columns))


# No NUL, which the standard library does not read before Python 3.11.
FIELD = st.text(st.sampled_from('ab,;"\n\té😀 '), max_size=5)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=6)
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    TABLES,
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", "\t", ";"]),
    st.sampled_from(BLOCKS),
)
def test_what_the_standard_library_writes_is_read_as_it_reads_it(
    rows: list[list[str]], quoting: Any, end: str, delimiter: str, block: int
) -> None:
    header = [f"c{number}" for number in range(len(rows[0]))]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator=end, delimiter=delimiter).writerows([header, *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        names, read_rows = read(out.getvalue(), delimiter)
    assert names == tuple(header)
    theirs = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter, strict=True))[1:]
    assert [[value or "" for value in row] for row in read_rows] == theirs == rows


@settings(derandomize=True, max_examples=400, deadline=None)
@given(st.text(st.sampled_from('ab,"\n'), max_size=24), st.sampled_from(BLOCKS))
def test_any_text_is_read_as_the_standard_library_does_or_refused(text: str, block: int) -> None:
    content = "a,b\n" + text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        try:
            ours = read(content)[1]
        except RecordError:
            ours = None
    try:
        rows = list(csv.reader(io.StringIO(content, newline=""), strict=True))[1:]
    except csv.Error:
        assert ours is None, "what is malformed must be refused"
        return
    theirs = [row for row in rows if row]  # a blank line is no record where there are two columns
    if ours is None:
        assert any(len(row) != 2 for row in theirs)
    else:
        assert [[value or "" for value in row] for row in ours] == theirs


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(FIELD | st.none(), FIELD | st.none()), max_size=5), st.sampled_from(BLOCKS))
def test_nulls_and_empty_texts_are_told_apart_in_any_company(rows: list[tuple[Any, Any]], block: int) -> None:
    def spelled(value: str | None) -> str:
        return "" if value is None else '"' + value.replace('"', '""') + '"'

    content = "a,b\n" + "".join(f"{spelled(a)},{spelled(b)}\n" for a, b in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        assert read(content)[1] == [list(row) for row in rows] == fields_with_nulls(content)[1:]


ODD_FIELD = st.sampled_from(
    [
        "",
        "",
        "x",
        "a,b",
        'q"q',
        '""',
        '"',
        ",",
        "\n",
        "\r\n",
        "\\",
        "\x00",
        "\t",
        " ",
        '5" pipe',
        "\ufeff",
        "\u2028",
        "é😀",
    ]
)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.lists(st.lists(st.tuples(ODD_FIELD | st.none(), st.booleans()), min_size=2, max_size=2), min_size=1, max_size=8),
    st.sampled_from(["", "", "", ",", '"', "\n", '"\n', ',"",']),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(BLOCKS),
)
def test_records_read_at_once_are_those_read_one_by_one(
    rows: list[list[tuple[str | None, bool]]], fault: str, end: str, block: int
) -> None:
    def spelled(text: str | None, quoted: bool) -> str:
        if text is None:
            return ""
        return '"' + text.replace('"', '""') + '"' if quoted or not text or {*text} & {*',"\r\n'} else text

    lines = [",".join(spelled(*field) for field in row) for row in rows]
    lines[len(lines) // 2] += fault

    def outcome(first: str, block: int) -> tuple[Any, ...]:
        content = end.join(["a,b", first, *lines])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_lines, "BLOCK_BYTES", block)
            try:
                return read(content)[1][1:], lines_of(content)
            except RecordError as error:
                return "refused", error.line, str(error)

    # A block that holds this character is read one by one.
    at_once, one_by_one = outcome('"x",y', block), outcome('"\x01",y', 2**20)
    # At once, a record with too many fields is refused before one behind it that is malformed.
    is_earlier = at_once[0] == one_by_one[0] == "refused" and at_once[1] < one_by_one[1]
    assert at_once == one_by_one or is_earlier


def test_file_of_one_column_may_hold_other_delimiters_where_it_is_told_to() -> None:
    for content in ("a\n1;2\n", '"a;b"\n1;2\n', "a,b;c\n1,2\n"):
        assert CsvFile(io.BytesIO(content.encode()), ",", FILE).header()
    offered = re.escape('staging_format={"delimiter": ";"}') + ".*" + re.escape("columns=['a;b']")
    with pytest.raises(RecordError, match=offered) as refused:
        CsvFile(io.BytesIO(b"a;b\n1;2\n"), ",", FILE, columns=("a", "b")).header()
    assert "delimited by ';', and is read as delimited by ','" in str(refused.value)
    assert CsvFile(io.BytesIO(b"a;b\n1;2\n"), ",", FILE, columns=("a;b", "c")).header() == ("a;b",)
    with pytest.raises(RecordError, match="'a,b', and holds ','"):
        read("a,b\n1,2\n", "\t")
