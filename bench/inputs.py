"""The data that is loaded: lineitem of TPC-H, and a nested, quoted, unicode set; the same rows from every source."""

from __future__ import annotations

import csv
import json
import pickle
import random
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parents[1] / ".bench" / "inputs"
_ROWS = {
    "lineitem": {"tiny": 1_000, "short": 30_000, "full": 80_000},
    "mixed": {"tiny": 1_000, "short": 10_000, "full": 25_000},
}
"""Records of each set: to compare what is written and to warm up, for the short form, and for the full one."""

KINDS = ("parquet", "csv", "ndjson")
"""Endings of staged files."""

Record = dict[str, Any]


def source(dataset: str, kind: str, size: str, copies: int = 1) -> Any:
    """Give records, or the paths of staged files.

    :param dataset: ``lineitem`` or ``mixed``.
    :param kind: ``dicts``, or the ending of staged files: ``parquet``, ``csv`` or ``ndjson``.
    :param size: ``tiny``, ``short`` or ``full``.
    :param copies: how many files, all the same, are staged; or how often each record is there.
    """
    if kind == "dicts":
        records: list[Record] = pickle.loads((FOLDER / dataset / size / "records.pickle").read_bytes())
        return records * copies
    return [str(FOLDER / dataset / size / f"{number}.{kind}") for number in range(copies)]


def rows(dataset: str, size: str) -> int:
    """Tell how many records a set has."""
    return _ROWS[dataset][size]


def make(size: str, copies: int = 1) -> None:
    """Make what is not there yet.

    :param copies: how many files, all links to the first, are staged.
    """
    for dataset in _ROWS:
        folder = FOLDER / dataset / size
        if not (folder / "records.pickle").exists():
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder, dataset, rows(dataset, size))
        for kind in KINDS:
            for number in range(1, copies):
                link = folder / f"{number}.{kind}"
                if not link.exists():
                    link.hardlink_to(folder / f"0.{kind}")


def _write(folder: Path, dataset: str, count: int) -> None:
    if dataset == "lineitem":
        table = _lineitem(folder, count)
        records = [_plain(record) for record in table.to_pylist()]
    else:
        records = mixed(count)
        table = pa.Table.from_pylist(records)
    pq.write_table(table, folder / "0.parquet")
    _write_csv(folder / "0.csv", records)
    _write_ndjson(folder / "0.ndjson", records)
    (folder / "records.pickle").write_bytes(pickle.dumps(records, protocol=5))


def _lineitem(folder: Path, rows: int) -> pa.Table:
    """Let tpchgen-cli generate as much as is needed: at scale 1 lineitem has six million rows."""
    program = str(Path(sysconfig.get_path("scripts"), "tpchgen-cli"))
    scale = rows * 1.01 / 6_000_000
    command = [program, "parquet", "-s", f"{scale:.5f}", "--tables=lineitem", "--overwrite", f"--output-dir={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    generated = folder / "lineitem.parquet"
    table: pa.Table = pq.read_table(generated).slice(0, rows)
    generated.unlink()
    return table


def _plain(record: Mapping[str, Any]) -> Record:
    """Give a record as tasks hand it over: with floats for decimals, which no JSON library takes."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in record.items()}


def mixed(rows: int) -> list[Record]:
    """Make the nested, quoted, unicode set."""
    chance = random.Random(20260203)
    words = ["plain", "two words", "é日本", 'said "yes"', "a,b", "line\nbreak", "", "😀", "back\\slash", "tab\there"]
    begin = datetime(2026, 2, 3, tzinfo=timezone.utc)
    return [
        {
            "id": number,
            "name": chance.choice(words),
            "note": " ".join(chance.choices(words, k=6)),
            "price": round(chance.uniform(-1e6, 1e6), 2),
            "ratio": chance.random(),
            "paid": chance.random() < 0.5,
            "maybe": None if chance.random() < 0.3 else chance.choice(words[:5]),
            "at": begin + timedelta(seconds=chance.randrange(10**7), microseconds=chance.randrange(10**6)),
            "tags": chance.choices(words[:4], k=chance.randrange(4)),
            "address": {
                "city": chance.choice(words[:5]),
                "geo": {"lat": chance.uniform(-90, 90), "far": number % 2 == 0},
            },
        }
        for number in range(rows)
    ]


def _write_csv(path: Path, records: Sequence[Record]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(records[0])
        writer.writerows(map(_cells, records))


def _cells(record: Record) -> Iterable[Any]:
    for value in record.values():
        if isinstance(value, (list, dict)):
            yield as_json(value)
        elif isinstance(value, bool):
            yield str(value).lower()
        else:
            yield value.isoformat() if isinstance(value, date) else value


def _write_ndjson(path: Path, records: Sequence[Record]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(as_json(record) + "\n" for record in records)


def as_json(value: Any) -> str:
    """Write a value as a user would who has nothing but the standard library."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda other: other.isoformat())
