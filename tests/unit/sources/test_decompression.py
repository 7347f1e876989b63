"""Compressed staged files: unpacked as they are read, and refused by name when they are damaged or cut off."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd

from airflow_provider_s3dest.errors import StagingError
from tests.unit.tables import put, staged_rows

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": zstd.compress,
}
TABLE = pyarrow.table({"a": [f"text {number}" for number in range(50)], "b": list(range(50))})


def _parquet() -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(TABLE, out)
    return out.getvalue()


def _arrow(file: bool) -> bytes:
    out = io.BytesIO()
    with (pyarrow.ipc.new_file if file else pyarrow.ipc.new_stream)(out, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=20)
    return out.getvalue()


_RECORDS = TABLE.to_pylist()
CONTENTS: dict[str, bytes] = {
    ".csv": b"a,b\n" + b"".join(f"{row['a']},{row['b']}\n".encode() for row in _RECORDS),
    ".tsv": b"a\tb\n" + b"".join(f"{row['a']}\t{row['b']}\n".encode() for row in _RECORDS),
    ".ndjson": b"".join(json.dumps(row).encode() + b"\n" for row in _RECORDS),
    ".jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in _RECORDS),
    ".json": json.dumps(_RECORDS).encode(),
    ".parquet": _parquet(),
    ".arrow": _arrow(file=True),
    ".feather": _arrow(file=True),
    ".ipc": _arrow(file=False),
    ".arrows": _arrow(file=False),
}


def spelled(rows: list[dict[str, object]]) -> list[tuple[str, str]]:
    """Spell the records of any format alike."""

    def text(value: object) -> str:
        return str(json.loads(bytes(value))) if type(value).__name__ == "Raw" else str(value)  # type: ignore[call-overload]

    return [(text(row["a"]), text(row["b"])) for row in rows]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("ending", CONTENTS)
def test_every_format_is_read_plain_and_compressed(ending: str, suffix: str, tmp_path: Path) -> None:
    path = put(tmp_path / f"x{ending}{suffix}", PACKERS[suffix](CONTENTS[ending]))
    assert spelled(staged_rows(path)) == [(row["a"], str(row["b"])) for row in _RECORDS]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_ending_may_be_in_capitals(suffix: str, tmp_path: Path) -> None:
    path = put(tmp_path / f"x.CSV{suffix.upper()}", PACKERS[suffix](CONTENTS[".csv"]))
    assert len(staged_rows(path)) == 50


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("ending", [".csv", ".ndjson", ".json", ".parquet", ".arrow", ".ipc"])
def test_compressed_file_that_is_cut_off_anywhere_is_refused_by_name(ending: str, suffix: str, tmp_path: Path) -> None:
    packed = PACKERS[suffix](CONTENTS[ending])
    for size in sorted(
        {0, 1, 2, 5, *range(6, len(packed) - 12, max(1, len(packed) // 25)), *range(len(packed) - 12, len(packed))}
    ):
        path = put(tmp_path / f"x{ending}{suffix}", packed[:size])
        with pytest.raises(StagingError, match="Stage it again") as refused:
            staged_rows(path)
        assert str(path) in str(refused.value)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("ending", list(CONTENTS))
def test_file_that_is_not_what_its_ending_says_is_refused_by_name(ending: str, suffix: str, tmp_path: Path) -> None:
    path = put(tmp_path / f"x{ending}{suffix}", CONTENTS[ending])
    with pytest.raises(StagingError, match="can't be unpacked") as refused:
        staged_rows(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("ending", [".csv", ".ndjson", ".json"])
def test_byte_that_changed_is_noticed(ending: str, tmp_path: Path) -> None:
    packed = bytearray(PACKERS[".gz"](CONTENTS[ending]))
    packed[-6] ^= 1  # in the checksum
    with pytest.raises(StagingError, match="can't be unpacked"):
        staged_rows(put(tmp_path / f"x{ending}.gz", bytes(packed)))


def test_file_of_several_compressed_parts_is_read_whole(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        parts = [PACKERS[suffix](part) for part in (b"a,b\n", b"1,", b"2\n3,4\n")]
        assert staged_rows(put(tmp_path / f"x.csv{suffix}", b"".join(parts))) == [
            {"a": "1", "b": "2"},
            {"a": "3", "b": "4"},
        ]


def test_garbage_after_the_end_is_refused(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        with pytest.raises(StagingError, match="can't be unpacked"):
            staged_rows(put(tmp_path / f"x.csv{suffix}", PACKERS[suffix](b"a\n1\n") + b"garbage"))


def test_compressed_nothing_is_a_file_of_nothing(tmp_path: Path) -> None:
    for suffix in (".gz", ".zst"):
        assert staged_rows(put(tmp_path / f"x.csv{suffix}", PACKERS[suffix](b""))) == []
