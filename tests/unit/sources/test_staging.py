"""Staging paths on the local disk: what they match, into which tables it goes, in which order, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.errors import RecordError, S3DestinationError, SpecError, StagingError
from airflow_provider_s3dest.sources import staging_pattern
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.glob_tokens import Token, ends
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.sources.staging_path import check_staging_path
from airflow_provider_s3dest.sources.staging_pattern import StagingPattern
from tests.unit.tables import put, rows_of, staged, staged_rows, staged_table, written


def lay(folder: Path, *names: str) -> Path:
    """Put small files, each holding its own name."""
    for name in names:
        put(folder / name, f"n\n{name}\n")
    return folder


def read(paths: Any) -> list[str]:
    """Give the names that the files hold, in the order in which they are read."""
    return [row["n"] for row in staged_rows(paths)]


@pytest.mark.parametrize("ending", ["csv", "ndjson", "json"])
def test_a_hundred_thousand_columns_are_read_and_written(ending: str, tmp_path: Path) -> None:
    record = {f"column_{number}": number for number in range(100_000)}
    path = tmp_path / f"wide.{ending}"
    if ending == "csv":
        put(path, f"{','.join(record)}\n{','.join(map(str, record.values()))}\n")
    else:
        put(path, json.dumps([record] if ending == "json" else record))

    assert json.loads(written(staged_table(path), "json")) == {
        name: str(number) if ending == "csv" else number for name, number in record.items()
    }
    assert written(staged_table(path), "csv").decode().split("\n")[1] == ",".join(map(str, range(100_000)))


@pytest.mark.parametrize("ending", ["csv", "ndjson", "json"])
def test_a_field_of_many_blocks_is_read_whole(ending: str, tmp_path: Path) -> None:
    text = 'a long "field",\n' * 500_000
    path = tmp_path / f"long.{ending}"
    if ending == "csv":
        put(path, 'a,b\n1,"' + text.replace('"', '""') + '"\n2,\n')
    else:
        records = [{"a": "1", "b": text}, {"a": "2", "b": None}]
        put(path, json.dumps(records) if ending == "json" else "\n".join(map(json.dumps, records)))

    read = map(json.loads, written(staged_table(path), "json").splitlines())
    assert [*read] == [{"a": "1", "b": text}, {"a": "2", "b": None}]


class TestMatching:
    def test_file_is_read(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.csv", "b.csv")
        assert read(str(tmp_path / "a.csv")) == read(tmp_path / "a.csv") == ["a.csv"]
        assert read(f"file://{tmp_path}/a.csv") == ["a.csv"]

    def test_folder_is_read_to_any_depth_sorted_by_path(self, tmp_path: Path) -> None:
        lay(tmp_path, "b.csv", "a/z.csv", "a/b/c.csv", "B.csv", "10.csv", "9.csv")
        expected = ["10.csv", "9.csv", "B.csv", "a/b/c.csv", "a/z.csv", "b.csv"]
        assert read(tmp_path) == read(f"{tmp_path}/") == expected

    def test_names_with_underscore_or_dot_are_passed_over(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.csv", "_a.csv", ".a.csv", "_tmp/a.csv", ".git/a.csv", "x/_y/a.csv", "x/a.csv")
        put(tmp_path / "_SUCCESS", "")
        assert read(tmp_path) == read(f"{tmp_path}/**") == ["a.csv", "x/a.csv"]
        assert read(f"{tmp_path}/*.csv") == ["a.csv"]
        for wild in ("?a.csv", "[._]a.csv", "*/.a.csv", "_tmp/[!b]?a.csv"):
            with pytest.raises(StagingError, match="passed over"):
                read(f"{tmp_path}/{wild}")

    def test_hidden_name_that_the_path_spells_is_read(self, tmp_path: Path) -> None:
        lay(tmp_path, "_a.csv", ".tmp/b.csv", ".tmp/_c.csv", "x/_d.csv")
        assert read(tmp_path / "_a.csv") == ["_a.csv"]
        assert read(tmp_path / ".tmp") == [".tmp/b.csv"]
        assert read(f"{tmp_path}/_*.csv") == ["_a.csv"]
        assert read(f"{tmp_path}/*/_d.csv") == ["x/_d.csv"]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*.csv", ["a.csv", "b.csv"]),
            ("?.csv", ["a.csv", "b.csv"]),
            ("[b-c].csv", ["b.csv"]),
            ("[!b].csv", ["a.csv"]),
            ("[]b].csv", ["b.csv"]),
            ("*/*.csv", ["x/a.csv", "x/b.csv", "xa.csv/c.csv"]),
            ("**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]),
            ("x/**/a.csv", ["x/a.csv", "x/y/a.csv"]),
            ("**", ["a.csv", "b.csv", "x/a.csv", "x/b.csv", "x/y/a.csv", "xa.csv/c.csv"]),
            ("x*/", ["x/a.csv", "x/b.csv", "x/y/a.csv", "xa.csv/c.csv"]),
            ("*/y", ["x/y/a.csv"]),
            ("*a.csv", ["a.csv"]),
            ("x[!a]a.csv", None),
            ("x[.-0]a.csv", None),
            ("x?a.csv", None),
            ("*//a.csv", None),
            ("[a.csv", None),
            ("[]", None),
            ("[]a.csv", None),
        ],
    )
    def test_wildcards_match_names_and_never_a_slash(
        self, pattern: str, expected: list[str] | None, tmp_path: Path
    ) -> None:
        lay(tmp_path, "a.csv", "b.csv", "x/a.csv", "x/b.csv", "x/y/a.csv", "xa.csv/c.csv")
        if expected is None:
            with pytest.raises(StagingError, match="matches no file"):
                read(f"{tmp_path}/{pattern}")
        else:
            assert read(f"{tmp_path}/{pattern}") == expected

    @pytest.mark.parametrize(
        ("path", "file"),
        [
            ("a*" * 30 + "b", "a" * 250),
            ("**/a/" * 30 + "b", "a/" * 500 + "c"),
            ("*{{TABLE}}*" + "a*" * 10 + "b", "a" * 100),
            ("{{TABLE}}*/" + "{{TABLE}}*" * 20 + "b", "a" * 100 + "/" + "a" * 250),
        ],
        ids=["stars", "folders", "table", "table twice"],
    )
    def test_many_wildcards_and_a_long_name_take_no_time(self, path: str, file: str) -> None:
        """A failing test does not end: a regular expression would try all ways to share out the characters."""
        assert StagingPattern.of(path).match(file) is None

    @pytest.mark.parametrize("begin", ["*", "b*", "*-"])
    @pytest.mark.parametrize("end", ["*x*y", "a*a*a.csv", "-*"])
    def test_one_table_between_stars_is_not_tried_position_by_position(
        self, begin: str, end: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        walks = 0

        def counted(tokens: Sequence[Token], path: str, begins: Iterable[int]) -> set[int]:
            nonlocal walks
            walks += 1
            return ends(tokens, path, begins)

        monkeypatch.setattr(staging_pattern, "ends", counted)
        with suppress(StagingError):
            StagingPattern.of(f"{begin}{{{{TABLE}}}}{end}").match("ba-" * 300 + "a" * 100 + ".csv")
        assert 0 < walks < 50

    def test_names_that_look_like_wildcards_are_files_of_that_name_first(self, tmp_path: Path) -> None:
        lay(tmp_path, "a[1].csv", "a1.csv", "what?.csv", "star*.csv", "starry.csv")
        assert read(tmp_path / "a[1].csv") == ["a[1].csv"]
        assert read(tmp_path / "what?.csv") == ["what?.csv"]
        assert read(tmp_path / "star*.csv") == ["star*.csv"]

    def test_odd_names_are_read(self, tmp_path: Path) -> None:
        names = ["a b.csv", "a\nb.csv", "é😀.csv", "a+(1).csv", "a.b.csv", "$x^.csv", "back\\slash.csv", "{x}.csv"]
        lay(tmp_path, *names)
        for name in names:
            assert "\n".join(read(tmp_path / name)) == name
        assert sorted(read(f"{tmp_path}/*.csv")) == sorted("\n".join(names).split("\n"))

    def test_list_of_paths_reads_each_file_once_sorted_by_path(self, tmp_path: Path, monkeypatch: Any) -> None:
        lay(tmp_path, "b.csv", "a.csv", "x/c.csv")
        paths = [
            f"{tmp_path}/x",
            f"{tmp_path}/*.csv",
            tmp_path / "a.csv",
            f"{tmp_path}//a.csv",
            f"{tmp_path}/x/../b.csv",
        ]
        assert sorted(read(paths)) == ["a.csv", "b.csv", "x/c.csv"]
        monkeypatch.chdir(tmp_path)
        assert sorted(read(["a.csv", "./a.csv", tmp_path / "a.csv", "*.csv", "."])) == ["a.csv", "b.csv", "x/c.csv"]

    def test_relative_paths_start_at_the_working_directory(self, tmp_path: Path, monkeypatch: Any) -> None:
        lay(tmp_path, "a.csv", "x/b.csv", "x/c.csv")
        monkeypatch.chdir(tmp_path)
        assert read("a.csv") == read("*.csv") == read("./*.csv") == ["a.csv"]
        assert read("x") == read("x/") == read("x/*") == read("./x/*.csv") == read("*/*.csv") == ["x/b.csv", "x/c.csv"]
        assert read("x/../a.csv") == ["a.csv"]
        assert read(".") == read("**") == ["a.csv", "x/b.csv", "x/c.csv"]

    def test_links_are_followed_and_loops_end(self, tmp_path: Path) -> None:
        elsewhere = lay(tmp_path / "elsewhere", "f.csv", "d/g.csv")
        stage = lay(tmp_path / "stage", "a.csv", "sub/b.csv")
        (stage / "file.csv").symlink_to(elsewhere / "f.csv")
        (stage / "folder").symlink_to(elsewhere / "d")
        (stage / "sub" / "loop").symlink_to(stage)
        (stage / "self").symlink_to(stage / "self")
        assert read(f"{stage}/*.csv") == ["a.csv", "f.csv"]
        (stage / "self").unlink()
        assert sorted(read(stage)) == ["a.csv", "d/g.csv", "f.csv", "sub/b.csv"]


class TestTables:
    def test_folder_names_the_table(self, tmp_path: Path) -> None:
        lay(tmp_path, "b/1.csv", "a/2.csv", "a/1.csv", "a/x/3.csv", "_c/1.csv", "d.csv")
        for path in ("{{TABLE}}/*.csv", "{{ TABLE }}/*.csv"):
            tables = staged(f"{tmp_path}/{path}", None)
            assert {name: [row["n"] for row in rows_of(table)] for name, table in tables.items()} == {
                "a": ["a/1.csv", "a/2.csv"],
                "b": ["b/1.csv"],
            }
        below = staged(f"{tmp_path}/{{{{TABLE}}}}", None)
        assert [row["n"] for row in rows_of(below["a"])] == ["a/1.csv", "a/2.csv", "a/x/3.csv"]
        assert list(below) == ["a", "b"]

    def test_file_name_names_the_table(self, tmp_path: Path) -> None:
        lay(tmp_path, "orders-1.csv", "orders-2.csv", "items-1.csv", "odd name!-1.csv")
        assert list(staged(f"{tmp_path}/{{{{TABLE}}}}-*.csv", None)) == ["items", "odd name!", "orders"]
        assert list(staged(f"{tmp_path}/{{{{TABLE}}}}.csv", None)) == ["items-1", "odd name!-1", "orders-1", "orders-2"]
        assert list(staged(f"{tmp_path}/{{{{TABLE}}}}.*", None)) == ["items-1", "odd name!-1", "orders-1", "orders-2"]

    def test_same_name_twice_in_a_path_must_be_the_same_table(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/a.csv", "a/b.csv", "b/b.csv")
        assert list(staged(f"{tmp_path}/{{{{TABLE}}}}/{{{{TABLE}}}}.csv", None)) == ["a", "b"]

    def test_list_of_paths_may_name_one_table_several_times(self, tmp_path: Path) -> None:
        lay(tmp_path, "x/a.csv", "y/a.csv", "y/b.csv")
        tables = staged([f"{tmp_path}/y/{{{{TABLE}}}}.csv", f"{tmp_path}/x/{{{{TABLE}}}}.csv"], None)
        assert {name: [row["n"] for row in rows_of(table)] for name, table in tables.items()} == {
            "a": ["x/a.csv", "y/a.csv"],
            "b": ["y/b.csv"],
        }

    @pytest.mark.parametrize(
        ("path", "table", "said"),
        [
            ("x/{{TABLE}}.csv", "t", "beside {{TABLE}}"),
            ("x/a.csv", None, "`table`: is missing"),
            (["x/{{TABLE}}.csv", "x/a.csv"], None, "in some paths and not in others"),
            ([], "t", "Give a path or a list of paths"),
            ("", "t", "Give a path or a list of paths"),
            (["a.csv", ""], "t", "Give a path or a list of paths"),
            (None, "t", "Give a path or a list of paths"),
            (5, "t", "Give a path or a list of paths"),
            ({"a": 1}, "t", "Give a path or a list of paths"),
            ("x/{{UUID}}.csv", "t", "only {{TABLE}} works here"),
        ],
    )
    def test_path_and_table_must_go_together(self, path: Any, table: str | None, said: str) -> None:
        assert said in "\n".join(map(str, check_staging_path(path, table)))
        with pytest.raises(SpecError):
            staged(path, table)


class TestColumns:
    def test_columns_are_those_of_all_files_in_order(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", "b,a\n1,2\n")
        put(tmp_path / "2.tsv", "c\ta\n3\t4\n")
        put(tmp_path / "3.csv", "")
        put(tmp_path / "4.csv", "d\n")
        table = staged_table(tmp_path)
        assert written(table, "csv") == b"b,a,c,d\n1,2,,\n,4,3,\n"

    def test_columns_given_are_those_written(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", "b,a\n1,2\n")
        put(tmp_path / "2.csv", "c,a\n3,4\n")
        assert written(staged_table(tmp_path, ("a", "c")), "csv") == b"a,c\n2,\n4,3\n"

    def test_json_beside_csv_is_a_stream_of_both(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", 'a,b\n007,""\n')
        put(tmp_path / "2.ndjson", '{"a":1.10}\n{"c":{"x": null}}\n')
        put(tmp_path / "3.json", '[{"b":"\\u00e9"}]')
        put(tmp_path / "4.json", '{"a":2}\n{"a":null}\n')
        assert written(staged_table(tmp_path), "json").decode() == (
            '{"a":"007","b":"","c":null}\n{"a":1.10,"b":null,"c":null}\n{"a":null,"b":null,"c":{"x": null}}\n'
            '{"a":null,"b":"\\u00e9","c":null}\n{"a":2,"b":null,"c":null}\n{"a":null,"b":null,"c":null}\n'
        )

    def test_json_beside_parquet_is_a_stream_of_both(self, tmp_path: Path) -> None:
        put(tmp_path / "1.ndjson", '{"a":1.10}\n')
        pq.write_table(pa.table({"b": [1.5], "a": ["x"]}), tmp_path / "2.parquet")
        assert written(staged_table(tmp_path), "json").decode() == '{"a":1.10,"b":null}\n{"a":"x","b":1.5}\n'
        put(tmp_path / "1.ndjson", '{"a":1.10}\n' * 10_000)
        with pytest.raises(RecordError, match=r"2\.parquet, row 1, column 'b'.*`columns=`"):
            staged_rows(tmp_path)

    def test_late_column_of_a_later_json_file_is_refused_with_its_place(self, tmp_path: Path) -> None:
        put(tmp_path / "1.ndjson", '{"a":1}\n' * 10_000)
        put(tmp_path / "2.ndjson", '{"a":1}\n\n{"a":1,"b":2}\n')
        with pytest.raises(RecordError, match=r"2\.ndjson, line 3, column 'b'.*`columns=`"):
            staged_rows(tmp_path)
        assert len(staged_rows(tmp_path, ("a", "b"))) == 10_002

    def test_late_column_of_a_later_csv_file_is_known_beforehand(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", "a\n" + "1\n" * 10_001)
        put(tmp_path / "2.csv", "b\n2\n")
        rows = staged_rows(tmp_path)
        assert (len(rows), rows[0], rows[-1]) == (10_002, {"a": "1", "b": None}, {"a": None, "b": "2"})


class TestRefusals:
    @pytest.mark.parametrize("path", ["missing.csv", "missing/", "*.csv", "empty", "empty/*", "missing/**/x.csv"])
    def test_path_that_matches_nothing_is_refused(self, path: str, tmp_path: Path, monkeypatch: Any) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(StagingError, match="matches no file") as refused:
            staged_rows(f"{tmp_path}/{path}")
        assert f"{tmp_path}/{path}" in str(refused.value)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(StagingError, match="matches no file") as refused:
            staged_rows(path)
        assert f"below {tmp_path}" in str(refused.value)

    def test_one_path_of_a_list_that_matches_nothing_is_refused(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.csv")
        with pytest.raises(StagingError, match=r"b\.csv matches no file"):
            read([tmp_path / "a.csv", tmp_path / "b.csv"])

    def test_a_file_that_two_paths_capture_as_different_tables_is_refused(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/b/x.csv", "b/c/y.csv")
        paths = [f"{tmp_path}/{{{{TABLE}}}}/*/*.csv", f"{tmp_path}/a/{{{{TABLE}}}}/*.csv"]
        with pytest.raises(StagingError, match=r"a/b/x\.csv is captured as the table 'a' and, by .*, as 'b'"):
            staged_tables(paths, None, lambda scheme: LocalFiles())

    def test_a_file_that_two_paths_capture_as_the_same_table_is_read_once(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/x.csv")
        paths = [f"{tmp_path}/{{{{TABLE}}}}/*.csv", f"{tmp_path}/{{{{TABLE}}}}/x.csv"]
        tables = staged_tables(paths, None, lambda scheme: LocalFiles())
        assert {name: len(files) for name, files in tables.items()} == {"a": 1}

    @pytest.mark.parametrize("name", ["x.txt", "x", "x.gz", "x.csv.bz2", "x.csv.gz.zst", "x.csvx", "x.xlsx.gz"])
    def test_ending_that_tells_no_format_is_refused(self, name: str, tmp_path: Path) -> None:
        put(tmp_path / name, "a\n1\n")
        for path in (tmp_path / name, tmp_path):
            with pytest.raises(S3DestinationError, match="an unknown ending") as refused:
                staged_rows(path)
            assert str(tmp_path / name) in str(refused.value)

    def test_link_to_nothing_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
        with pytest.raises(StagingError, match=r"a\.csv can't be opened: No such file"):
            staged_rows(tmp_path)

    def test_pipe_is_refused_and_never_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.csv")
        with pytest.raises(StagingError, match=r"a\.csv is no regular file"):
            staged_rows(tmp_path)
        with pytest.raises(StagingError):
            staged_rows(tmp_path / "a.csv")

    def test_wildcard_that_makes_no_sense_is_refused(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.csv")
        for wild in ("[z-a].csv", "[!]"):
            with pytest.raises(SpecError, match="a wildcard that can't be read"):
                staged_rows(f"{tmp_path}/{wild}")

    def test_file_that_is_gone_when_it_is_opened_is_refused(self, tmp_path: Path) -> None:
        lay(tmp_path, "a.csv")
        listed = staged_tables(str(tmp_path), "t", lambda scheme: LocalFiles())
        (tmp_path / "a.csv").unlink()
        with pytest.raises(StagingError, match=r"a.csv can't be opened: No such file or directory. Check that"):
            open_staged("t", listed["t"], None)

    @pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and can't be read")
    @pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.json", "a.csv.gz"])
    def test_file_that_the_disk_does_not_give_is_named_and_may_be_read_by_another_try(
        self, name: str, tmp_path: Path
    ) -> None:
        (tmp_path / name).symlink_to("/proc/self/mem")
        with pytest.raises(
            StagingError, match=rf"{name} can't be read: Input/output error\. Another attempt"
        ) as refused:
            staged_rows(tmp_path)
        assert not refused.value.final

    def test_table_that_could_end_at_several_places_is_refused(self, tmp_path: Path) -> None:
        lay(tmp_path, "orders-1.csv", "order-items-1.csv")
        with pytest.raises(StagingError, match="as the table 'order' or 'order-items'"):
            staged(f"{tmp_path}/{{{{TABLE}}}}-*.csv", None)

    def test_two_names_of_one_folder_are_two_folders(self, tmp_path: Path) -> None:
        lay(tmp_path, "a/1.csv")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        assert list(staged(f"{tmp_path}/{{{{TABLE}}}}/*.csv", None)) == ["a", "b"]

    @pytest.mark.parametrize(
        ("name", "content", "place"),
        [
            ("x.csv", "a,b\n1,2\n3\n", "line 3"),
            ("x.tsv", "a\tb\n1\t2\n3\n", "line 3"),
            ("x.ndjson", '{"a":1}\n\n{"a"\n', "line 3"),
            ("x.json", '[{"a":1},\n\n{"a"}]', "line 3"),
            ("x.json", '{"a":1}\n\n{"a"}', "line 3"),
        ],
    )
    def test_malformed_record_is_named_by_file_and_line(
        self, name: str, content: str, place: str, tmp_path: Path
    ) -> None:
        put(tmp_path / "a.csv", "a,b\n1,2\n")
        path = put(tmp_path / name, content)
        with pytest.raises(RecordError) as refused:
            staged_rows(tmp_path)
        assert f"{path}, {place}" in str(refused.value)
