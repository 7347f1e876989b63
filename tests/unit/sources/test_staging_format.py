"""Staged text in other dialects and encodings, and JSON in other forms, reads as what was written, or is refused."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources import text_lines
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.shards import split
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import StagedFile, staged_tables
from airflow_provider_s3dest.sources.staging_format import StagingFormat, faults, json_schema
from airflow_provider_s3dest.spec import DestinationSpec
from tests.unit.tables import rows_of, written

BLOCKS = [1, 3, 7, 2**17]


class Memory(LocalFiles):
    """A store of one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, path: str) -> Any:
        return io.BytesIO(self.content)

    def version(self, path: str) -> str:
        return "1"


def table_of(
    content: bytes | str, ending: str = "csv", columns: tuple[str, ...] | None = None, bad: Any = None, **options: Any
) -> Table:
    """Open a file of one table."""
    data = content if isinstance(content, bytes) else content.encode()
    file = StagedFile(Memory(data), f"x.{ending}", ending, "", StagingFormat.of(options))
    return open_staged("t", [file], columns, None, bad)


def read(content: bytes | str, **options: Any) -> list[list[Any]]:
    """Read a CSV file: the names of its columns, and its records."""
    table = table_of(content, **options)
    return [list(table.columns), *(list(row.values()) for row in rows_of(table))]


def read_json(content: bytes | str, ending: str = "json", **options: Any) -> list[Any]:
    """Read a file of JSON."""
    lines = written(table_of(content, ending, **options), "json").splitlines()
    return [json.loads(line) for line in lines]


def refused(content: bytes | str, **options: Any) -> str:
    """Return the error at which a file is refused."""
    with pytest.raises(RecordError) as error:
        rows_of(table_of(content, **options))
    return str(error.value)


# No letter or digit is special in a dialect, so that the library escapes none. No carriage return, which the library
# leaves bare where a line feed ends the lines.
TEXTS = st.text(st.sampled_from("ab1 ,;|\t\"'\\\né"), max_size=5)


@settings(derandomize=True, max_examples=250, deadline=None)
@given(
    st.integers(2, 3).flatmap(
        lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1, max_size=5)
    ),
    st.sampled_from(",;|\t"),
    st.sampled_from("\"'"),
    st.sampled_from([(None, True), ("\\", True), ("\\", False)]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16", "utf-16-be", "latin-1", "cp1252", "utf-8-sig"]),
    st.sampled_from(BLOCKS),
    st.sampled_from(["", "NA", "1"]),
)
def test_what_the_standard_library_writes_in_a_dialect_is_read_back(
    rows: list[list[str]],
    delimiter: str,
    quote: str,
    escaping: tuple[str | None, bool],
    quoting: Any,
    end: str,
    encoding: str,
    block: int,
    null: str,
) -> None:
    escape, is_doubled = escaping
    if quoting == csv.QUOTE_NONE and escape is None:
        quoting = csv.QUOTE_MINIMAL
    out = io.StringIO(newline="")
    csv.writer(
        out,
        delimiter=delimiter,
        quotechar=quote,
        escapechar=escape,
        doublequote=is_doubled,
        quoting=quoting,
        lineterminator=end,
    ).writerows([["k1", "k2", "k3"][: len(rows[0])], *rows])
    options = {"delimiter": delimiter, "quote": quote, "encoding": encoding, "null_values": [null]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        _, *records = read(out.getvalue().encode(encoding), escape=escape or "", **options)
    if quoting in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        assert records == rows, "a quoted field is never null"
    elif any(value == null for row in rows for value in row):
        assert [[null if value is None else value for value in row] for row in records] == rows
    else:
        assert records == rows


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from('ab,"\\\n\r'), max_size=16),
    st.sampled_from(["\\", ""]),
    st.sampled_from([[""], ["b"], ["", "a"], ["\\b"]]),
    st.booleans(),
)
def test_any_text_in_a_dialect_is_read_alike_in_blocks_of_any_size_or_refused(
    text: str, escape: str, nulls: list[str], quarantines: bool
) -> None:
    def outcome(block: int) -> Any:
        bad: list[tuple[int, str]] = []

        def add(_: str, line: bytes) -> None:
            record = json.loads(line)
            bad.append((record["line"], record["record"].rstrip("\r")))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text_lines, "BLOCK_BYTES", block)
            try:
                quarantine = BadRecords(add) if quarantines else None
                return read(f"k,l\n{text}", escape=escape, null_values=nulls, bad=quarantine), sorted(bad)
            except RecordError as error:  # which of several records is named first depends on the blocks
                return error.line is not None

    whole = outcome(2**17)
    assert outcome(1) == outcome(5) == whole


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\{}[],:\n é'), max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.fixed_dictionaries({"a": JSON_VALUES, "b": JSON_VALUES}), max_size=3), min_size=1, max_size=3),
    st.lists(st.text("xy", min_size=1, max_size=2), max_size=2),
    JSON_VALUES,
    st.sampled_from([None, 0, 1]),
    st.sampled_from(["", "\n", " \r\n"]),
    st.booleans(),
    st.sampled_from(BLOCKS),
)
def test_records_in_any_document_are_read_back(
    pages: list[list[Any]], path: list[str], beside: Any, indent: int | None, gap: str, ascii_only: bool, block: int
) -> None:
    text = ""
    for page in pages:
        document: Any = page
        for name in reversed(path):
            document = {"before": beside, name: document, "behind": beside}
        text += json.dumps(document, indent=indent, ensure_ascii=ascii_only) + gap
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_lines, "BLOCK_BYTES", block)
        found = read_json(text, "ndjson", records_at=".".join(path) or ".")
    assert found == [record for page in pages for record in page]


@pytest.mark.parametrize("block", BLOCKS)
def test_options_of_csv(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", block)
    assert read("a;b\n1,5;'x;''y'''\n", delimiter=";", quote="'") == [["a", "b"], ["1,5", "x;'y'"]]
    assert read('a,b\n"x,5" pipe\n', quote="") == [["a", "b"], ['"x', '5" pipe']]
    assert read('a,b\n"say \\"hi\\"",x\\,y\\\nz\n', escape="\\") == [["a", "b"], ['say "hi"', "x,y\nz"]]
    assert read('a,b\n"say \\"hi\\"\\\\\\\\",x\r\n', escape="\\") == [["a", "b"], ['say "hi"\\\\', "x"]]
    # The header is one of the texts that are null, and is a name all the same.
    assert read('NA,b\nNA,"NA"\n,""\n', null_values=["NA"]) == [["NA", "b"], [None, "NA"], ["", ""]]
    assert read('NA,b\nNA,"NA"\n,""\n', null_values=["NA", ""]) == [["NA", "b"], [None, "NA"], [None, ""]]
    assert read('a,"b"\n,""\n', null_values=[]) == [["a", "b"], ["", ""]]
    assert read('a,b\n\\N,"x"\n\\\\N,"\n\\""\n', null_values=["\\N"], escape="\\")[1:] == [[None, "x"], ["\\N", '\n"']]
    assert read('a\n\n""\n-\n', null_values=["-"]) == [["a"], [""], [""], [None]]
    assert read("one\n\ntwo,\na,b\n1,2\n", skip_lines=3) == [["a", "b"], ["1", "2"]]
    assert read("1,2\n\n3,4", header=False, columns=("a", "b")) == [["a", "b"], ["1", "2"], ["3", "4"]]
    assert read('# x\n"1",2\n', header=["a", "b"], skip_lines=1) == [["a", "b"], ["1", "2"]]
    assert read("1,2\n", header=("a", "b"), columns=("b",)) == [["b"], ["2"]]
    assert read(b"", header=["a", "b"], skip_lines=2) == [["a", "b"]]
    assert read("", skip_lines=2) == [[]]
    assert read("é;b\n\u20ac;\x81\n".encode("utf-16"), delimiter=";", encoding="UTF-16")[1:] == [["€", "\x81"]]
    assert read(b"a,b\n\x80,\xe9\n", encoding="cp1252")[1:] == [["€", "é"]]
    assert read("a,b\n한,글\n".encode("cp949"), encoding="cp949")[1:] == [["한", "글"]]


@pytest.mark.parametrize("block", BLOCKS)
def test_repeated_and_empty_names(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", block)
    content = "a,,a,a_2,,a\n1,2,3,4,5,6\n"
    assert read(content, duplicate_columns="number")[0] == ["a", "column_2", "a_3", "a_2", "column_5", "a_4"]
    assert read('a,b,,a,\n1,2,,"",\n3,4\n', duplicate_columns="drop_empty", bad=BadRecords(lambda *_: None)) == [
        ["a", "b"],
        ["1", "2"],
    ]
    bad: list[bytes] = []
    quarantine = BadRecords(lambda _, line: bad.append(line))
    content = 'a,,b,a\n1,,2,\n3,x,4,\n5,,6,"y"\n7,,8,""\n'
    assert read(content, bad=quarantine, duplicate_columns="drop_empty") == [["a", "b"], ["1", "2"], ["7", "8"]]
    assert [(json.loads(line)["line"], json.loads(line)["record"]) for line in bad] == [(3, "3,x,4,"), (4, '5,,6,"y"')]
    assert "x.csv, line 3: column 2, which has no name, is not empty: 'x'" in refused(
        content, duplicate_columns="drop_empty"
    )


@pytest.mark.parametrize(
    ("content", "options", "line", "problem", "remedy"),
    [
        ("a,a\n", {}, 1, "the header names the column 'a' twice", '{"duplicate_columns": "number"}'),
        ("a,\n1,2\n", {}, 1, "column 2 has no name", '{"duplicate_columns": "number"}'),
        ("x\na,b\n", {}, 2, "the header has 1 fields, the record 2", '{"skip_lines": 1}'),
        ("1,2\n3\n", {"header": ["a", "b"]}, 2, "`header` of `staging_format` has 2 fields, the record 1", "Complete"),
        (b"a\n\x81\n", {}, 2, "byte 0x81 is not UTF-8", '{"encoding": "cp1252"}'),
        ("a\n1".encode("utf-16"), {}, 1, "the file is no text but in UTF-16", '{"encoding": "utf-16"}'),
        (b"a\n\x81\n", {"encoding": "cp1252"}, 2, "byte 0x81 is not cp1252", "own encoding"),
        (b"a\n\xc3\xa9\n", {"encoding": "ascii"}, 2, "byte 0xc3 is not ascii", "own encoding"),
        (b"a\0\n\x00\x00\xd8\n\0", {"encoding": "utf-16-le"}, 2, "byte 0x00 is not utf-16-le", "own encoding"),
        ('a,b\n"x\\"y",1\n', {}, 2, "text stands after the closing quote", '{"escape": "\\\\"}'),
        ('a,b\n1,"x\n', {}, 2, "a quoted field never closes", '{"quote": ""}'),
        ("a,b\n1,x\\ny\n", {"escape": "\\"}, 2, "'\\\\n' is an escaped letter", '{"null_values": ["\\\\n"]}'),
        ("a,b\n1,x\\\n", {"escape": "\\"}, 2, "the record ends with an escaped line end", "Close"),
        ("a,b\n1,x\\", {"escape": "\\"}, 2, "text stands after", "escape"),
        ("a,b\n1,x\ry\n", {"escape": "\\"}, 2, "a carriage return stands alone", "quote fields"),
        ("a\nb\n", {"skip_lines": 3}, 2, "the file has 2 lines, and `skip_lines`", "Skip only"),
        (
            f"a\n{'x' * 90}\n",
            {"max_line_bytes": 50},
            2,
            "the record is longer than 50 bytes",
            '{"max_line_bytes": 100}',
        ),
    ],
)
def test_an_error_names_the_place_and_the_option(
    content: Any, options: dict[str, Any], line: int, problem: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 16)
    error = refused(content, **options)
    assert f"x.csv, line {line}: {problem}" in error
    assert remedy in error


@pytest.mark.parametrize("block", BLOCKS)
def test_forms_of_json(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", block)
    records = [{"a": 1, "b": {"c": [1, "}{"]}}, {"a": 2, "b": None}]
    spread = "\n".join(json.dumps(record, indent=2) for record in records)
    array = json.dumps(records, indent=1)
    assert read_json(spread) == read_json(array) == records
    assert read_json('{"a":1}{"a":2}\n{"a":3}') == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert read_json(json.dumps(records[0], indent=1).encode("utf-16"), encoding="utf-16") == records[:1]
    for ending in ("json", "ndjson"):
        assert read_json(spread, ending, records_at=".") == read_json(array, ending, records_at=".") == records
        page = (
            f'{{"next": "]}}", "n": [[1.5e3, null], {{}}], "data": {{"x": {{"items": 1}}, "items": {array} , "z": 0}}}}'
        )
        assert read_json(page + page, ending, records_at="data.items") == records * 2
    assert read_json('{"d": {"é": {"a": 1}}}{"d": {"é": null}} {"d": {"\\u00e9": []}}', records_at="d.é") == [{"a": 1}]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ('{"data":\n{"rows": [], "n": 1}}', 2, "an object has no `items`, but 'rows', 'n'"),
        ('{"data": []}', 1, "`data` is no object"),
        ("\n[1]", 2, "a document is no object"),
        ('{"data": {"items": 5}}', 1, "`data.items` is neither an array of objects nor an object, but '5'"),
        ('{"data": {"items": [{},\n2]}}', 2, "an object must stand, not '2]}}'"),
        ('{"data": {"items": [],\n"items": []}}', 2, "`data.items` occurs twice"),
        ('{"data": {"items": [{"a":1}\n', 2, "the file is cut off"),
        ('{"x": "y', 1, "the file is cut off"),
        ('{"data": {"items": [{"a":1}\n{"a":2}]}}', 2, "a comma or ] must stand, not"),
        ('{"data": {"items": [\n{"a":x}]}}', 2, "is no JSON object"),
        ("{a: 1}", 1, "a key must stand, not 'a: 1}'"),
        ('{"a" 1}', 1, "a colon must stand, not '1}'"),
        ('{"a":,}', 1, "a value must stand, not ',}'"),
    ],
)
@pytest.mark.parametrize("block", [1, 2**17])
def test_records_of_json_that_are_not_there_are_named(
    content: str, line: int, problem: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", block)
    error = refused(content, ending="json", records_at="data.items")
    assert f"x.json, line {line}: {problem.partition(', not')[0]}" in error


def test_lines_of_json_stay_lines() -> None:
    bad: list[bytes] = []
    quarantine = BadRecords(lambda _, line: bad.append(line))
    content = '{"a":\n{"a":2}\n{"a":3}\n'
    for ending in ("json", "ndjson"):
        assert read_json(content, ending, bad=quarantine) == [{"a": 2}, {"a": 3}]
    assert [json.loads(line)["line"] for line in bad] == [1, 1]
    assert '{"records_at": "."}' in refused('{"a":\n1}\n', ending="ndjson")


def test_a_long_array_at_a_path_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 64)
    items = ",".join(f'{{"n": {number}}}' for number in range(2_000))
    content = f'{{"skipped": [{items}], "text": "{"x" * 300}", "items": [{items}]}}'
    assert len(read_json(content, records_at="items", max_line_bytes=500)) == 2_000
    assert "longer than 200 bytes" in refused(content, ending="json", records_at="items", max_line_bytes=200)


def test_text_passes_through_where_only_its_frame_differs() -> None:
    def passed(content: bytes, target: str = ",", columns: tuple[str, ...] | None = None, **options: Any) -> bytes:
        spec = DestinationSpec(
            bucket="b", path="{{UUID}}", format="csv", format_spec={"delimiter": target}, batch_size=1
        )
        file = StagedFile(Memory(content), "x.csv", "csv", "", StagingFormat.of(options))
        chunks = list(open_staged("t", [file], columns, passing_for(spec)).chunks)
        return b"".join(chunk.data for chunk in chunks if isinstance(chunk, PassthroughChunk))

    assert passed(b"a;b\n1;2\n", ";", delimiter=";") == b"1;2\n"
    assert passed("é,b\né,2\n".encode("utf-16"), encoding="utf-16") == "é,2\n".encode()
    assert passed(b"x\n1,2\n", header=["a", "b"], skip_lines=1) == b"1,2\n"
    assert passed(b"1,2\n", columns=("a", "b"), header=False) == b"1,2\n"
    assert passed(b"a,a\n1,2\n", duplicate_columns="number") == b"1,2\n"
    dialects: list[dict[str, Any]] = [{"null_values": ["NA"]}, {"quote": "'"}, {"escape": "\\"}, {"delimiter": ";"}]
    for options in dialects:
        assert passed(b"a,b\n1,2\n", **options) == b""
    assert passed(b"a,b,\n1,2,\n", duplicate_columns="drop_empty") == b""


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("csv", "`staging_format`: is 'csv'. Give a mapping"),
        ({"delimeter": ";"}, "`staging_format.delimeter`: is no option. Did you mean `delimiter`?"),
        ({"delimiter": "::"}, "`staging_format.delimiter`: is '::'. One character"),
        ({"delimiter": "\n"}, "`staging_format.delimiter`: is '\\n'."),
        ({"quote": ";", "delimiter": ";"}, "`staging_format`: has one character twice"),
        ({"quote": ","}, "`staging_format`: has one character twice"),
        ({"encoding": "utf-9"}, "`staging_format.encoding`: is 'utf-9', which is no encoding."),
        ({"encoding": "base64"}, "`staging_format.encoding`: is 'base64', which is no encoding."),
        ({"header": ["a", "a"]}, "`staging_format.header`: names ['a'] twice."),
        ({"header": ["a", ""]}, "`staging_format.header`: is ['a', '']"),
        ({"header": []}, "`staging_format.header`: is []."),
        ({"header": "a"}, "`staging_format.header`: is 'a'."),
        ({"header": False}, "`staging_format.header`: is False, and nothing names the columns."),
        ({"null_values": ["a,b"], "delimiter": ","}, "`staging_format.null_values`: has 'a,b'"),
        ({"null_values": "NA"}, "`staging_format.null_values`: is 'NA'."),
        ({"skip_lines": -1}, "`staging_format.skip_lines`: is -1."),
        ({"skip_lines": True}, "`staging_format.skip_lines`: is True."),
        ({"duplicate_columns": "drop"}, "`staging_format.duplicate_columns`: is 'drop'."),
        ({"records_at": "a..b"}, "`staging_format.records_at`: is 'a..b'."),
        ({"max_line_bytes": 0}, "`staging_format.max_line_bytes`: is 0."),
    ],
)
def test_options_that_are_wrong_are_faults(options: Any, fault: str) -> None:
    arguments = LoadArguments(
        fields={"bucket": "b", "path": "{{UUID}}", "format": "csv"},
        staging_path="x.csv",
        table="t",
        staging_format=options,
    )
    found = [str(one) for one in arguments.faults()]
    assert len(found) == 1
    assert found[0].startswith(fault)
    assert not list(arguments.faults({"staging_format"}))


def test_columns_may_be_named_by_others_and_records_have_no_form() -> None:
    assert list(faults({"header": False})) == []
    arguments = LoadArguments(
        fields={"bucket": "b", "path": "{{UUID}}", "format": "csv"}, records=[], table="t", staging_format={}
    )
    assert [fault.problem for fault in arguments.faults()] == ["has no effect without `staging_path`."]
    with pytest.raises(SpecError, match=r"staging_format.header`: is False, and nothing names the columns"):
        table_of("a\n", header=False)


def test_shards_carry_the_form_and_read_headers_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("x\né;b\n1;2\n".encode("cp1252"))
    (tmp_path / "b.csv").write_bytes(b"x\nc;d\n1;2\n")
    options = {"encoding": "cp1252", "delimiter": ";", "skip_lines": 1}
    staged = staged_tables(f"{tmp_path}/*.csv", "t", lambda _: LocalFiles(), StagingFormat.of(options))
    shards = [shard.arguments() for shard in split(staged, 2, None, options)]
    assert [shard["columns"] for shard in shards] == [["é", "b", "c", "d"]] * 2
    assert [shard["staging_format"] for shard in shards] == [options] * 2
    assert "staging_format" not in split(staged, 2)[0].arguments()


def test_the_json_schema_is_current_and_takes_what_the_argument_takes() -> None:
    file = files("airflow_provider_s3dest") / "sources" / "staging_format.schema.json"
    assert file.read_text(encoding="utf-8") == json.dumps(json_schema(), indent=2) + "\n"
    validator = Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert json_schema()["properties"].keys() == StagingFormat.model_fields.keys()
    for options in ({"header": ["a"], "null_values": ["", "NA"]}, {"header": False, "delimiter": "\t", "quote": ""}):
        assert not list(faults(options))
        assert validator.is_valid(options)
    some_wrong: list[dict[str, Any]] = [{"delimiter": ";;"}, {"header": []}, {"skip_lines": -1}, {"delimeter": ","}]
    for wrong in some_wrong:
        assert validator.is_valid(wrong) is not any(faults(wrong)), wrong
