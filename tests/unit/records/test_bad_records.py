"""Bad records are set aside, as they came and with the reason, and all others go on as if they had been alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_s3dest.errors import Place, RecordError
from airflow_provider_s3dest.formats.encoders import encoder_for
from airflow_provider_s3dest.load.quarantine import Quarantine
from airflow_provider_s3dest.load.transforms import with_safe_keys_for, with_types_for
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.records.chunks import Origins, PassthroughChunk, RowChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.spec import DestinationSpec

PATH = "out/{{TABLE}}/{{UUID}}"
NO_RULE = object()


class UnknownZone(tzinfo):
    """A time zone that raises an error when it is asked for its offset."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise LookupError("no such zone")

    dst = utcoffset

    def tzname(self, _: datetime | None) -> None:
        """Have no name."""


class Aside(BadRecords):
    """Keeps what is set aside."""

    def __init__(self) -> None:
        super().__init__(lambda table, line: self.lines.append(json.loads(line)))
        self.lines: list[dict[str, Any]] = []

    @property
    def records(self) -> list[Any]:
        return [line["record"] for line in self.lines]


def content_of(
    table: Table, format_: str = "json", schema: Mapping[str, str] | None = None, **fields: Any
) -> tuple[Any, tuple[str, ...]]:
    """Encode what is good of a table: the text, or the records of Arrow, and the columns."""
    spec = DestinationSpec(bucket="b", path=PATH, format=format_, **fields)
    table = with_safe_keys_for(spec, with_types_for(spec, table, schema))
    encoder = encoder_for(spec, table)
    pieces: list[Any] = []
    for chunk in table.chunks:
        pieces += (
            [chunk] if isinstance(chunk, PassthroughChunk) else isolate_bad_records(encoder.encode, chunk, table.bad)
        )
    if format_ == "parquet":
        return [row for piece in pieces for row in piece.batch.to_pylist()], table.columns
    return encoder.header + b"".join(bytes(piece.data) for piece in pieces), table.columns


def sift(records: Any, columns: Sequence[str] | None = None, **how: Any) -> tuple[Any, Aside]:
    aside = Aside()
    content, _ = content_of(open_records("t", records, tuple(columns) if columns else None, bad=aside), **how)
    return content, aside


def as_stream(records: Sequence[Any]) -> Iterator[Any]:
    yield from records


INPUTS = pytest.mark.parametrize("as_input", [list, as_stream])
FORMATS = pytest.mark.parametrize("format_", ["csv", "json", "parquet"])


class TestOfPython:
    @INPUTS
    @FORMATS
    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ({"n": NO_RULE}, "no rule for object"),
            ({"n": datetime(2026, 1, 1, tzinfo=UnknownZone())}, "no such zone"),
            ({"n": "\ud83d"}, "surrogate"),
            ("a text", "a record must be a mapping"),
            (None, "a record must be a mapping"),
            ([1], "a record must be a mapping"),
            ({1: 2}, "the key 1 is no string but int"),
            ({"\ud83d": 2}, "is no Unicode"),
        ],
    )
    def test_is_set_aside_wherever_it_stands(self, as_input: Any, format_: str, bad: Any, reason: str) -> None:
        good = [{"n": str(number)} for number in range(50)]
        for position in (0, 1, 20, 50):
            content, aside = sift(as_input([*good[:position], bad, *good[position:]]), format_=format_)
            assert content == sift(as_input(good), format_=format_)[0]
            (line,) = aside.lines
            assert (line["table"], line["index"]) == ("t", position)
            assert reason in line["error"]

    @FORMATS
    def test_many_of_them(self, format_: str) -> None:
        rows = [{"n": NO_RULE if number % 3 else "x" * (number % 7), "i": number} for number in range(2_500)]
        content, aside = sift(rows, format_=format_)
        assert content == sift(rows[::3], format_=format_)[0]
        assert [line["index"] for line in aside.lines] == [number for number in range(2_500) if number % 3]
        assert aside.counts["t"] == len(aside.lines)

    def test_all_of_them(self) -> None:
        content, aside = sift([{"n": NO_RULE}] * 10)
        assert (content, len(aside.lines)) == (b"", 10)

    @INPUTS
    def test_their_columns_are_none(self, as_input: Any) -> None:
        rows = [{"n": 1, "odd": NO_RULE}, {"n": 2}, {"n": 3, "x": 1, "more": NO_RULE}, {"n": 4}]
        assert sift(as_input(rows), format_="csv")[0] == b"n\n2\n4\n"

    def test_late_columns_of_a_stream(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("airflow_provider_s3dest.sources.columns.STREAM_WINDOW", 10)
        rows = [{"n": number} for number in range(100)]
        content, aside = sift(as_stream([*rows[:50], {"n": 1, "late": 2}, *rows[50:]]), format_="csv")
        assert content == sift(as_stream(rows), format_="csv")[0]
        assert (aside.lines[0]["index"], aside.lines[0]["column"], aside.records) == (50, "late", [{"n": 1, "late": 2}])

    def test_what_a_schema_does_not_hold(self) -> None:
        rows = [{"n": "1", "x": NO_RULE}, {"n": "one", "x": 5}, {"n": 2.5, "x": None}, {"n": 3, "x": True}]
        content, aside = sift(rows, ["n"], schema={"n": "int64"}, format_="csv")
        assert content == b"n\n1\n3\n"
        assert aside.records == [{"n": "one", "x": 5}, {"n": 2.5, "x": None}]
        assert "'one' does not fit the column's type int64" in aside.lines[0]["error"]

    def test_keys_that_are_one_to_athena(self) -> None:
        rows = [{"a.b": {"x": 1}}, {"a.b": {"X": 1, "x": 2}}, {"a.b": 3}]
        content, aside = sift(rows, athena=True)
        assert content == b'{"a_b":{"x":1}}\n{"a_b":3}\n'
        assert aside.records == [{"a.b": {"X": 1, "x": 2}}]

    def test_types_that_clash_over_the_load_still_end_it(self) -> None:
        with pytest.raises(RecordError, match="'x' is string here, and in earlier records the type is int64"):
            sift([{"n": 1}, {"n": "x"}], format_="parquet")


class TestOfArrow:
    TABLE = pa.table({"n": pa.array(["1", "x", None, "4"] * 1_000), "i": range(4_000)})

    @FORMATS
    def test_what_a_schema_does_not_hold(self, format_: str) -> None:
        how: Any = {"schema": {"n": "int64", "i": "int64"}, "format_": format_}
        content, aside = sift(self.TABLE, **how)
        good = self.TABLE.take([number for number in range(4_000) if number % 4 != 1])
        assert content == sift(good, **how)[0]
        assert aside.records == [{"n": "x", "i": number} for number in range(1, 4_000, 4)]

    @pytest.mark.parametrize("format_", ["csv", "json"])
    def test_what_has_no_exact_form(self, format_: str) -> None:
        moments = pa.array([0, 2**62, 1], pa.timestamp("us"))
        content, aside = sift(pa.table({"at": moments, "n": [1, 2, 3]}), format_=format_)
        assert content == sift(pa.table({"at": moments.take([0, 2]), "n": [1, 3]}), format_=format_)[0]
        (line,) = aside.lines
        assert (line["index"], line["column"], line["record"]["n"]) == (1, "at", 2)
        assert line["record"]["at"] == "<pyarrow.TimestampScalar: '17036-07-06T14:00:27.387904'>"

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            (pa.array([2**30], pa.int32()).view(pa.date32()), "<Date32Scalar>"),
            (pa.array([b"a\xff"]).view(pa.string()), r"b'a\xff'"),
        ],
        ids=["date", "text"],
    )
    def test_what_python_cannot_even_spell(self, values: Any, told: str) -> None:
        _, aside = sift(pa.table({"v": values, "n": [1]}), format_="csv")
        assert aside.records == [{"v": told, "n": 1}]

    def test_of_pandas_with_its_columns_of_objects(self) -> None:
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"n": [1, 2, 3], "o": ["a", NO_RULE, None]})
        content, aside = sift(frame, format_="csv")
        assert content == b"n,o\n1,a\n3,\n"
        assert aside.records == [{"n": 2, "o": repr(NO_RULE)}]


def test_a_record_is_told_as_json_and_what_json_cannot_say_as_python_spells_it() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    record = {
        "n": 2**70,
        "f": [1.5, float("nan"), float("-inf")],
        "d": [Decimal("1.10"), Decimal("NaN"), Decimal("-Infinity")],
        "at": date(2026, 2, 3),
        "t": "é\n",
        "half": "\ud83d",
        2: {"deep": ({3},)},
        "set": {1, 2},
        "none": None,
        "bytes": b"\x00\xff",
        "o": Mute(),
    }
    _, aside = sift([record])
    assert aside.records == [
        {
            "n": 2**70,
            "f": [1.5, "nan", "-inf"],
            "d": ["1.10", "Decimal('NaN')", "Decimal('-Infinity')"],
            "at": "2026-02-03",
            "t": "é\n",
            "half": r"'\ud83d'",
            "2": {"deep": [[3]]},
            "set": [1, 2],
            "none": None,
            "bytes": "AP8=",
            "o": "<Mute>",
        }
    ]


@pytest.mark.parametrize("record", [{1: "a", "1": "b"}, {"n": {1: "a", "1": "b"}}], ids=repr)
def test_no_value_is_lost_where_two_keys_are_spelled_alike(record: Any) -> None:
    _, aside = sift([record])
    assert "'a'" in json.dumps(aside.records)
    assert "'b'" in json.dumps(aside.records)


def test_a_mapping_that_does_not_tell_its_items_is_spelled() -> None:
    class Torn(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError

    _, aside = sift([{"n": 1, "v": Torn(x=2)}])
    assert aside.records == [{"n": 1, "v": "{'x': 2}"}]


def test_a_record_that_holds_itself_is_told() -> None:
    record: dict[Any, Any] = {1: 2}
    record["self"] = record["again"] = record
    _, aside = sift([record])
    spelled = repr(record)
    assert aside.records == [{"1": 2, "self": spelled, "again": spelled}]


def test_the_first_are_kept_for_the_error_and_all_are_counted() -> None:
    _, aside = sift([{"n": NO_RULE}] * 20)
    assert [error.index for error in aside.first] == [0, 1, 2, 3, 4]
    assert aside.counts.total() == 20


def test_good_records_are_not_looked_at_one_by_one() -> None:
    looks: list[int] = []

    def work(chunk: RowChunk) -> RowChunk:
        looks.append(len(chunk))
        for position, row in enumerate(chunk.rows):
            if row["n"] == 700:
                raise RecordError("bad", "", table="t", place=chunk.origins[position])
        return chunk

    rows = [{"n": number} for number in range(1_000)]
    aside = Aside()
    kept = list(isolate_bad_records(work, RowChunk.of(rows, Origins(5, originals=rows)), aside))
    assert [row for chunk in kept for row in chunk.rows] == [*rows[:700], *rows[701:]]
    assert (aside.lines[0]["index"], aside.records) == (705, [{"n": 700}])
    assert len(looks) < 25
    assert Place(index=705) == aside.first[0].place


def test_their_objects_are_sent_with_what_is_sent_with_the_others() -> None:
    along = {
        "acl": "bucket-owner-full-control",
        "server_side_encryption_configuration": {"server_side_encryption": "aws:kms", "sse_kms_key_id": "key"},
        "tags": {"team": "lake"},
        "metadata": {"owner": "lake"},
        "storage_class": "STANDARD_IA",
    }
    spec = DestinationSpec(
        bucket="b", path="raw/{{TABLE}}/{{UUID}}.json.gz", format="json", compression="gzip", **along
    )

    aside = Quarantine.of(spec).spec

    assert aside.path == "raw/_quarantine/{{TABLE}}/{{UUID}}.json"
    assert aside.put_arguments == {**spec.put_arguments, "ContentType": "application/json"}
    assert aside.file_compression == ""
