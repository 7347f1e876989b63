"""Splits the files of a staging path into shards of about the same size, which several loads deliver in parallel."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.sources.staged_files import known_columns
from airflow_provider_s3dest.sources.staging import StagedFile
from airflow_provider_s3dest.sources.staging_pattern import literal_path


@dataclass(frozen=True, slots=True)
class Shard:
    """Some files of one table, sorted by path, for one load.

    :param columns: names of the columns to write, in order; None: those of the files.
    :param staging_format: the argument of the load; None: not given.
    :param is_part: whether the table has further shards, whose files may have columns that these files lack.
    """

    table: str
    files: Sequence[StagedFile]
    columns: tuple[str, ...] | None = None
    staging_format: Mapping[str, Any] | None = None
    is_part: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the load, as JSON types."""
        columns: dict[str, Any] = {"columns": list(self.columns)} if self.columns else {}
        if columns and self.is_part:
            columns["shard"] = True
        form = {"staging_format": dict(self.staging_format)} if self.staging_format else {}
        paths = [literal_path(file.path) for file in self.files]
        return {"staging_path": paths, "table": self.table, **columns, **form}


def split(
    tables: Mapping[str, Sequence[StagedFile]],
    shards: int,
    columns: tuple[str, ...] | None = None,
    staging_format: Mapping[str, Any] | None = None,
) -> list[Shard]:
    """Split staged files into shards of about the same number of bytes; the same files give the same shards.

    A shard holds files of one table, and none is empty. So there is at least one shard for each table, and there are no
    more shards than files. If the columns of the files are known beforehand (not for JSON), every shard of a table has
    the columns of all of its files.

    :param tables: the files of each table.
    :param shards: number of the shards.
    :param columns: names of the columns to write, in order; None: those of the files.
    :param staging_format: the ``staging_format`` that each shard's load is given; the files have it already.
    :raises SpecError: if the number is not a whole number of at least 1.
    """
    if type(shards) is not int or shards < 1:
        raise SpecError([Fault("shards", f"is {short(shards)}.", "Give 1 or more.")])
    sizes = {name: _sizes(files) for name, files in tables.items()}
    counts = _counts(sizes, shards)
    all_shards: list[Shard] = []
    for name, files in tables.items():
        of_table = columns or known_columns(name, files)
        parts = _balanced(files, sizes[name], counts[name])
        all_shards += [Shard(name, part, of_table, staging_format, len(parts) > 1) for part in parts]
    return all_shards


def _sizes(files: Sequence[StagedFile]) -> list[int]:
    """Return the size of each file in bytes, or 1 each if one is unknown; at least 1, as empty files cost time too."""
    sizes = [file.store.size(file.path) for file in files]
    return [1] * len(sizes) if None in sizes else [max(size or 0, 1) for size in sizes]


def _counts(sizes: Mapping[str, Sequence[int]], shards: int) -> dict[str, int]:
    """Return the number of shards of each table: one, and each further one where shards are the largest on average."""
    counts = dict.fromkeys(sizes, 1)
    largest: list[tuple[float, str]] = [
        (-sum(all_sizes), name) for name, all_sizes in sizes.items() if len(all_sizes) > 1
    ]
    heapq.heapify(largest)
    for _ in range(shards - len(counts)):
        if not largest:
            break
        _, name = heapq.heappop(largest)
        counts[name] += 1
        if counts[name] < len(sizes[name]):
            heapq.heappush(largest, (-sum(sizes[name]) / counts[name], name))
    return counts


def _balanced(files: Sequence[StagedFile], sizes: Sequence[int], count: int) -> list[list[StagedFile]]:
    """Split files: the largest first, each into the shard that holds least so far.

    The largest shard is then at most a third larger than in the best split (Graham, 1969). Equal sizes go by path, so
    that the same files give the same shards.
    """
    shards: list[list[StagedFile]] = [[] for _ in range(count)]
    fullness = [(0, number) for number in range(count)]
    for size, file in sorted(zip(sizes, files, strict=True), key=lambda pair: (-pair[0], pair[1].path)):
        size_so_far, number = fullness[0]
        shards[number].append(file)
        heapq.heapreplace(fullness, (size_so_far + size, number))
    return [sorted(shard, key=lambda file: file.path) for shard in shards]
