"""Staged files of the disk that change while they are read: the load fails, commits nothing and deletes nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.errors import ReplacedFileError
from airflow_provider_s3dest.load.deliver import deliver_as_planned
from airflow_provider_s3dest.load.inputs import FileStores
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from tests.integration.loading import delivery_of, plan_of, s3_state, spec_of
from tests.servers import Bucket

RECORDS = 6_000
TEXTS = [f"{random.Random(number).getrandbits(200):050x}" for number in range(RECORDS)]
Change = Callable[[Path], object]


@cache
def _content(name: str) -> bytes:
    """Return a file that is read in several pieces, by its name."""
    rows = [json.dumps({"n": number, "text": text}) for number, text in enumerate(TEXTS)]
    table = pa.table({"n": range(RECORDS), "text": TEXTS})
    sink = io.BytesIO()
    match name.removesuffix(".gz").rpartition(".")[2]:
        case "csv":
            sink.write(b"n,text\n" + "".join(f"{n},{text}\n" for n, text in enumerate(TEXTS)).encode())
        case "ndjson":
            sink.write("\n".join(rows).replace(" ", "").encode())
        case "json":
            sink.write(f"[{','.join(rows)}]".encode())
        case "parquet":
            pq.write_table(table, sink, row_group_size=500)
        case "arrow":
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=500)
    return gzip.compress(sink.getvalue()) if name.endswith(".gz") else sink.getvalue()


def _cut_at_a_line_end(path: Path) -> None:
    content = path.read_bytes()
    os.truncate(path, content.rfind(b"\n", 0, len(content) * 3 // 4) + 1)


def _rewrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size * 3 // 4)
        file.write(b"\n")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(_content(path.name)[-70:])


def _replace(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(path.read_bytes())
    status = path.stat()
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))  # as `cp -p` does: only the inode tells
    fresh.replace(path)


class _ChangingFiles(LocalFiles):
    """Files of the disk, one of which changes when half of it was read."""

    def __init__(self, change: Change) -> None:
        self._change: Change | None = change
        self._read = 0

    def open(self, path: str) -> IO[bytes]:
        super().open(path).close()
        return io.BufferedReader(_Raw(path, self), 2**16)

    def was_read(self, path: str, size: int) -> None:
        self._read += size
        if self._change and self._read > os.path.getsize(path) // 2:
            change, self._change = self._change, None
            change(Path(path))


class _Raw(io.FileIO):
    def __init__(self, path: str, files: _ChangingFiles) -> None:
        super().__init__(path)
        self._path, self._files = path, files

    def readinto(self, buffer: Any) -> int | None:
        size = super().readinto(buffer)
        self._files.was_read(self._path, size or 0)
        return size


NAMES = ["a.csv", "a.ndjson", "a.json", "a.parquet", "a.arrow", "a.csv.gz", "a.ndjson.gz"]
CHANGES = [_cut_at_a_line_end, _rewrite_in_place, _append, _replace, Path.unlink]
CASES = [
    *product(["a.ndjson"], CHANGES, ["json"], ["fail"]),  # passes through
    *product(["a.csv"], CHANGES, ["csv"], ["fail"]),  # passes through
    *product(["a.csv", *NAMES[2:]], [_rewrite_in_place, _replace], ["json"], ["fail"]),
    *product(["a.csv", "a.ndjson"], [_cut_at_a_line_end, _rewrite_in_place], ["json"], ["quarantine"]),
]


@pytest.mark.parametrize(("name", "change", "target", "on_bad_record"), CASES)
def test_a_file_that_changes_while_it_is_read_fails_the_load(
    moto_bucket: Bucket, tmp_path: Path, name: str, change: Change, target: str, on_bad_record: str
) -> None:
    path = tmp_path / name
    path.write_bytes(_content(name))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    arguments: dict[str, Any] = {"staging_path": str(path), "table": "t", "delete_staging": True, "keeps_state": True}
    plan = plan_of(spec_of(moto_bucket, format=target), **arguments, on_bad_record=on_bad_record)
    client, stop, state = moto_bucket.server.client(), StopFlag(), s3_state(moto_bucket)
    stores = FileStores(client, LocalFiles)
    stores._stores[""] = _ChangingFiles(change)

    with pytest.raises(ReplacedFileError, match=r"a\..* was changed or replaced while it was read") as failure:
        deliver_as_planned(plan, delivery_of(plan, client, state=state, stop=stop), client, stores, stop)

    assert not failure.value.final
    assert path.exists() or change is Path.unlink
    text = state.peek()
    assert text is not None
    assert LoadState.from_text(text).staged is None
