"""With `athena`, no key holds a character that Athena refuses, whatever the source, and no value gets lost by that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.formats.encoders import text_encoder_for
from airflow_provider_s3dest.formats.encoding import encoded_passthrough
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.spec import DestinationSpec


def spec(format_: str) -> DestinationSpec:
    return DestinationSpec(bucket="b", path="{{UUID}}", format=format_, athena=True)


def written(table: Table, format_: str = "json") -> str:
    table = with_safe_keys(table)
    encoder = text_encoder_for(spec(format_), "t", table.columns)
    parts = [
        encoded_passthrough(one) if isinstance(one, PassthroughChunk) else encoder.encode(one) for one in table.chunks
    ]
    return (encoder.header + b"".join(part.data for part in parts)).decode()


def of_records(records: Any, format_: str = "json") -> str:
    return written(open_records("t", records, None), format_)


def of_file(path: Path, content: bytes, format_: str) -> str:
    path.write_bytes(content)
    files = staged_tables(path, "t", lambda _: LocalFiles())["t"]
    return written(open_staged("t", files, None, passing_for(spec(format_))), format_)


class TestKeys:
    def test_of_records_are_renamed_character_by_character(self) -> None:
        assert of_records([{"user-agent.os": 1, "größe": 2, "ok_1": 3, "a\n😀": 4}]) == (
            '{"user_agent_os":1,"gr__e":2,"ok_1":3,"a__":4}\n'
        )

    def test_of_the_header_too(self) -> None:
        assert of_records([{"a b": 1, "c,d": "x"}], "csv") == "a_b,c_d\n1,x\n"

    def test_of_nested_objects_at_any_depth(self) -> None:
        nested = {"a-b": [{"c.d": ({"e f": None},)}], "g": {"h-i": {}}}
        safe = {"a_b": [{"c_d": [{"e_f": None}]}], "g": {"h_i": {}}}
        assert json.loads(of_records([{"n": nested}])) == {"n": safe}
        assert of_records([{"n": nested}], "csv") == 'n\n"{}"\n'.format(
            json.dumps(safe, separators=(",", ":")).replace('"', '""')
        )

    def test_of_a_stream_and_of_records_that_differ(self) -> None:
        def records() -> Iterator[dict[str, Any]]:
            yield {"a-b": 1}
            yield {"c-d": {"e-f": 2}}

        assert of_records(records()) == '{"a_b":1,"c_d":null}\n{"a_b":null,"c_d":{"e_f":2}}\n'

    def test_of_arrow_structs_and_lists(self) -> None:
        import pyarrow

        frame = pyarrow.table({"x-y": [[{"a-b": 1}], None], "m.n": [{"c d": "t"}, {"c d": None}]})
        assert of_records(frame) == '{"x_y":[{"a_b":1}],"m_n":{"c_d":"t"}}\n{"x_y":null,"m_n":{"c_d":null}}\n'

    def test_of_staged_json_of_which_nothing_passes(self, tmp_path: Path) -> None:
        flat = b'{"a-b":1.10,"c":2}\n'
        nested = b'{"a-b":{"d-e":1e400,"f":"\\u00e9 -"},"c":[{"g.h":1.0}]}\n'
        assert of_file(tmp_path / "a.ndjson", flat + nested, "json") == (
            '{"a_b":1.10,"c":2}\n{"a_b":{"d_e":1e400,"f":"é -"},"c":[{"g_h":1.0}]}\n'
        )

    def test_that_make_up_for_each_other_in_staged_json(self, tmp_path: Path) -> None:
        # By the number of its colons this might pass.
        content = b'{"a":1,"b":{"x-y":1}}\n{"a":1}\n'
        assert of_file(tmp_path / "a.ndjson", content, "json") == '{"a":1,"b":{"x_y":1}}\n{"a":1,"b":null}\n'

    def test_of_the_header_of_staged_csv_whose_lines_pass(self, tmp_path: Path) -> None:
        content = b'a-b,c\n"1","{""d-e"":1}"\n'
        assert of_file(tmp_path / "a.csv", content, "csv") == 'a_b,c\n"1","{""d-e"":1}"\n'


def test_values_that_are_no_objects_stay_as_they_are() -> None:
    records = [{"t": "a-b", "d": date(2026, 2, 3), "n": Decimal("1.10"), "l": ["x-y", 2**70], "b": b"\0"}]
    assert (
        of_records(records) == '{"t":"a-b","d":"2026-02-03","n":"1.10","l":["x-y",1180591620717411303424],"b":"AA=="}\n'
    )


class TestRefuses:
    @pytest.mark.parametrize("names", [("a-b", "a_b"), ("a-b", "a.b"), ("Id", "id"), ("A b", "a_B")])
    def test_columns_of_one_name(self, names: tuple[str, str]) -> None:
        with pytest.raises(SpecError, match=f"the columns '{names[0]}' and '{names[1]}' of table 't'"):
            of_records([dict.fromkeys(names, 1)])

    @pytest.mark.parametrize("keys", [("a-b", "a_b"), ("Id", "id")])
    def test_keys_of_one_nested_object(self, keys: tuple[str, str]) -> None:
        with pytest.raises(RecordError, match=r"table 't', record 1, column 'n-n': the keys .* are one name") as caught:
            of_records([{"n-n": {keys[0]: 1}}, {"n-n": [{keys[0]: 1, keys[1]: 2}]}])
        assert caught.value.column == "n-n"

    def test_a_key_that_stands_twice_in_staged_json(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match=r"a\.ndjson, line 2, column 'n': the keys 'a' and 'a'"):
            of_file(tmp_path / "a.ndjson", b'{"n":1}\n{"n":{"a":1,"a":2}}\n', "json")

    def test_what_no_rule_covers_as_ever(self) -> None:
        with pytest.raises(RecordError, match=r"record 0, column 'n': there is no rule for object"):
            of_records([{"n": {"a-b": object()}}])

    def test_nothing_that_differs_between_objects_only(self) -> None:
        assert of_records([{"n": {"a": {"Id": 1}, "b": {"id": 2}}}]) == '{"n":{"a":{"Id":1},"b":{"id":2}}}\n'
