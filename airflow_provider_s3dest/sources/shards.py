"""Splits the files of a staging path into shards of about the same size, for several loads beside one another."""

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
    """Some files of one table, sorted by path: what one load takes.

    :param columns: names of the columns to write, in order; None: as the files tell.
    """

    table: str
    files: Sequence[StagedFile]
    columns: tuple[str, ...] | None = None

    def arguments(self) -> dict[str, Any]:
        """Give the arguments of a load, in types that JSON has."""
        columns = {"columns": list(self.columns)} if self.columns else {}
        return {"staging_path": [literal_path(file.path) for file in self.files], "table": self.table, **columns}


def split(
    tables: Mapping[str, Sequence[StagedFile]], shards: int, columns: tuple[str, ...] | None = None
) -> list[Shard]:
    """Split staged files into shards of about the same number of bytes; the same files give the same shards.

    A shard holds files of one table and none is empty, so that there is at least one a table, and no more than files.
    Where the files tell their columns beforehand, every shard of a table has the columns of all its files.

    :param tables: the files of each table.
    :param shards: how many.
    :param columns: names of the columns to write, in order; None: as the files tell.
    :raises SpecError: if the number makes no sense.
    """
    if type(shards) is not int or shards < 1:
        raise SpecError([Fault("shards", f"is {short(shards)}.", "Give a number from 1.")])
    sizes = {name: _sizes(files) for name, files in tables.items()}
    counts = _counts(sizes, shards)
    split_up: list[Shard] = []
    for name, files in tables.items():
        own = columns or known_columns(name, files)
        split_up += [Shard(name, part, own) for part in _balanced(files, sizes[name], counts[name])]
    return split_up


def _sizes(files: Sequence[StagedFile]) -> list[int]:
    """Give the sizes of files in bytes, or 1 for each if one is unknown; 1 for an empty file, which costs something."""
    sizes = [file.store.size(file.path) for file in files]
    return [1] * len(sizes) if None in sizes else [max(size or 0, 1) for size in sizes]


def _counts(sizes: Mapping[str, Sequence[int]], shards: int) -> dict[str, int]:
    """Give every table one shard, and each further one to the table whose shards are the largest on average."""
    counts = dict.fromkeys(sizes, 1)
    largest: list[tuple[float, str]] = [(-sum(own), name) for name, own in sizes.items() if len(own) > 1]
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
    """Put the largest file first, and each into the shard that holds least: at most a third over the best split."""
    shards: list[list[StagedFile]] = [[] for _ in range(count)]
    fullness = [(0, number) for number in range(count)]
    for size, file in sorted(zip(sizes, files, strict=True), key=lambda pair: (-pair[0], pair[1].path)):
        held, number = fullness[0]
        shards[number].append(file)
        heapq.heapreplace(fullness, (held + size, number))
    return [sorted(shard, key=lambda file: file.path) for shard in shards]
