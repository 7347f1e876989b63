"""Rules between the arguments of a load, also while some are not known yet."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.load.arguments import LoadArguments, table_faults
from airflow_provider_s3dest.operators.parse_time_checks import literal_record_faults
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.sentinels import UNKNOWN

FIELDS: dict[str, Any] = {"bucket": "lake", "path": "raw/{{TABLE}}/{{UUID}}.csv", "format": "csv"}
RECORDS = [{"id": 1}]


def _keys(*, unknown: tuple[str, ...] = (), fields: dict[str, Any] | None = None, **arguments: Any) -> list[str]:
    arguments = {"fields": FIELDS if fields is None else fields, **arguments}
    return [fault.key for fault in LoadArguments(**arguments).faults(unknown)]


class TestInput:
    def test_records_of_a_named_table_are_enough(self) -> None:
        assert _keys(records=RECORDS, table="orders") == []

    def test_a_staging_path_of_a_named_table_is_enough(self) -> None:
        assert _keys(staging_path="staging/*.csv", table="orders") == []

    def test_a_staging_path_may_name_the_tables_itself(self) -> None:
        assert _keys(staging_path="staging/{{TABLE}}/*.csv") == []

    def test_a_mapping_names_its_tables_itself(self) -> None:
        assert _keys(records={"orders": RECORDS, "items": []}) == []

    def test_neither_or_both_inputs_are_refused(self) -> None:
        assert _keys(table="orders") == ["records"]
        assert _keys(records=RECORDS, staging_path="staging/*.csv", table="orders") == ["records"]

    @pytest.mark.parametrize("records", [None, "x", b"x", 5, 1.5, True])
    def test_what_can_be_no_records_is_refused(self, records: Any) -> None:
        assert _keys(records=records, table="orders") == ["records"]

    def test_a_list_of_records_needs_a_table(self) -> None:
        assert _keys(records=RECORDS) == ["table"]

    @pytest.mark.parametrize("table", ["", ".", "..", 5, ["orders"], "{{UUID}}"])
    def test_a_table_that_can_t_be_part_of_a_key_is_refused(self, table: Any) -> None:
        assert _keys(records=RECORDS, table=table) == ["table"]

    def test_a_table_beside_a_mapping_of_tables_is_refused(self) -> None:
        assert _keys(records={"orders": RECORDS}, table="orders") == ["table"]

    def test_a_table_is_named_once_by_argument_or_staging_path(self) -> None:
        assert _keys(staging_path="staging/{{TABLE}}/*.csv", table="orders") == ["table"]
        assert _keys(staging_path="staging/*.csv") == ["table"]

    @pytest.mark.parametrize("columns", ["id", ["id", "id"]])
    def test_columns_are_a_list_of_different_names(self, columns: Any) -> None:
        assert _keys(records=RECORDS, table="orders", columns=columns) == ["columns"]

    @pytest.mark.parametrize("name", ["atomic", "delete_staging"])
    def test_what_needs_a_state_is_refused_where_none_is_kept(self, name: str) -> None:
        keeping: dict[str, Any] = {name: True, "table": "orders", "staging_path": "in/"}
        (fault,) = LoadArguments(FIELDS, keeps_state=False, **keeping).faults()
        assert (fault.key, fault.remedy) == (name, "Give `state_path`, a folder of S3 for the state.")
        assert not list(LoadArguments(FIELDS, keeps_state=False, state_path="s3://state/loads", **keeping).faults())
        assert not list(LoadArguments(FIELDS, keeps_state=True, **keeping).faults())

    @pytest.mark.parametrize("path", ["s3://state/loads", "s3://state/loads/", "_state", "a/b"])
    def test_a_state_path_is_a_folder_of_s3(self, path: str) -> None:
        assert _keys(records=RECORDS, table="orders", state_path=path) == []

    @pytest.mark.parametrize(
        "path",
        [
            *("", "s3://state", "s3://state/", "s3:///x", "gs://a/b", "/tmp/state", "a//b", 5),
            *("a\x01", "\ufffe", "\ud800"),
        ],
    )
    def test_no_other_state_path_is_taken(self, path: Any) -> None:
        assert _keys(records=RECORDS, table="orders", state_path=path) == ["state_path"]

    @pytest.mark.parametrize(
        ("records", "said"),
        [
            ({"id": 1, "name": "x"}, "1 under 'id', 'x' under 'name'"),
            ({"t": "abc"}, "'abc' under 't'"),
            ({"t": b"abc"}, "under 't'"),
            ({"t": {"id": 1}}, "{'id': 1} under 't'"),
            ({"t": []} | {"u": 5}, "5 under 'u'"),
            (dict.fromkeys("abcde", 1), "1 under 'c', ..."),
        ],
    )
    @pytest.mark.parametrize("table", [None, "orders"])
    def test_a_mapping_is_of_tables_and_a_single_record_is_told_from_it(
        self, records: Any, said: str, table: str | None
    ) -> None:
        (fault,) = LoadArguments(FIELDS, records, table=table).faults()
        assert (fault.key, fault.remedy) == (
            "records",
            "A mapping maps each table name to a list of records; put a single record into a list.",
        )
        assert said in fault.problem

    def test_none_is_told_with_its_table_and_the_tasks_that_gave_it(self) -> None:
        def problems(records: Any, sources: dict[str | None, list[str]], table: str | None = None) -> list[str]:
            return [fault.problem for fault in LoadArguments(FIELDS, records, table=table, sources=sources).faults()]

        assert problems({"a": None, "b": [], "c": None}, {"a": ["x"]}) == [
            "is None for table 'a': 'x' returned nothing, failed, was skipped, or pushed under another key.",
            "is None for table 'c'.",
        ]
        assert problems([{}, None], {None: ["x", "y"]}, "t")[0].startswith("is None for table 't': 'x', 'y' returned")

    WRONG: ClassVar[list[tuple[str, list[Any]]]] = [
        ("records", [5, "x", b"x", True, object(), len]),
        (
            "staging_path",
            [5, "", [], [""], [5], b"x", {"a": "b"}, "s3://", "s3:///x", "file://", "a\0b", "a/[z-a].csv"],
        ),
        ("table", [5, "", ".", "..", ["t"], b"t", True, "{{UUID}}", "${T}"]),
        ("columns", [5, "id", [], [5], ["a", "a"], {"a": 1}, ["{{TABLE}}"], ["${C}"]]),
        ("atomic", [None, "yes", 1, 0, []]),
        ("delete_staging", [None, "no", 1]),
        ("dry_run", [None, "no", 1]),
        ("state_path", [5, "", b"x", ["s3://a/b"], "{{TABLE}}/x", "s3://b/${X}"]),
        ("s3_destination_conn_id", [5, "", True, ["lake"], "{{TABLE}}", "${C}"]),
        ("aws_conn_id", [5, "", True, ["aws"], "{{TABLE}}", "${C}"]),
        ("bucket", [5, "", None, ["b"], "a/b", "s3://b", "{{TABLE}}", "${B}"]),
        ("path", [5, "", None, ["p"], "/a/{{UUID}}", "a/{{UUID|x}}", "${P}/{{UUID}}"]),
        ("format", [5, "", None, "CSV", "{{FORMAT}}"]),
        ("format_spec", [5, "x", [], {"delimiter": ";;"}, {"x": 1}]),
        ("compression", [5, None, "zip"]),
        ("batch_size", [0, -1, "10", 1.5, True]),
        ("batch_size_bytes", [0, "10", 1.5, True]),
        ("no_rotate", [None, "yes", 1]),
        ("region", [5, "", None, "{{TABLE}}", "${R}"]),
        ("content_type", [5, "{{FORMAT}}"]),
    ]

    @pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG for value in values])
    def test_each_argument_of_a_wrong_type_or_form_is_named(self, name: str, value: Any) -> None:
        arguments: dict[str, Any] = {"records": RECORDS, "table": "orders", "staging_path": "in/"}
        del arguments["records" if name in ("staging_path", "delete_staging") else "staging_path"]
        if name in SpecFields.model_fields:
            arguments["fields"] = {**FIELDS, name: value}
        else:
            arguments[name] = value
        assert {key.partition(".")[0] for key in _keys(**arguments)} == {name}

    @pytest.mark.parametrize(
        "path", ["a/x.xlsx", "s3://b/x.TXT", "x.foo.gz", "x.orc.zst", "a/{b}.xlsx", ["in/", "a.xml"]]
    )
    def test_a_file_whose_ending_tells_no_format_is_refused(self, path: Any) -> None:
        (fault,) = LoadArguments(FIELDS, staging_path=path, table="t").faults()
        assert "has an unknown ending" in fault.problem
        assert "If it is a folder, end it with a slash." in fault.remedy

    @pytest.mark.parametrize(
        "path", ["a/x.CSV.gz", "in", "in/run.v2", "a.xlsx/", "in/*.xlsx", ".hidden", "s3://my.bucket", "a/..", "b/1.2"]
    )
    def test_what_may_be_a_folder_or_can_be_read_is_taken(self, path: str) -> None:
        assert _keys(staging_path=path, table="t") == []

    def test_every_fault_is_told_with_every_other(self) -> None:
        keys = _keys(
            staging_path=["a.xlsx", "{{TABLE}}/"],
            records=5,
            table="",
            columns="id",
            state_path="",
            atomic=1,
            dry_run="no",
            aws_conn_id=5,
            found=[Fault("spec", "is wrong.", "")],
        )
        assert keys == [
            *("spec", "atomic", "dry_run", "state_path", "aws_conn_id", "records", "table"),
            *("staging_path", "staging_path", "records", "columns"),
        ]

    def test_a_field_of_unknown_value_is_neither_missing_nor_judged(self) -> None:
        assert _keys(fields={**FIELDS, "path": UNKNOWN}, records=RECORDS, table="t") == []
        assert _keys(fields=dict.fromkeys(SpecFields.model_fields, UNKNOWN), records=RECORDS, table="t") == []

    def test_the_records_of_one_table_may_be_unknown_beside_others(self) -> None:
        assert _keys(records={"a": None, "b": None}, unknown=("records.a",)) == ["records"]

    @pytest.mark.parametrize("state", ["raw", "raw/", "raw/state", "s3://lake/raw/state"])
    @pytest.mark.parametrize("path", ["raw/{{TABLE}}/{{UUID}}.csv", "raw/{{ ds }}/{{TABLE}}/{{UUID}}.csv"])
    def test_no_state_lies_among_the_data(self, state: str, path: str) -> None:
        fields = {**FIELDS, "bucket": "lake", "path": path}
        unknown = ("path",) if "ds" in path else ()

        assert _keys(unknown=unknown, fields=fields, records=RECORDS, table="orders", state_path=state) == [
            "state_path"
        ]

    @pytest.mark.parametrize("state", ["raw-state", "_state/raw", "s3://other/raw/state"])
    def test_a_state_lies_beside_the_data(self, state: str) -> None:
        fields = {**FIELDS, "bucket": "lake", "path": "raw/{{TABLE}}/{{UUID}}.csv"}

        assert _keys(fields=fields, records=RECORDS, table="orders", state_path=state) == []

    def test_faults_of_spec_and_arguments_are_told_together(self) -> None:
        fields = {**FIELDS, "bucket": "", "format": "xml"}
        keys = _keys(fields=fields, records=None, table="orders", columns="id", atomic="x")
        assert keys == ["bucket", "format", "atomic", "records", "columns"]


class TestSeveralTables:
    @pytest.mark.parametrize("path", ["raw/{{UUID}}.csv", "all.csv"])
    def test_they_need_a_table_in_the_path(self, path: str) -> None:
        fields = {**FIELDS, "path": path, **({} if "UUID" in path else {"no_rotate": True})}
        assert _keys(fields=fields, records={"orders": [], "items": []}) == ["path"]
        assert _keys(fields=fields, records={"orders": []}) == []

    @pytest.mark.parametrize("path", ["{{TABLE}}", "{{ TABLE }}", "{{TABLE_HYPHEN}}"])
    def test_either_spelling_of_the_table_keeps_them_apart(self, path: str) -> None:
        assert list(table_faults(path, ["orders", "items"])) == []


class TestWhatIsNotKnownYet:
    def test_nothing_is_missed_while_anything_may_still_come(self) -> None:
        unknown = (*SpecFields.model_fields, "records", "table", "columns")
        assert _keys(fields={}, records=None, columns="id", unknown=unknown) == []

    def test_what_is_known_is_judged_all_the_same(self) -> None:
        assert _keys(fields={"batch_size": 0}, records=RECORDS, unknown=("bucket", "path", "format", "table")) == [
            "batch_size"
        ]

    def test_a_path_is_not_held_against_a_no_rotate_that_may_still_come(self) -> None:
        fields = {**FIELDS, "path": "raw/{{TABLE}}.csv"}
        assert _keys(fields=fields, records=RECORDS, table="orders", unknown=("no_rotate",)) == []
        assert _keys(fields=fields, records=RECORDS, table="orders") == ["path"]

    def test_options_are_not_held_against_a_format_that_may_still_come(self) -> None:
        fields = {**FIELDS, "format_spec": {"quote": "'"}}
        assert _keys(fields=fields, records=RECORDS, table="orders", unknown=("format",)) == []
        assert _keys(fields=fields, records=RECORDS, table="orders") == ["format_spec.quote"]

    def test_a_path_of_jinja_is_judged_once_it_is_rendered(self) -> None:
        fields = {**FIELDS, "path": "/raw/{{ ds }}"}
        assert _keys(fields=fields, records={"orders": [], "items": []}, unknown=("path",)) == []


class TestWarning:
    @staticmethod
    def _warnings(caplog: pytest.LogCaptureFixture, path: str, **arguments: Any) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "airflow_provider_s3dest.load.arguments"):
            LoadArguments({**FIELDS, "path": path, "no_rotate": True}, **arguments).warn()
        return [record.getMessage() for record in caplog.records]

    def test_one_object_under_a_lasting_name_warns_that_the_next_run_overwrites(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        (message,) = self._warnings(caplog, "raw/{{TABLE}}.csv")
        assert "the next run overwrites" in message
        assert "raw/{{TABLE}}.csv" in message

    @pytest.mark.parametrize("path", ["{{DAY}}/{{TABLE}}", "{{SYNC_ID}}/{{TABLE}}"])
    def test_a_date_or_the_run_in_the_path_does_not_warn(self, caplog: pytest.LogCaptureFixture, path: str) -> None:
        assert self._warnings(caplog, path) == []

    def test_a_path_that_jinja_made_differ_does_not_warn(self, caplog: pytest.LogCaptureFixture) -> None:
        assert self._warnings(caplog, "2026-01-31/x.csv", written_path="{{ ds }}/x.csv") == []

    def test_batches_do_not_warn(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            LoadArguments(FIELDS).warn()
        assert caplog.records == []


class TestLiteralRecords:
    @pytest.mark.parametrize("records", [[], [{"a": 1}], ({"a": None},), {"t": [{"a": 1}], "u": []}])
    def test_good_ones_pass(self, records: Any) -> None:
        assert list(literal_record_faults(records, "orders")) == []

    @pytest.mark.parametrize(
        ("records", "table", "index"),
        [
            ([{"a": 1}, 5], "orders", 1),
            ([{"a": 1}, ["a"]], "orders", 1),
            ([{1: "a"}], "orders", 0),
            ({"items": [{"a": 1}, {"a": 2}, None]}, "items", 2),
        ],
    )
    def test_a_bad_one_is_found_with_its_place(self, records: Any, table: str, index: int) -> None:
        (fault,) = literal_record_faults(records, "orders")
        assert fault.key == "records"
        assert f"table {table!r}, record {index}" in fault.problem

    def test_each_table_s_first_bad_one_is_told(self) -> None:
        assert len(list(literal_record_faults({"a": [1, 2], "b": [{}], "c": [3]}, None))) == 2

    def test_a_stream_is_left_alone(self) -> None:
        stream = iter([5])
        assert list(literal_record_faults(stream, "orders")) == []
        assert next(stream) == 5
