"""The loads of which every stored byte is recorded.

The name of each function is the name of its load, and so a part of its keys.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tests.upgrade.attempt import BUCKET

MIB = 2**20
PATH = "raw/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Load:
    """A load, and the attempts of it that are made one after the other.

    :param attempts: the arguments of the operator in each attempt.
    :param staged: files that lie in the bucket before the first attempt, by key.
    :param by_hook: whether the hook is called, and not the operator.
    :param by_airflow: whether Airflow keeps the record of the load, and not an object of S3.
    :param map_index: of the task instance.
    """

    attempts: Sequence[Arguments]
    staged: Mapping[str, bytes] = field(default_factory=dict)
    by_hook: bool = False
    by_airflow: bool = False
    map_index: int = -1

    @property
    def compresses_with(self) -> set[str]:
        """Name the libraries whose version the stored bytes depend on."""
        if self.attempts[0]["format"] == "parquet":
            return {"pyarrow"}
        return {"isal", "zlib"} if self.attempts[0].get("compression") == "gzip" else set()


LOADS: dict[str, Callable[[], Load]] = {}


def recorded(make: Callable[[], Load]) -> Callable[[], Load]:
    """Add a load to those that are recorded."""
    LOADS[make.__name__] = make
    return make


def once(**arguments: Any) -> Load:
    """Make a load of one attempt by the operator, whose record is kept in S3."""
    return Load([_filled_in(arguments)])


def _filled_in(arguments: Mapping[str, Any]) -> dict[str, Any]:
    several = type(arguments.get("records")) is dict
    captured = "{{TABLE}}" in str(arguments.get("staging_path", ""))
    table = {} if several or captured else {"table": "people"}
    return {"path": PATH, "state_path": "state", **table, **arguments}


def _people(number: int, begin: int = 0) -> list[dict[str, Any]]:
    return [
        {"id": n, "name": f"Zoë {n}", "note": None if n % 3 else "", "region": "eu" if n % 2 else "us/east"}
        for n in range(begin, begin + number)
    ]


class _Colour(Enum):
    RED = "red"


_VALUES: list[dict[str, Any]] = [
    {"kind": "none", "value": None},
    {"kind": "empty text", "value": ""},
    {"kind": "text", "value": 'a,"b"\nc\té😀'},
    {"kind": "controls", "value": "\x00\x1f\x7f\u2028\\"},
    {"kind": "true", "value": True},
    {"kind": "int", "value": -7},
    {"kind": "long int", "value": 10**40 + 1},
    {"kind": "float", "value": 0.1},
    {"kind": "large float", "value": 1e22},
    {"kind": "small float", "value": 5e-324},
    {"kind": "minus zero", "value": -0.0},
    {"kind": "nan", "value": float("nan")},
    {"kind": "infinity", "value": float("-inf")},
    {"kind": "decimal", "value": Decimal("1.10")},
    {"kind": "long decimal", "value": Decimal("-12345678901234567890.123456789012345678900")},
    {"kind": "decimal with exponent", "value": Decimal("1E+5")},
    {"kind": "datetime", "value": datetime(2026, 2, 3, 4, 5, 6)},
    {"kind": "datetime with microseconds", "value": datetime(2026, 2, 3, 4, 5, 6, 70)},
    {"kind": "datetime in UTC", "value": datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)},
    {"kind": "datetime with offset", "value": datetime(2026, 2, 3, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))},
    {"kind": "date", "value": date(1, 1, 1)},
    {"kind": "time", "value": time(23, 59, 59, 999999)},
    {"kind": "timedelta", "value": timedelta(days=1, hours=2, seconds=3, milliseconds=500)},
    {"kind": "negative timedelta", "value": -timedelta(seconds=1)},
    {"kind": "bytes", "value": b"\x00\xff"},
    {"kind": "uuid", "value": UUID(int=5)},
    {"kind": "path", "value": PurePosixPath("/a/b")},
    {"kind": "enum", "value": _Colour.RED},
    {"kind": "list", "value": [1, None, "x", [Decimal("2.50")]]},
    {"kind": "tuple", "value": (1, "y")},
    {"kind": "mapping", "value": {"b": 1, "a": {"c d": date(2026, 1, 2)}}},
    {"kind": "set", "value": {3, 1, 2}},
    {"kind": "numpy int", "value": np.int64(5)},
    {"kind": "numpy float", "value": np.float32(0.1)},
    {"kind": "numpy array", "value": np.array([1.5, 2.5])},
    {"kind": "pandas timestamp", "value": pd.Timestamp("2026-02-03T04:05:06.000000007")},
    {"kind": "pandas NA", "value": pd.NA},
    {"kind": "missing"},
]

_TYPED: list[dict[str, Any]] = [
    {
        "id": n,
        "price": Decimal(n) / 4,
        "at": datetime(2026, 2, 3, 4, 5, n, tzinfo=timezone.utc),
        "day": date(2026, 2, 1 + n),
        "share": n / 10,
        "good": n % 2 == 0,
        "raw": bytes([n]),
        "tags": [f"t{n}"] * n,
        "place": {"x": n, "y": None if n % 2 else "north"},
    }
    for n in range(12)
]


def _arrow_table() -> pa.Table:
    types = {"id": pa.int64(), "name": pa.string(), "price": pa.decimal128(10, 2), "at": pa.timestamp("ns", "UTC")}
    rows = [
        {"id": n, "name": None if n % 4 == 1 else f'n"{n},', "price": Decimal(n), "at": pd.Timestamp(n, tz="UTC")}
        for n in range(25)
    ]
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    columns["kind"] = pa.array([f"k{n % 3}" for n in range(25)]).dictionary_encode()
    columns["small"] = pa.array([n / 8 for n in range(25)], pa.float32())
    return pa.table(columns)


# CSV


@recorded
def csv_by_default() -> Load:
    """Write all kinds of values as CSV."""
    return once(records=_VALUES, format="csv")


@recorded
def csv_of_another_dialect() -> Load:
    """Write CSV with every option of the dialect but quoting of all."""
    dialect = {
        "delimiter": ";",
        "skip_header": True,
        "null_value": "NULL",
        "quoting": "nonnumeric",
        "escape": "\\",
        "line_terminator": "\r\n",
    }
    return once(records=_VALUES, format="csv", format_spec=dialect)


@recorded
def csv_quoted_throughout() -> Load:
    """Write CSV with quotes around everything, tabs between, and a type and extension of the caller's."""
    return once(
        records=_people(7),
        format="csv",
        path="raw/{{TABLE}}/{{UUID}}.tsv",
        format_spec={"delimiter": "\t", "quoting": "all"},
        spec={"content_type": "text/tab-separated-values"},
    )


@recorded
def csv_cut_by_records() -> Load:
    """Cut by records."""
    return once(records=_people(25), format="csv", batch_size=10)


@recorded
def csv_cut_by_bytes() -> Load:
    """Cut by bytes, the header included."""
    return once(records=_people(40), format="csv", batch_size_bytes=300)


@recorded
def csv_of_chosen_columns() -> Load:
    """Write some of the columns, in an order of the caller's."""
    return once(records=_people(5), format="csv", columns=["note", "id"])


@recorded
def csv_gzipped() -> Load:
    """Compress at the default level."""
    return once(records=_people(9000), format="csv", compression="gzip", batch_size=4000)


@recorded
def csv_gzipped_in_blocks() -> Load:
    """Compress more text than the compressor takes at a time, in which little repeats."""
    numbers = random.Random(2)
    rows = [{"id": n, "text": numbers.randbytes(600).hex()} for n in range(2000)]
    return once(records=rows, format="csv", compression="gzip")


@recorded
def csv_gzipped_small() -> Load:
    """Compress at a high level."""
    return once(records=_people(3000), format="csv", compression="gzip", spec={"compression_level": 7})


# JSON


@recorded
def json_by_default() -> Load:
    """Write all kinds of values as JSON."""
    return once(records=_VALUES, format="json")


@recorded
def json_gzipped_fast() -> Load:
    """Compress at the lowest level."""
    people = _people(40_000)
    return once(records=people, format="json", compression="gzip", batch_size=30_000, spec={"compression_level": 1})


@recorded
def json_cut_by_bytes() -> Load:
    """Cut by bytes, with one record that is larger than that by itself."""
    people = [*_people(20), {**_people(1)[0], "name": "x" * 1000}, *_people(3, 20)]
    return once(records=people, format="json", batch_size_bytes=500)


@recorded
def json_for_athena() -> Load:
    """Rename columns and the keys of nested objects for Athena."""
    odd = [{"Order No.": n, "naïve-name": {"a b": 1, "c": [{"d/e": 2}]}, "ok_1": "a-b"} for n in range(3)]
    return once(records=odd, format="json", spec={"athena": True})


@recorded
def json_with_a_schema() -> Load:
    """Cast to the types of a schema."""
    rows = [{"id": "007", "price": "1.10", "at": "2026-02-03T04:05:06"}, {"id": 8, "price": Decimal(2), "at": None}]
    schema = {"id": "int64", "price": "decimal(18,2)", "at": "timestamp[us]"}
    return once(records=rows, format="json", schema=schema)


@recorded
def json_with_all_that_is_sent_along() -> Load:
    """Send tags, metadata, a storage class and encryption along, which are part of the checksum."""
    return once(
        records=_people(3),
        format="json",
        manifest="s3dest",
        spec={
            "tags": {"team": "data/more x=y", "kind": "a+b"},
            "metadata": {"owner": "data"},
            "storage_class": "STANDARD_IA",
            "server_side_encryption_configuration": {"server_side_encryption": "AES256"},
        },
    )


# Parquet


@recorded
def parquet_by_default() -> Load:
    """Write types that follow from the values."""
    return once(records=_TYPED, format="parquet")


@recorded
def parquet_in_row_groups() -> Load:
    """Write short row groups of an older version, cut by records, compressed by zstd."""
    options = {"version": "v2.4", "max_row_group_length": 4}
    return once(records=_TYPED, format="parquet", format_spec=options, compression="zstd", batch_size=10)


@recorded
def parquet_cut_by_bytes() -> Load:
    """Cut by bytes in Arrow."""
    return once(records=_people(50), format="parquet", batch_size_bytes=400, compression="none")


@recorded
def parquet_with_a_schema() -> Load:
    """Cast to the types of a schema, in partitions whose column is dropped."""
    rows = [{"id": str(n), "price": f"{n}.5", "region": "eu" if n % 2 else "us"} for n in range(9)]
    return once(
        records=rows,
        format="parquet",
        schema={"id": "int32", "price": "decimal(9,2)", "region": "string"},
        path="raw/{{TABLE}}/region={{FIELD.region}}/{{UUID}}.{{FORMAT}}",
        spec={"partition_columns": "drop", "athena": True},
    )


# Arrow and frames, by the hook


@recorded
def arrow_to_csv() -> Load:
    """Write an Arrow table column by column."""
    arguments = _filled_in({"records": _arrow_table(), "format": "csv", "batch_size": 10})
    return Load([arguments], by_hook=True)


@recorded
def arrow_to_json() -> Load:
    """Write an Arrow table as JSON."""
    return Load([_filled_in({"records": _arrow_table(), "format": "json", "batch_size_bytes": 700})], by_hook=True)


@recorded
def arrow_to_parquet() -> Load:
    """Write an Arrow table as Parquet, with its types."""
    return Load([_filled_in({"records": _arrow_table(), "format": "parquet", "batch_size": 10})], by_hook=True)


@recorded
def frame_to_csv() -> Load:
    """Write a pandas frame."""
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 2.0], "s": ["a", "", None]})
    return Load([_filled_in({"records": frame, "format": "csv"})], by_hook=True)


@recorded
def generator_to_json() -> Load:
    """Write what a generator yields, to batches of a few records."""

    def people() -> Iterator[dict[str, Any]]:
        yield from _people(2500)

    return Load([_filled_in({"records": people(), "format": "json", "batch_size": 900})], by_hook=True)


# Names


@recorded
def names_with_dates_and_ids() -> Load:
    """Put the dates of the run, the id of its run and an odd table's name into keys."""
    folder = "raw/{{YEAR}}/{{MONTH}}/{{DAY}}/{{HOUR}}{{MINUTE}}/{{SYNC_ID}}/{{TABLE}}"
    path = folder + "/{{TABLE_HYPHEN}}-{{BATCH}}-{{UUID}}.{{FORMAT}}"
    return once(records=_people(5), format="json", path=path, table="my_odd/täble%", batch_size=2)


@recorded
def names_of_a_mapped_instance() -> Load:
    """Name the objects of a mapped task instance."""
    path = "raw/{{TABLE}}/{{SYNC_ID}}/{{UUID}}.{{FORMAT}}"
    return Load([_filled_in({"records": _people(3), "format": "json", "path": path})], map_index=7)


@recorded
def names_without_an_id() -> Load:
    """Write one object a table, at a name that each attempt has."""
    path = "raw/{{TABLE}}/{{YEAR}}.{{FORMAT}}"
    return once(records={"a": _people(5), "b": _people(2)}, format="csv", path=path, no_rotate=True)


@recorded
def tables_of_a_mapping() -> Load:
    """Write several tables, one of them empty."""
    return once(records={"a": _people(5), "empty": [], "b": _people(4)}, format="json", batch_size=3)


@recorded
def tables_without_records() -> Load:
    """Write an object for a table without records: a CSV header."""
    return once(records=[], format="csv", columns=["id", "name"], spec={"write_empty_objects_for_empty_tables": True})


@recorded
def tables_without_records_in_json() -> Load:
    """Write an empty JSON object, compressed."""
    return once(records=[], format="json", compression="gzip", spec={"write_empty_objects_for_empty_tables": True})


@recorded
def tables_without_records_in_parquet() -> Load:
    """Write a Parquet object that holds the schema alone."""
    return once(
        records=[], format="parquet", schema={"id": "int64"}, spec={"write_empty_objects_for_empty_tables": True}
    )


@recorded
def partitions_kept() -> Load:
    """Sort records into partitions by values that need escapes, and keep the columns."""
    rows = [
        {"id": n, "day": date(2026, 2, 1 + n % 3), "odd name": [None, "a/b=c", "é %", ""][n % 4]} for n in range(20)
    ]
    path = 'raw/{{TABLE}}/day={{FIELD.day}}/x={{FIELD["odd name"]}}/{{BATCH}}-{{UUID}}.{{FORMAT}}'
    return once(records=rows, format="json", path=path, batch_size=2)


@recorded
def partitions_dropped() -> Load:
    """Sort records into partitions, and leave their column out of compressed CSV."""
    path = "raw/{{TABLE}}/region={{FIELD.region}}/{{UUID}}.{{FORMAT}}"
    return once(
        records=_people(30),
        format="csv",
        compression="gzip",
        path=path,
        batch_size=4,
        spec={"partition_columns": "drop"},
    )


@recorded
def partitions_of_one_object_each() -> Load:
    """Write one object a partition, at a name of fields alone."""
    path = "raw/{{TABLE}}/{{FIELD.region}}.{{FORMAT}}"
    return once(records=_people(6), format="json", path=path, no_rotate=True)


# What lies beside the data


@recorded
def beside_quarantine_and_manifest() -> Load:
    """Set bad records aside, and list what was written."""
    rows = [{"n": "x" if n % 4 == 1 else n, "text": f"t{n}"} for n in range(10)]
    return once(
        records=rows,
        format="json",
        schema={"n": "int64", "text": "string"},
        batch_size=3,
        on_bad_record="quarantine",
        max_bad_records=0.5,
        quarantine_path="raw/_bad/{{TABLE}}/{{BATCH}}-{{UUID}}.json",
        manifest="s3dest",
        spec={"ddl": ["athena", "redshift"]},
    )


@recorded
def beside_manifest_for_redshift() -> Load:
    """List the objects as COPY reads it, at keys of the caller's."""
    return once(
        records=_people(5),
        format="csv",
        batch_size=2,
        manifest="redshift",
        spec={
            "manifest_path": "lists/{{DAY}}/{{TABLE}}.manifest",
            "ddl": ["redshift"],
            "ddl_path": "ddl/{{TABLE}}.{{FORMAT}}",
        },
    )


@recorded
def beside_definitions_of_parquet() -> Load:
    """Define tables of typed columns, in partitions."""
    return once(
        records={"orders": _TYPED, "others": _TYPED[:1]},
        format="parquet",
        path="raw/{{TABLE}}/day={{FIELD.day}}/{{UUID}}.{{FORMAT}}",
        manifest="s3dest",
        spec={"ddl": ["athena"], "partition_columns": "drop"},
    )


# Staged files


@recorded
def staged_csv_that_passes_through() -> Load:
    """Take lines of CSV as they stand, also from a compressed file."""
    staged = {
        "staging/people/a.csv": b'id,name\n007,"quoted"\n8,plain\n',
        "staging/people/b.csv.gz": gzip.compress(b'id,name\n9,"two\nlines"\n10,\n', mtime=0),
    }
    return _staged("people/", staged, format="csv", batch_size=2)


@recorded
def staged_csv_in_another_form() -> Load:
    """Write lines of TSV as JSON, with a column that one file lacks."""
    staged = {"staging/a.tsv": b"id\tname\n1\tx\n", "staging/b.tsv": b'id\tname\tmore\r\n2\t\t""\r\n'}
    return _staged("*.tsv", staged, format="json")


@recorded
def staged_json_lines() -> Load:
    """Keep the spelling of staged numbers, and put blanks and order right."""
    staged = {
        "staging/a.ndjson": b'{"id":1.10,"name":"x"}\n{"name": "\\u00e9", "id": 123456789012345678901}\n',
        "staging/b.ndjson.gz": gzip.compress(b'{"id":1e3,"name":null}\n', mtime=0),
    }
    return _staged("*", staged, format="json")


@recorded
def staged_json_array() -> Load:
    """Write the records of a JSON array as CSV."""
    staged = {"staging/a.json": b'[{"id": 1.0, "tags": ["a", {"b": 2.50}]},\n {"id": null, "tags": []}]'}
    return _staged("a.json", staged, format="csv")


@recorded
def staged_parquet() -> Load:
    """Write Parquet files of two tables as compressed JSON."""
    files = {}
    for name in ("a", "b"):
        buffer = BytesIO()
        parquet.write_table(_arrow_table(), buffer)
        files[f"staging/{name}/1.parquet"] = buffer.getvalue()
    return _staged("{{TABLE}}/*.parquet", files, format="json", compression="gzip")


@recorded
def staged_csv_as_parquet() -> Load:
    """Write staged CSV as Parquet, with types and bad records."""
    staged = {"staging/a.csv": b"id,price\n1,2.50\nx,3\n3,4\n"}
    return _staged(
        "a.csv",
        staged,
        format="parquet",
        schema={"id": "int64", "price": "decimal(9,2)"},
        on_bad_record="quarantine",
    )


@recorded
def staged_and_deleted() -> Load:
    """Delete the staged files, and give the same report in a second attempt."""
    staged = {"staging/a.csv": b"id\n1\n", "staging/b.csv": b"id\n2\n"}
    load = _staged("*.csv", staged, format="csv", delete_staging=True)
    return Load([*load.attempts, *load.attempts], staged)


def _staged(path: str, staged: Mapping[str, bytes], **arguments: Any) -> Load:
    return Load([_filled_in({"staging_path": f"s3://{BUCKET}/staging/{path}", **arguments})], staged)


# Objects in parts


@recorded
def parts_of_a_large_object() -> Load:
    """Send an object of over 32 MiB in parts."""
    large = [{"id": n, "text": "é" * (MIB // 2)} for n in range(34)]
    return once(records=large, format="json", batch_size_bytes=64 * MIB, spec={"part_size": 5 * MIB})


@recorded
def parts_of_a_large_compressed_object() -> Load:
    """Compress an object of over 32 MiB while its parts leave."""
    numbers = random.Random(1)
    large = [{"id": n, "text": numbers.randbytes(MIB // 2).hex()} for n in range(34)]
    return once(records=large, format="csv", compression="gzip", batch_size_bytes=64 * MIB, spec={"part_size": 5 * MIB})


# Atomic loads, and more than one attempt


@recorded
def atomic_with_everything() -> Load:
    """Let all appear at the end: objects, bad records, definitions and a manifest."""
    load = beside_quarantine_and_manifest()
    return Load([{**load.attempts[0], "atomic": True}])


@recorded
def atomic_twice() -> Load:
    """Use new names in a second attempt, and remove the old objects."""
    load = once(records=_people(5), format="json", batch_size=2, atomic=True, manifest="s3dest")
    return Load([*load.attempts, {**load.attempts[0], "records": _people(3)}])


@recorded
def again_with_the_same_input() -> Load:
    """Use the same names in a second attempt."""
    load = once(records=_people(5), format="json", batch_size=2, manifest="s3dest")
    return Load([*load.attempts, *load.attempts])


@recorded
def again_with_less() -> Load:
    """Remove tables, partitions and batches that a second attempt no longer gives, and write them again in a third."""
    path = "raw/{{TABLE}}/{{FIELD.region}}/{{UUID}}.{{FORMAT}}"
    first = _filled_in({"records": {"a": _people(9), "b": _people(3)}, "format": "csv", "path": path, "batch_size": 2})
    less = {**first, "records": {"a": _people(3)}}
    return Load([first, less, first])


@recorded
def again_atomic_after_plain() -> Load:
    """Take over an atomic load from one that is not, and the other way round."""
    load = once(records=_people(5), format="json", batch_size=2)
    return Load([load.attempts[0], {**load.attempts[0], "atomic": True}, load.attempts[0]])


@recorded
def kept_by_airflow() -> Load:
    """Keep the record in Airflow's own store, over two attempts."""
    arguments = {**_filled_in({"records": _people(5), "format": "json", "batch_size": 2, "atomic": True})}
    del arguments["state_path"]
    return Load([arguments, {**arguments, "records": _people(4)}], by_airflow=True)


@recorded
def kept_by_airflow_in_chunks() -> Load:
    """Keep a record in Airflow's own store that is too long for one value."""
    tables = {f"{n}-{'long' * 200}": _people(1) for n in range(40)}
    arguments = {**_filled_in({"records": tables, "format": "json", "path": "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}"})}
    del arguments["state_path"]
    return Load([arguments], by_airflow=True)
