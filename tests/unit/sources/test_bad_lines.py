"""Bad records of staged files are set aside as they stand there, and the good ones are read as without them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.records.chunks import TextDialect
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from tests.unit.records.test_bad_records import Aside, content_of, sift
from tests.unit.tables import put

FORMATS = pytest.mark.parametrize("format_", ["csv", "json", "parquet"])


def load(
    paths: Path | Sequence[Path],
    *,
    columns: Sequence[str] = (),
    schema: Mapping[str, str] | None = None,
    passes: bool = True,
    format_: str = "json",
) -> tuple[Any, Aside]:
    """Encode what is good of staged files; ``passes``: let through what may."""
    aside = Aside()
    (files,) = staged_tables(paths, "t", lambda scheme: LocalFiles()).values()
    target = TextDialect(format_) if passes and format_ != "parquet" and schema is None else None
    table = open_staged("t", files, tuple(columns or schema or ()) or None, target, aside)
    return content_of(table, format_, schema)[0], aside


def bad_line(path: Path, **how: Any) -> dict[str, Any]:
    """Load a file and give its only bad record."""
    (line,) = load(path, **how)[1].lines
    return line


BAD_CSV = [
    (b"1", "the header has 2 fields, the record 1"),
    (b"1,2,3", "the header has 2 fields, the record 3"),
    (b'"1"x,2', "text stands after the closing quote"),
    (b'1,"a "b" c"', "text stands after the closing quote"),
    (b'"a\nb"x,"y\nz"', "text stands after the closing quote"),
    (b"a\rb,2", "a carriage return stands alone"),
    (b'a\rb,"c"', "a carriage return stands alone"),
    (b"1,\xff", "byte 0xff is not UTF-8"),
    (b'"1",\xe9t\xe9', "byte 0xe9 is not UTF-8"),
]
BAD_JSON = [
    (b'{"a":1,"b":', "is no JSON object"),
    (b"[1]", "is no JSON object"),
    (b"5", "is no JSON object"),
    (b'{"a":NaN}', "JSON has no NaN"),
    (b'{"a":1,"a":2}', "has the key 'a' twice"),
    (b'{"a":"\xff"}', "byte 0xff is not UTF-8"),
    (b'{"a":' + b"[" * 100_000, "nested too deeply"),
]


class TestOfCsv:
    @FORMATS
    @pytest.mark.parametrize("around", ["plain", "quoted", "accented"])
    @pytest.mark.parametrize(("bad", "reason"), BAD_CSV)
    def test_is_set_aside_wherever_it_stands(
        self, tmp_path: Path, format_: str, around: str, bad: bytes, reason: str
    ) -> None:
        value = {"plain": "x", "quoted": '"x,\n""y"""', "accented": "é"}[around]
        good = [f"{number},{value}".encode() for number in range(20)]
        alone = load(put(tmp_path / "good.csv", b"\n".join([b"a,b", *good])), format_=format_)[0]
        for position in (0, 7, 20):
            lines = [b"a,b", *good[:position], bad, *good[position:]]
            path = put(tmp_path / "x.csv", b"\n".join(lines) + b"\n")
            content, aside = load(path, format_=format_)
            assert content == alone
            (line,) = aside.lines
            if line.get("encoding") == "base64":
                assert b64decode(line["record"]) == bad
            else:
                assert line["record"] == bad.decode()
            assert line["file"] == str(path)
            assert reason in line["error"]
            first = 2 + sum(one.count(b"\n") + 1 for one in good[:position])
            assert first <= line["line"] <= first + bad.count(b"\n")

    def test_the_text_of_a_value_that_a_schema_does_not_hold(self, tmp_path: Path) -> None:
        for text in (b'a,b\n1,"x, y"\n"two",z\n3,\n', b"a,b\n1,x\ntwo,z\n3,\n", b"a,b\r\n1,x\r\ntwo,z\r\n3,\r\n"):
            path = put(tmp_path / "x.csv", text)
            line = bad_line(path, schema={"a": "int64"}, format_="csv")
            assert (line["line"], line["column"]) == (3, "a")
            assert line["record"] == ('"two",z' if b'"' in text else "two,z")
            assert load(path, schema={"a": "int64"}, format_="csv")[0] == b"a\n1\n3\n"

    def test_of_one_column_with_its_blank_lines(self, tmp_path: Path) -> None:
        content, aside = load(put(tmp_path / "x.csv", b'a\n1\n\n2,3\n""\n'), format_="csv")
        assert (content, aside.records) == (b'a\n1\n""\n""\n', ["2,3"])

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (b'a,b\n1,2\n3,"x\n4,5\n', "a quoted field never closes"),
            (b"a,a\n1,2\n", "names the column 'a' twice"),
            (b"a,\xff\n1,2\n", "byte 0xff is not UTF-8"),
            (b'"a",\xff\n1,2\n', "byte 0xff is not UTF-8"),
            (b'a,b\n1,"x"y,"z', "a quoted field never closes"),
            (b'\n"a"x,b\n1,2\n', "text stands after the closing quote"),
            (b"\na\rx,b\n1,2\n", "a carriage return stands alone"),
        ],
    )
    def test_what_is_wrong_with_the_file_still_ends_the_load(self, tmp_path: Path, text: bytes, problem: str) -> None:
        for format_ in ("csv", "json"):
            with pytest.raises(RecordError, match=problem):
                load(put(tmp_path / "x.csv", text), format_=format_)


class TestOfJson:
    @FORMATS
    @pytest.mark.parametrize(("bad", "reason"), BAD_JSON, ids=lambda value: str(value)[:20])
    def test_a_line_is_set_aside_wherever_it_stands(
        self, tmp_path: Path, format_: str, bad: bytes, reason: str
    ) -> None:
        good = [f'{{"a":{number},"b":"é"}}'.encode() for number in range(20)]
        alone = load(put(tmp_path / "good.ndjson", b"\n".join(good)), format_=format_)[0]
        for position in (0, 7, 20):
            path = put(tmp_path / "x.ndjson", b"\n".join([*good[:position], bad, b"", *good[position:]]))
            content, aside = load(path, format_=format_)
            assert content == alone
            (line,) = aside.lines
            record = b64decode(line["record"]) if "encoding" in line else line["record"].encode()
            assert (record, line["line"], line["file"]) == (bad, position + 1, str(path))
            assert reason in line["error"]

    def test_late_columns(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_s3dest.sources.columns.STREAM_WINDOW", 10)
        monkeypatch.setattr("airflow_provider_s3dest.sources.text_lines.BLOCK_BYTES", 64)
        good = [b'{"a": %d}' % number for number in range(100)]
        path = put(tmp_path / "x.ndjson", b"\n".join([*good[:50], b'{"a": 1, "late": 1.10}', *good[50:]]))
        content, aside = load(path)
        assert content == b"".join(line.replace(b" ", b"") + b"\n" for line in good)
        assert (aside.lines[0]["line"], aside.records) == (51, ['{"a": 1, "late": 1.10}'])

    @FORMATS
    @pytest.mark.parametrize(
        ("bad", "reason"), [BAD_JSON[0][:1] * 2, *BAD_JSON[3:6]], ids=lambda value: str(value)[:20]
    )
    def test_an_element_of_an_array(self, tmp_path: Path, format_: str, bad: bytes, reason: str) -> None:
        if bad == BAD_JSON[0][0]:
            bad, reason = b'{"a":tru}', "is no JSON object"
        good = [f'{{"a":{number},\n"b":"é"}}'.encode() for number in range(20)]
        alone = load(put(tmp_path / "good.json", b"[" + b",\n".join(good) + b"]"), format_=format_)[0]
        for position in (0, 7, 20):
            path = put(tmp_path / "x.json", b"[" + b",\n".join([*good[:position], bad, *good[position:]]) + b"]")
            content, aside = load(path, format_=format_)
            assert content == alone
            (line,) = aside.lines
            record = b64decode(line["record"]) if "encoding" in line else line["record"].encode()
            assert (record, line["line"]) == (bad, 2 * position + 1)
            assert reason in line["error"]

    def test_the_text_of_a_value_that_a_schema_does_not_hold(self, tmp_path: Path) -> None:
        for name, text in (
            ("x.ndjson", b'{"a": 1}\n{"a": 1.50,  "b": 2}\n'),
            ("x.json", b'[{"a": 1},\n{"a": 1.50,  "b": 2}]'),
        ):
            line = bad_line(put(tmp_path / name, text), schema={"a": "int64"})
            assert (line["record"], line["line"], line["column"]) == ('{"a": 1.50,  "b": 2}', 2, "a")

    @pytest.mark.parametrize("text", [b'[{"a":1}', b'[{"a":1} {"a":2}]', b'[{"a":1}]x'])
    def test_an_array_that_is_none_still_ends_the_load(self, tmp_path: Path, text: bytes) -> None:
        with pytest.raises(RecordError, match="array"):
            load(put(tmp_path / "x.json", text))


def test_has_no_line_end_and_whatever_name_the_file_has(tmp_path: Path) -> None:
    path = put(tmp_path / "a\udcff.json", b'{"a":1}\r\n{"a":\r\n{"a":2}\r\n')
    line = bad_line(path)
    assert (line["file"], line["line"], line["record"]) == (ascii(str(path)), 2, '{"a":')


def test_of_typed_files_tells_row_and_values(tmp_path: Path) -> None:
    table = pa.table({"a": ["1", "x", "3"], "b": [b"\x00", None, b"\x01"]})
    pq.write_table(table, tmp_path / "x.parquet")
    line = bad_line(tmp_path / "x.parquet", schema={"a": "int64"})
    assert (line["row"], line["column"], line["record"]["a"]) == (2, "a", "x")
    assert load(tmp_path / "x.parquet", schema={"a": "int64"})[0] == b'{"a":1}\n{"a":3}\n'


def test_whole_files_of_bad_records_take_no_memory_and_no_stack(tmp_path: Path) -> None:
    content, aside = load(put(tmp_path / "x.ndjson", b"{\n" * 200_000))
    assert (content, len(aside.lines)) == (b"", 200_000)


class TestOfAnything:
    """Random records, good and bad, in every form: what is written is what the good ones alone give."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=60), st.sampled_from(["csv", "json", "parquet"])
    )
    def test_of_python(self, marks: list[tuple[bool, int]], format_: str) -> None:
        faults: list[Any] = [{"n": object()}, "text", {1: 2}, {"n": "\ud83d"}, None, {"n": 1, "odd": {3j}}]
        records = [{"n": value, "s": "é"} if good else faults[value % len(faults)] for good, value in marks]
        alone = [record for record, (good, _) in zip(records, marks, strict=True) if good]
        indexes = [index for index, (good, _) in enumerate(marks) if not good]
        for as_input in (list, iter):
            content, aside = sift(as_input(records), format_=format_)
            assert content == sift(as_input(alone), format_=format_)[0]
            assert sorted(line["index"] for line in aside.lines) == indexes

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=60),
        st.sampled_from(["csv", "ndjson", "json"]),
        st.sampled_from(["csv", "json", "parquet"]),
        st.booleans(),
    )
    def test_of_staged_text(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        marks: list[tuple[bool, int]],
        source: str,
        format_: str,
        passes: bool,
    ) -> None:
        folder = tmp_path_factory.mktemp("staged")
        goods = {
            "csv": ["%d,x", '%d,"x\n""y"', "%d,", "%d,é"],
            "ndjson": ['{"a":%d,"b":"x"}', '{"a":%d,"b":"é"}', '{"a":%d,"b":null}'],
            "json": ['{"a":%d,\n"b":"x"}', '{"a":%d,"b":null}'],
        }[source]
        bads = {
            "csv": [bad for bad, _ in BAD_CSV],
            "ndjson": [bad for bad, _ in BAD_JSON[:6]],
            "json": [bad for bad, _ in BAD_JSON[3:6]],
        }[source]

        def text_of(marks: Sequence[tuple[bool, int]]) -> bytes:
            texts = [
                (goods[value % len(goods)] % value).encode() if good else bads[value % len(bads)]
                for good, value in marks
            ]
            if source == "json":
                return b"[" + b",\n".join(texts) + b"]"
            return b"\n".join([b"a,b", *texts, b""]) if source == "csv" else b"\n".join([*texts, b""])

        def read(marks: Sequence[tuple[bool, int]]) -> tuple[Any, Aside]:
            return load(put(folder / f"x.{source}", text_of(marks)), format_=format_, passes=passes)

        content, aside = read(marks)
        alone, none = read([mark for mark in marks if mark[0]])
        assert content == alone
        assert none.lines == []
        told = [b64decode(line["record"]) if "encoding" in line else line["record"].encode() for line in aside.lines]
        assert sorted(told) == sorted(bads[value % len(bads)] for good, value in marks if not good)
        assert json.dumps(aside.lines)
