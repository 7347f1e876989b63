"""Staged JSON, by lines or as one array: values keep their spelling, what is malformed is named by its line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import tracemalloc
from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.json_file import begins_array, read_array, read_lines
from airflow_provider_s3dest.sources.source_file import SourceFile

FILE = SourceFile("t", "x.json")
BLOCKS = [1, 2, 3, 5, 64, 2**20]
SPELLINGS = [
    "1.10", "1e2", "1E+2", "-0", "-0.0", "18446744073709551621", "0.1000000000000000055511151231257827",
    "1e400", "12345678901234567890123456789.10", "true", "false", "null", '""', '"007"', '"a\\nb"', '"\\u00e9\\/"',
    '"2024-01-31"', '"{\\"a\\": [1]}"', '"\\\\"', "[]", "{}", '[1.10, {"x" :1}]', '{"deep": {"er": [1e2, null]}}',
    '"é😀"', '"\\ud83d\\ude00"',
]  # fmt: skip


@pytest.fixture(params=BLOCKS)
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read by blocks of so many bytes, so that records span them."""
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", request.param)
    return int(request.param)


def read(content: bytes | str, array: bool) -> list[tuple[int | None, dict[str, str]]]:
    """Read a file: of each record its line and the spelling of its values."""
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    chunks = read_array(stream, FILE) if array else (one.rows for one in read_lines(stream, FILE))
    return [
        (chunk.origins[position].line, {name: bytes(value).decode() for name, value in row.items()})
        for chunk in chunks
        for position, row in enumerate(chunk.rows)
    ]


def rewritten(content: str, array: bool, columns: tuple[str, ...]) -> str:
    """Read a file and write it as lines of JSON."""
    stream = io.BytesIO(content.encode())
    chunks = read_array(stream, FILE) if array else (one.rows for one in read_lines(stream, FILE))
    return b"".join(JsonEncoder("t", columns).encode(chunk).data for chunk in chunks).decode()


@pytest.mark.usefixtures("block_bytes")
class TestLines:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_value_keeps_its_spelling(self, spelling: str) -> None:
        content = f'{{"a":{spelling},"b": {spelling} }}\n'
        assert read(content, array=False) == [(1, {"a": spelling, "b": spelling})]
        assert rewritten(content, False, ("a", "b")) == f'{{"a":{spelling},"b":{spelling}}}\n'

    def test_blank_lines_are_passed_over_and_counted(self) -> None:
        content = '\n{"a":1}\r\n \t\r\n\n{"a":2}\n{"a":3}'
        assert read(content, array=False) == [(2, {"a": "1"}), (5, {"a": "2"}), (6, {"a": "3"})]

    def test_byte_order_mark_is_taken_off(self) -> None:
        assert read('\ufeff{"a":1}\n', array=False) == [(1, {"a": "1"})]

    def test_only_line_feeds_end_lines(self) -> None:
        assert read('{"a":"\u2028\x85"}\n', array=False) == [(1, {"a": '"\u2028\x85"'})]

    def test_carriage_return_between_tokens_does_not_end_up_in_a_line(self) -> None:
        content = '{"a":{"x":\r1},\r"b":["\\r",\r\r2]}\r\n'
        assert read(content, array=False) == [(1, {"a": '{"x": 1}', "b": '["\\r", 2]'})]
        assert rewritten(content, False, ("a", "b")) == '{"a":{"x": 1},"b":["\\r", 2]}\n'

    def test_empty_file_holds_no_records(self) -> None:
        assert read("", array=False) == read("\n\n", array=False) == read("\ufeff", array=False) == []

    def test_record_without_keys_is_a_record(self) -> None:
        assert read("{}\n{ }\n", array=False) == [(1, {}), (2, {})]

    def test_keys_are_unescaped(self) -> None:
        assert read('{"\\u00e9\\n\\"":1,"":2}\n', array=False) == [(1, {'é\n"': "1", "": "2"})]

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('{"a":1} {"a":2}', "no JSON object"),
            ('{"a":1},', "no JSON object"),
            ('{"a":1', "no JSON object"),
            ('{"a":1,}', "no JSON object"),
            ('{"a":01}', "no JSON object"),
            ('{"a":1.}', "no JSON object"),
            ('{"a":.5}', "no JSON object"),
            ('{"a":+1}', "no JSON object"),
            ('{"a":tru}', "no JSON object"),
            ('{"a":"\\q"}', "no JSON object"),
            ('{"a":"\\ud800"}', "no JSON object"),
            ('{"a":"x\ty"}', "no JSON object"),
            ("{'a':1}", "no JSON object"),
            ("{a:1}", "no JSON object"),
            ('{"a":[1,]}', "no JSON object"),
            ('{"a":{"b":1]}', "no JSON object"),
            ("[1]", "no JSON object"),
            ("1", "no JSON object"),
            ("null", "no JSON object"),
            ('"x"', "no JSON object"),
            ("a,b", "no JSON object"),
            ('\ufeff{"a":1}', "no JSON object"),
            ('{"a":NaN}', "JSON has no NaN or Infinity: write null"),
            ('{"a":[1, -Infinity]}', "JSON has no NaN or Infinity: write null"),
            ('{"a":1,"b":2,"a":3}', "the object has the key 'a' twice"),
            ('{"a" :1,"\\u0061"\t: 3}', "the object has the key 'a' twice"),
            ('{"a":{"b":1},"a":{"b":1}}', "the object has the key 'a' twice"),
            ('{"a\\":":1,"a\\":":2}', "the object has the key 'a\":' twice"),
        ],
    )
    def test_malformed_line_is_refused_with_its_file_and_line(self, line: str, said: str) -> None:
        with pytest.raises(RecordError) as refused:
            read(f'{{"a":1}}\n\n{{"b":2}}\n{line}\n{{"a":1}}\n', array=False)
        assert said in str(refused.value)
        assert (refused.value.table, refused.value.file, refused.value.line) == ("t", "x.json", 4)

    def test_keys_that_only_look_repeated_are_read(self) -> None:
        lines = [
            '{"a":"\\"a\\":1","b":{"a":1,"b":{"a":2}}}',
            '{"a" : "x : y", "b\\":": [{"b":1},{"b":1}]}',
            '{"a":"a"}',
        ]
        assert [list(row) for _, row in read("\n".join(lines), array=False)] == [["a", "b"], ["a", 'b":'], ["a"]]

    def test_byte_that_is_no_utf8_is_refused_with_its_line(self) -> None:
        with pytest.raises(RecordError, match=r"x.json, line 3: byte 0xe9 is not UTF-8"):
            read(b'{"a":1}\n\n{"a":"\xe9"}\n', array=False)


@pytest.mark.usefixtures("block_bytes")
class TestArrays:
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_value_keeps_its_spelling(self, spelling: str) -> None:
        content = f'[{{"a":{spelling}}},\n {{"a": {spelling} }} ]'
        assert read(content, array=True) == [(1, {"a": spelling}), (2, {"a": spelling})]

    def test_pretty_printed_record_ends_up_on_one_line(self) -> None:
        value = {"x": [1, {"y": "two  spaces ]}"}], "z": {}}
        for indent in (None, 1, 4, "\t"):
            content = json.dumps([{"a": value, "b": 1}, {"a": "x", "b": value}], indent=indent)
            for end in ("\n", "\r\n", "\r"):
                text = rewritten(content.replace("\n", end), True, ("a", "b"))
                assert [json.loads(line) for line in text.split("\n")[:-1]] == json.loads(content)
                assert "\r" not in text

    def test_place_of_an_element_is_the_line_on_which_it_begins(self) -> None:
        content = '\n[ {"a":\n1}\n\n,\n{"a":[\n2\n]},{"a":3}\n]\n'
        assert [line for line, _ in read(content, array=True)] == [2, 6, 8]

    def test_brackets_and_quotes_inside_strings_are_text(self) -> None:
        records = [{"a]}": '"[{', "b": "\\"}, {"a]}": '\\"}],', "b": '{"x": "[\\"]"}'}]
        read_back = read(json.dumps(records), array=True)
        assert [{name: json.loads(value) for name, value in row.items()} for _, row in read_back] == records

    def test_empty_arrays_hold_no_records(self) -> None:
        for content in ("[]", " [ \n ] \n", "\ufeff[]"):
            assert read(content, array=True) == []

    @pytest.mark.parametrize(
        ("content", "line", "said"),
        [
            ('[\n{"a":1},\n{"a":2}', 3, "cut off"),
            ('[\n{"a":1},\n', 2, "cut off"),
            ('[\n{"a":1},\n{"a":"x', 3, "cut off"),
            ('[\n{"a":1},\n{"a":"x\\', 3, "cut off"),
            ('[\n{"a":1},\n{"a', 3, "cut off"),
            ("[", 1, "cut off"),
            ('[\n{"a":1},\n]', 3, "a comma of the array has no element"),
            ('[\n{"a":1}\n{"a":2}]', 3, "a comma is missing between two elements"),
            ('[\n{"a":1},,{"a":2}]', 2, "a comma of the array has no element"),
            ('[,{"a":1}]', 1, "a comma of the array has no element"),
            ("[\n1\n]", 3, "an element of the array is no object: '1'"),
            ("[1, 2]", 1, "an element of the array is no object: '1, 2'"),
            ('[{"a":1},\n2,{"a":1}]', 2, "an element of the array is no object: '2'"),
            ("[\nnull]", 2, "an element of the array is no object: 'null'"),
            ('["x"]', 1, "an element of the array is no object"),
            ('[\n[{"a":1}]]', 2, "an element of the array is no object"),
            ('[{"a":1}}', 1, "an element of the array is no object"),
            ('[\n{"a":1}]\n[{"a":2}]', 3, "after the end of the array"),
            ('[{"a":1}]\n{"a":2}', 2, "after the end of the array"),
            ('[{"a":1}]]', 1, "after the end of the array"),
            ('[{"a":1}],', 1, "after the end of the array"),
            ('[{"a":1}] x', 1, "after the end of the array"),
            ('[{"a":1}]"', 1, "after the end of the array"),
            ('[\n{"a":[1}]}]', 2, "no JSON object"),
            ('[\n\n{"a":01}]', 3, "no JSON object"),
            ('[\n\n{"a":"x\ny"}]', 3, "no JSON object"),
            ('[{"a":1},\n{"a":NaN}]', 2, "JSON has no NaN or Infinity"),
            ('[{"a":1},\n{"a":1, "a":2}]', 2, "the object has the key 'a' twice"),
            ('[{"a":1},\n{"b":1,"a"\n:1, "a":2}]', 2, "the object has the key 'a' twice"),
        ],
    )
    def test_malformed_array_is_refused_with_its_file_and_line(self, content: str, line: int, said: str) -> None:
        with pytest.raises(RecordError) as refused:
            read(content, array=True)
        assert said in str(refused.value)
        assert (refused.value.table, refused.value.file, refused.value.line) == ("t", "x.json", line)

    def test_array_cut_off_at_any_byte_is_refused(self) -> None:
        content = '[{"a":"x\\"]","b":[1,{}]},\n{"a":null}]'
        for size in range(1, len(content)):
            with pytest.raises(RecordError):
                read(content[:size], array=True)

    def test_byte_that_is_no_utf8_is_refused_with_its_line(self) -> None:
        with pytest.raises(RecordError, match=r"x.json, line 2: byte 0xe9 is not UTF-8"):
            read(b'[{"a":1},\n{"a":"\xe9"}]', array=True)


@pytest.mark.parametrize("repeats", ["", '"b":":", '], ids=["plain", "looks as if a key were repeated"])
@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
def test_too_deeply_nested_record_is_refused_with_its_file_and_line(array: bool, repeats: str) -> None:
    def refusal(levels: int) -> RecordError | None:
        line = f'{{{repeats}"a":{"[" * levels}{"]" * levels}}}'
        try:
            read(f'[{{"a":1}},\n{line}]' if array else f'{{"a":1}}\n{line}\n', array)
        except RecordError as error:
            return error
        return None

    # How many levels are read depends on the version, on the calls that lead here and on sys.setrecursionlimit, and
    # beside the edge one of the readers still takes what another refuses.
    edge = bisect_left(range(100_000), True, key=lambda levels: refusal(levels) is not None)
    refused = [error for levels in range(edge - 10, edge + 10) if (error := refusal(levels))]

    assert 500 < edge < 100_000
    assert refused
    assert {(error.table, error.file, error.line) for error in refused} == {("t", "x.json", 2)}
    assert all("is nested too deeply: Python reads about 1,000 levels" in str(error) for error in refused)


def test_lines_with_a_carriage_return_between_tokens_are_not_let_through() -> None:
    (chunk,) = read_lines(io.BytesIO(b'{"a":{"x":\r1}}\n'), FILE)
    assert chunk.passed(("a",)) is None


def test_too_deeply_nested_lines_are_not_let_through() -> None:
    content = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    (chunk,) = read_lines(io.BytesIO(content), FILE)
    assert chunk.passed(("a",)) is None


@pytest.mark.parametrize(
    ("content", "array"),
    [(b"[]", True), (b" \r\n\t[", True), (b"\xef\xbb\xbf [", True), (b'{"a":[]}', False), (b"", False)],
)
def test_file_that_begins_with_a_bracket_is_an_array(content: bytes, array: bool) -> None:
    assert begins_array(content) is array


def test_memory_does_not_grow_with_an_array_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 2**16)
    content = json.dumps([{"id": number, "text": "x" * 1000} for number in range(8_000)]).encode()
    stream = io.BytesIO(content)
    tracemalloc.start()
    try:
        records = sum(len(chunk) for chunk in read_array(stream, FILE))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert records == 8_000
    assert peak < len(content) / 2


def test_long_string_of_escaped_quotes_is_read_by_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 1000)
    records = [{"payload": json.dumps({"key": "}"}) * 3000}]
    assert [json.loads(row["payload"]) for _, row in read(json.dumps(records), array=True)] == [records[0]["payload"]]


TEXT = st.text(st.sampled_from('ab"\\[]{},: \n\té😀\u2028'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
RECORDS = st.lists(st.dictionaries(TEXT, VALUES, max_size=3), max_size=4)


@settings(derandomize=True, max_examples=250, deadline=None)
@given(RECORDS, st.sampled_from([None, 0, 2]), st.booleans(), st.sampled_from(BLOCKS))
def test_array_is_read_as_the_standard_library_reads_it(
    records: list[dict[str, Any]], indent: int | None, ascii_only: bool, block: int
) -> None:
    content = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        rows = [row for _, row in read(content, array=True)]
    assert not any("\n" in value for row in rows for value in row.values())
    assert json.dumps([{name: json.loads(value) for name, value in row.items()} for row in rows]) == json.dumps(records)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(RECORDS, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]), st.booleans(), st.sampled_from(BLOCKS))
def test_lines_are_read_as_the_standard_library_reads_them(
    records: list[dict[str, Any]], separators: tuple[str, str], ascii_only: bool, block: int
) -> None:
    content = "\n".join(json.dumps(record, separators=separators, ensure_ascii=ascii_only) for record in records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        rows = [row for _, row in read(content, array=False)]
    assert json.dumps([{name: json.loads(value) for name, value in row.items()} for row in rows]) == json.dumps(records)


@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.text(st.sampled_from('[]{},:"\\1-.ea \n'), max_size=14), st.sampled_from(BLOCKS))
def test_any_text_is_read_as_the_standard_library_does_or_refused(text: str, block: int) -> None:
    content = '[{"a":1},' + text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        try:
            ours = [{name: json.loads(value) for name, value in row.items()} for _, row in read(content, array=True)]
        except RecordError:
            ours = None
    try:
        theirs = json.loads(content)
    except ValueError:
        assert ours is None, "what is malformed must be refused"
        return
    assert ours == theirs or not all(isinstance(element, dict) for element in theirs)


@pytest.mark.parametrize(
    ("read_file", "content", "line"),
    [
        (read_lines, b'{"a": 1}\n{"a": "' + b"x" * 600, 2),
        (read_lines, b'{"a": 1}\n' + b" " * 600, 2),
        (read_array, b'[{"a": 1},\n{"a": "' + b"x" * 600, 2),
        (read_array, b'[{"a": 1},\n{"a": [' + b"{}, " * 200, 2),
        (read_array, b"[" + b" " * 600, 1),
    ],
    ids=["line", "blanks", "text in an array", "object in an array", "blanks in an array"],
)
def test_record_without_bounds_is_refused_with_its_line(
    monkeypatch: pytest.MonkeyPatch, read_file: Any, content: bytes, line: int
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 16)
    monkeypatch.setattr(text_lines, "MAX_RECORD_BYTES", 200)
    chunks = read_file(io.BytesIO(content), SourceFile("t", "x.json"))
    with pytest.raises(RecordError, match=f"x.json, line {line}: the record is longer than 200 bytes"):
        list(chunks)


def test_a_compressed_line_without_end_takes_little_memory() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b" " * size

    stream: Any = Endless()
    with pytest.raises(RecordError, match="line 1: the record is longer than 67,108,864 bytes"):
        list(read_lines(stream, SourceFile("t", "x.json")))
    assert stream.taken < 65 * 2**20


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b'{"a":1}\n{\n"a": 2\n}\n', 2, "the object does not end on its line: '{'. Stage each object on one line, or"),
        (b'{"a":1}\n{"a":', 2, "the object does not end on its line"),
        (b'{"a":1}\n{"a":"\\ud83d"}\n', 2, "a text holds half of a surrogate pair: .* Decode it properly upstream"),
        (gzip.compress(b"{}\n", mtime=0), 1, "the file is no text but compressed with gzip, and does not end with .gz"),
        (b"\x28\xb5\x2f\xfd\x04\x00\x29", 1, "the file is no text but compressed with zstd"),
        ('{"a":1}\n'.encode("utf-16"), 1, "the file is no text but in UTF-16"),
        (bz2.compress(b"{}\n", 1), 1, "the file is no text but compressed with bzip2"),
    ],
)
def test_what_is_no_line_of_json_is_called_what_it_is(content: bytes, line: int, said: str) -> None:
    with pytest.raises(RecordError, match=f"x.json, line {line}: .*{said}"):
        read(content, array=False)
