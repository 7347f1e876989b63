"""Shards of a staging path: every file once, about the same size, the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.shards import Shard, split
from airflow_provider_s3dest.sources.staging import StagedFile, staged_tables
from airflow_provider_s3dest.sources.staging_pattern import StagingPattern, literal_path
from tests.unit.tables import put, staged_rows


class SizedStore(LocalFiles):
    """Knows the sizes of files that are not there."""

    def __init__(self, sizes: dict[str, int | None]) -> None:
        self.sizes = sizes

    def size(self, path: str) -> int:
        return self.sizes[path]  # type: ignore[return-value]  # None: some stores don't know


def files_of(*sizes: int | None, table: str = "t") -> dict[str, list[StagedFile]]:
    """Give NDJSON files of these sizes."""
    store = SizedStore({f"{table}/{number:03}.ndjson": size for number, size in enumerate(sizes)})
    return {table: [StagedFile(store, path, "ndjson", "") for path in store.sizes]}


def sizes_of(shards: Sequence[Shard]) -> list[int]:
    return [sum(file.store.size(file.path) or 0 for file in shard.files) for shard in shards]


def paths_of(shards: Sequence[Shard]) -> list[list[str]]:
    return [[file.path for file in shard.files] for shard in shards]


class TestSplitting:
    @given(st.lists(st.integers(0, 1000), min_size=1, max_size=40), st.integers(1, 12))
    def test_every_file_is_in_one_shard_and_none_holds_much_more_than_its_share(
        self, sizes: list[int], count: int
    ) -> None:
        files = files_of(*sizes)
        shards = split(files, count)

        assert sorted(path for own in paths_of(shards) for path in own) == [file.path for file in files["t"]]
        assert len(shards) == min(count, len(sizes))
        assert all(own == sorted(own) != [] for own in paths_of(shards))
        largest = [max(size, 1) for size in sorted(sizes, reverse=True)]
        best = max(sum(largest) / len(shards), largest[0], sum(largest[len(shards) - 1 : len(shards) + 1]))
        assert max(sizes_of(shards)) <= 4 / 3 * best
        assert paths_of(split({"t": files["t"][::-1]}, count)) == paths_of(shards)

    def test_a_large_file_is_alone_and_the_small_ones_share(self) -> None:
        assert paths_of(split(files_of(1, 2, 100, 3), 2)) == [
            ["t/002.ndjson"],
            ["t/000.ndjson", "t/001.ndjson", "t/003.ndjson"],
        ]

    def test_files_of_no_or_unknown_size_are_spread_by_their_number(self) -> None:
        for sizes in ([0] * 6, [None] * 6, [None, 5, 1000, 5, 5, 5]):
            assert [len(own) for own in paths_of(split(files_of(*sizes), 3))] == [2, 2, 2]

    def test_a_shard_holds_one_table_and_large_tables_have_more_shards(self) -> None:
        tables = files_of(10, 10, 10, 10, table="large") | files_of(1, 1, 1, table="small") | files_of(500, table="one")
        for count, expected in {
            1: {"large": 1, "small": 1, "one": 1},
            5: {"large": 3, "small": 1, "one": 1},
            6: {"large": 4, "small": 1, "one": 1},
            99: {"large": 4, "small": 3, "one": 1},
        }.items():
            of_table = [shard.table for shard in split(tables, count)]
            assert {table: of_table.count(table) for table in tables} == expected

    @pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, None])
    def test_a_number_that_makes_no_sense_is_refused(self, count: Any) -> None:
        with pytest.raises(SpecError, match=r"`shards`: is .*\. Give 1 or more"):
            split(files_of(1), count)


class TestArguments:
    def listed(self, folder: Path, count: int, columns: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
        found = staged_tables(str(folder), "t", lambda scheme: LocalFiles())
        return [shard.arguments() for shard in split(found, count, columns)]

    def test_each_shard_is_a_load_with_the_columns_of_all_files(self, tmp_path: Path) -> None:
        put(tmp_path / "1[x].csv", "b,a\n1,2\n")
        put(tmp_path / "2*.csv", "c,a\n3,4\n")
        shards = self.listed(tmp_path, 2)

        assert [(shard["table"], shard["columns"]) for shard in shards] == [("t", ["b", "a", "c"])] * 2
        rows = [staged_rows(shard["staging_path"], tuple(shard["columns"])) for shard in shards]
        assert rows == [[{"b": "1", "a": "2", "c": None}], [{"b": None, "a": "4", "c": "3"}]]

    def test_columns_of_json_are_left_to_each_load_so_that_none_is_lost(self, tmp_path: Path) -> None:
        put(tmp_path / "1.ndjson", '{"a":1}\n')
        put(tmp_path / "2.ndjson", '{"b":1}\n')
        assert ["columns" in shard for shard in self.listed(tmp_path, 2)] == [False, False]

    def test_columns_given_are_those_of_every_shard_and_no_file_is_opened(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", b"\xff")
        assert self.listed(tmp_path, 2, ("x", "y"))[0]["columns"] == ["x", "y"]

    def test_files_without_a_header_tell_no_columns(self, tmp_path: Path) -> None:
        put(tmp_path / "1.csv", "")
        assert self.listed(tmp_path, 2) == [{"staging_path": [f"{tmp_path}/1.csv"], "table": "t"}]

    def test_a_file_named_like_our_placeholder_is_that_file_alone(self, tmp_path: Path) -> None:
        put(tmp_path / "{{TABLE}}.csv", "a\n1\n")
        put(tmp_path / "b*.csv", "a\n2\n")
        shards = self.listed(tmp_path, 2)
        rows = [staged_rows(shard["staging_path"], tuple(shard["columns"])) for shard in shards]
        assert sorted(row["a"] for of_shard in rows for row in of_shard) == ["1", "2"]

    @pytest.mark.parametrize(
        "name", ["a[1].csv", "a*b?.csv", "[!x].csv", "x[/y].csv", "[].csv", "*", "{{TABLE}}.csv", "a{{ TABLE }}"]
    )
    def test_the_path_of_a_file_on_a_store_matches_that_file_alone(self, name: str) -> None:
        pattern = StagingPattern.of(literal_path(f"s3://b/in/{name}"))
        assert pattern.match(f"s3://b/in/{name}") == ""
        assert pattern.match("s3://b/in/a1.csv") is pattern.match("s3://b/in/axbx.csv") is None
