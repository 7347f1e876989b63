"""Staged text that the target wants as it is passes through byte for byte; all else is read record by record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.encoders import text_encoder_for
from airflow_provider_s3dest.formats.encoding import encoded_passthrough
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.passthrough import csv_records, json_lines
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.sources.text_lines import BLOCK_BYTES
from airflow_provider_s3dest.spec import DestinationSpec

CSV = DestinationSpec(bucket="b", path="{{UUID}}", format="csv")
JSON = DestinationSpec(bucket="b", path="{{UUID}}", format="json")


def delivered(path: Path, spec: DestinationSpec, *, passing: bool = True) -> tuple[bytes, int]:
    """Give what a load writes of a staged file without its header, and how many records of it passed through."""
    files = staged_tables(path, "t", lambda _: LocalFiles())["t"]
    table = open_staged("t", files, None, passing_for(spec) if passing else None)
    encoder = text_encoder_for(spec, "t", table.columns)
    data, passed = b"", 0
    for chunk in table.chunks:
        encoded = encoded_passthrough(chunk) if isinstance(chunk, PassthroughChunk) else encoder.encode(chunk)
        assert sum(encoded.sizes()) == len(encoded.data)
        assert len(list(encoded.sizes())) == encoded.records
        passed += len(chunk) if isinstance(chunk, PassthroughChunk) else 0
        data += encoded.data
    return data, passed


def staged(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class TestCsv:
    BODY = b'1,"a ""quoted"" text\nover two lines",\n2,,""\n3,"",x\n'

    def test_passes_with_quotes_line_ends_and_nulls_in_it(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.csv", b"id,text,note\n" + self.BODY)
        assert delivered(path, CSV) == (self.BODY, 3)

    def test_gets_the_line_end_that_its_last_record_lacks(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.csv", b"id,text\n1,a\n2,b")
        assert delivered(path, CSV) == (b"1,a\n2,b\n", 2)

    def test_keeps_quotes_that_it_needs_not(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.csv", b'id,text\n"1","a"\n')
        assert delivered(path, CSV) == (b'"1","a"\n', 1)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b"id,text\r\n1,a\r\n", b"1,a\n"),
            (b"id,text\n1,a\n\n2,b\n", b"1,a\n2,b\n"),
            (b'id,text\n1,5" pipe\n', b'1,"5"" pipe"\n'),
            (b'id,text\n1,"a\rb"\n', b'1,"a\rb"\n'),
            (b'id,text\n1,\x01"a"\n', b'1,"\x01""a"""\n'),
            (b'id,text\n1,"\x01"\n', b"1,\x01\n"),
            (b"id,text\n1,\xef\xbb\xbfa\n", b'1,"\xef\xbb\xbfa"\n'),
            (b"id\n1\n\n2\n", b'1\n""\n2\n'),
        ],
    )
    def test_is_read_where_the_target_would_have_it_otherwise(
        self, tmp_path: Path, content: bytes, expected: bytes
    ) -> None:
        assert delivered(staged(tmp_path / "a.csv", content), CSV) == (expected, 0)

    def test_is_read_for_another_delimiter_or_format(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.csv", b"id,text\n1,a\n")
        other = DestinationSpec(bucket="b", path="{{UUID}}", format="csv", format_spec={"delimiter": ";"})
        assert delivered(path, other) == (b"1;a\n", 0)
        assert delivered(path, JSON) == (b'{"id":"1","text":"a"}\n', 0)

    def test_is_read_where_files_of_a_table_have_other_columns(self, tmp_path: Path) -> None:
        staged(tmp_path / "a.csv", b"id,text\n1,a\n")
        staged(tmp_path / "b.csv", b"text,id\nb,2\n")
        assert delivered(tmp_path, CSV) == (b"1,a\n2,b\n", 1)

    @pytest.mark.parametrize(
        "body",
        [
            b"1,a\n2\n",
            b"1,a\n2,b,c\n",
            b'1,"a\n',
            b'1,"a"b\n',
            b"1,a\rb\n",
            b'1,"a" \n2,"b"\n',
            b"1,\xff\n",
        ],
    )
    def test_that_is_malformed_is_refused_as_it_is_when_read(self, tmp_path: Path, body: bytes) -> None:
        path = staged(tmp_path / "a.csv", b"id,text\n0,x\n" + body)
        with pytest.raises(RecordError) as read:
            delivered(path, CSV, passing=False)
        with pytest.raises(RecordError) as passed:
            delivered(path, CSV)
        assert str(passed.value) == str(read.value)

    def test_of_records_over_the_ends_of_blocks_is_whole(self, tmp_path: Path) -> None:
        fields = ["plain", '"line\nbreak"', '"with ""quotes"""', '"' + "long\n" * 5000 + '"']
        body = "".join(f"{n},{fields[n % 4]}\n" for n in range(700)).encode()
        assert len(body) > 4 * BLOCK_BYTES
        assert delivered(staged(tmp_path / "a.csv", b"id,text\n" + body), CSV) == (body, 700)

    def test_tells_the_line_of_a_fault_behind_blocks_that_passed(self, tmp_path: Path) -> None:
        body = b'1,"two\nlines"\n' * (3 * BLOCK_BYTES // 14) + b"ragged\n"
        with pytest.raises(RecordError) as refused:
            delivered(staged(tmp_path / "a.csv", b"id,text\n" + body), CSV)
        assert refused.value.line == 2 + body.count(b"\n") - 1

    @given(
        st.lists(st.lists(st.text(' a,"\n\r;', max_size=4), min_size=2, max_size=2), min_size=1, max_size=4),
        st.booleans(),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def test_of_any_text_passes_only_if_it_reads_as_what_it_was(
        self, tmp_path: Path, records: list[list[str]], quoting: bool
    ) -> None:
        def field(text: str) -> str:
            return '"' + text.replace('"', '""') + '"' if quoting or set(text) & set(',"\n\r') or not text else text

        content = "id,text\n" + "".join(f"{field(a)},{field(b)}\n" for a, b in records)
        path = staged(tmp_path / "a.csv", content.encode())
        again = staged(tmp_path / "b.csv", b"id,text\n" + delivered(path, CSV)[0])
        assert delivered(again, JSON)[0] == delivered(path, JSON)[0]

    @given(st.text('a,"\n', max_size=12))
    def test_that_passes_has_as_many_fields_in_each_record(self, text: str) -> None:
        found = csv_records(text.encode(), b",", 2)
        if found and found[0].records:
            data = found[0].data.decode()
            assert data + found[1].decode() in (text, text + "\n")
            sizes = list(found[0].sizes())
            begins = [sum(sizes[:n]) for n in range(len(sizes))]
            for begin, size in zip(begins, sizes, strict=True):
                assert len(_fields(data.encode()[begin : begin + size].decode())) == 2


def _fields(record: str) -> list[str]:
    """Cut one record at the delimiters that are in no quotes."""
    fields, quoted = [""], False
    for character in record.removesuffix("\n"):
        quoted ^= character == '"'
        if character == "," and not quoted:
            fields.append("")
        else:
            assert quoted or character != "\n"
            fields[-1] += character
    assert not quoted
    return fields


class TestJson:
    LINES = b'{"id":1.10,"text":":\\u00e9","in":{"id": [1, {}]}}\n{"id":2,"text":null,"in":"{"}\n'

    def test_passes_with_its_spelling(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.ndjson", self.LINES)
        assert delivered(path, JSON) == (self.LINES, 2)

    @pytest.mark.parametrize(
        "lines",
        [
            b'{"id": 1.10, "text": ":\\u00e9", "in": {"id": [1, {}]}}\n{"id": 2, "text": null, "in": "{"}\n',
            b'{"in":{"id": [1, {}]},"id":1.10,"text":":\\u00e9"}\n{"text":null,"id":2,"in":"{"}\n',
        ],
    )
    def test_has_its_columns_in_order_and_no_blanks_between_while_values_keep_their_spelling(
        self, tmp_path: Path, lines: bytes
    ) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"id":0,"text":"","in":0}\n' + lines)
        assert delivered(path, JSON) == (b'{"id":0,"text":"","in":0}\n' + self.LINES, 3)

    def test_in_which_two_lines_make_up_for_each_other_is_no_pass(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"a":1,"b":2}\n{"a":1}\n{"a":1,"b":2,"c":3}\n')
        expected = b'{"a":1,"b":2,"c":null}\n{"a":1,"b":null,"c":null}\n{"a":1,"b":2,"c":3}\n'
        assert delivered(path, JSON) == (expected, 0)

    @pytest.mark.parametrize("line", [b'{"a":1,"b":2,"a":3}', b'{"a":1,"a":3,"b" :2}', b'{"b":1,"a":{"b":1},"a":2}'])
    def test_with_a_key_twice_is_refused(self, tmp_path: Path, line: bytes) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"a":1,"b":2}\n' * BLOCK_BYTES + line + b"\n")
        with pytest.raises(RecordError, match="has the key 'a' twice"):
            delivered(path, JSON)

    @pytest.mark.parametrize("name", ['"', "\\", "\n", "\x00", "\x7f", "\u2028", ""])
    def test_of_any_name_of_a_column_is_written_whole(self, tmp_path: Path, name: str) -> None:
        lines = (json.dumps({name: 1}, separators=(",", ":"), ensure_ascii=False) + "\n").encode() * 3
        assert delivered(staged(tmp_path / "a.ndjson", lines), JSON)[0] == lines

    @pytest.mark.parametrize("lines", [b'{"a":\n1}\n', b'{"a"\n:{}\n}\n'])
    def test_of_which_a_record_spans_lines_is_refused(self, tmp_path: Path, lines: bytes) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"a":1}\n' * BLOCK_BYTES + lines)
        with pytest.raises(RecordError, match=f"line {BLOCK_BYTES + 1:d}: is no JSON object"):
            delivered(path, JSON)

    def test_of_thousands_of_columns_is_written_whole(self, tmp_path: Path) -> None:
        line = json.dumps({f"c{n}": n for n in range(5_000)}, separators=(",", ":")).encode() + b"\n"
        assert delivered(staged(tmp_path / "a.ndjson", line * 3), JSON)[0] == line * 3

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (b'{"id":1,"text":"a"}\n{"id":2}\n', b'{"id":1,"text":"a"}\n{"id":2,"text":null}\n'),
            (b'{"id":1,"in":{"a":2}}\n', b'{"id":1,"in":{"a":2}}\n'),
            (b'\xef\xbb\xbf{"id":1}\n\n{"id":2}', b'{"id":1}\n{"id":2}\n'),
            (b'{"id":1}\r\n{"id":2}\r\n', b'{"id":1}\n{"id":2}\n'),
            (b' {"id":1}\n{"id":2} \n', b'{"id":1}\n{"id":2}\n'),
        ],
    )
    def test_is_read_where_the_target_would_have_it_otherwise(
        self, tmp_path: Path, content: bytes, expected: bytes
    ) -> None:
        assert delivered(staged(tmp_path / "a.ndjson", content), JSON)[0] == expected

    @pytest.mark.parametrize(
        "lines",
        [
            b'{"id":1}{"id":\n2}\n',
            b'{"id":1}{"id":1}\n\n',
            b'{"id":{"a":1}\n}{"id":2}\n',
            b'{"id":1,"id":2}\n',
            b'{"id":NaN}\n{"id":1}\n',
            b'{"id":01}\n',
            b'[{"id":1}]\n',
            b'{"id":"\xff"}\n',
            b'{"id":1\n',
        ],
    )
    def test_that_is_malformed_is_refused_as_it_is_when_read(self, tmp_path: Path, lines: bytes) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"id":0}\n' + lines)
        with pytest.raises(RecordError) as read:
            delivered(path, JSON, passing=False)
        with pytest.raises(RecordError) as passed:
            delivered(path, JSON)
        assert str(passed.value) == str(read.value)

    def test_of_a_column_that_turns_up_late_is_refused(self, tmp_path: Path) -> None:
        path = staged(tmp_path / "a.ndjson", b'{"id":1}\n' * (BLOCK_BYTES // 9 * 2) + b'{"id":1,"late":2}\n')
        with pytest.raises(RecordError, match=r"column 'late': a new column after the first 10,000 records"):
            delivered(path, JSON)

    @given(st.lists(st.dictionaries(st.sampled_from("ab"), st.text(' "{}:,\n', max_size=3), min_size=1), max_size=4))
    def test_passes_one_object_a_line(self, records: Iterable[dict[str, str]]) -> None:
        lines = "".join(json.dumps(record) + "\n" for record in records)
        passed = json_lines(lines.encode(), ("a", "b"))
        if passed is not None:
            assert all(len(record) == 2 for record in records)
            assert [json.loads(line) for line in passed.data.decode().splitlines()] == list(records)
