"""Objects of the bucket, read back with nothing but the standard library, and as strictly as their format allows."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from demo.places import PREFIX
from demo.tally import TEXT, Column, Row

CSV, JSON = "csv", "json"
_ENDING = {CSV: ".csv", JSON: ".json.gz"}

_KEY = re.compile(
    rf"{PREFIX}/(?P<format>csv|json)/(?P<table>[^/]+)/\d{{4}}-\d\d-\d\d/[0-9a-f-]{{36}}(?P<ending>\.[a-z.]+)"
)
"""The keys that the path of the DAG gives."""


class Damaged(Exception):
    """An object does not hold what its table and its format demand."""


@dataclass(frozen=True)
class Place:
    """The table and the format that an object belongs to."""

    table: str
    format: str


def place(key: str) -> Place:
    """Say what an object is, by its key."""
    found = _KEY.fullmatch(key)
    if found is None or found["ending"] != _ENDING[found["format"]]:
        raise Damaged("this is no key that the DAG's path can give")
    return Place(found["table"], found["format"])


NULL_AS = {CSV: "", JSON: None}
"""How a null comes out of `read_rows`."""


def read_rows(file: Path, format: str, columns: Sequence[Column], *, typed: bool) -> Iterator[Row]:
    """Read the rows of an object. ``typed`` says whether its numbers were numbers before they were written."""
    try:
        if format == CSV:
            yield from _csv_rows(file.read_bytes().decode("utf-8"), columns)
        else:
            yield from _json_rows(gzip.decompress(file.read_bytes()).decode("utf-8"), columns, typed=typed)
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _csv_rows(text: str, columns: Sequence[Column]) -> Iterator[Row]:
    # No value of the source needs quotes, and none is an empty text: the only thing that quotes could do here is to
    # make an empty text of a null, which csv.reader would not show, as it would not show how a line ends.
    if '"' in text:
        raise Damaged("there are quotes, though no value of the source needs them")
    if "\r" in text:
        raise Damaged("there are carriage returns")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    if (header := next(rows, [])) != [column.name for column in columns]:
        raise Damaged(f"its columns are {header}")
    for row in rows:
        if len(row) != len(columns):
            raise Damaged(f"line {rows.line_num} has {len(row)} fields")
        yield row


class _Number(str):
    """The digits of a JSON number: told apart from a JSON string by its type, and exact as no float would be."""


class _Record(tuple[tuple[str, Any], ...]):
    """The keys and values of a JSON object, in order. A dict would swallow a key that comes twice."""


def _no_constant(name: str) -> NoReturn:
    raise Damaged(f"{name} is no JSON")


def _json_rows(text: str, columns: Sequence[Column], *, typed: bool) -> Iterator[Row]:
    names = tuple(column.name for column in columns)
    types = [_Number if typed and column.kind is not TEXT else str for column in columns]
    decode = json.JSONDecoder(
        object_pairs_hook=_Record, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
    ).decode
    seen: set[tuple[type, ...]] = set()
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        record = decode(line)
        keys, values = zip(*record, strict=True) if type(record) is _Record and record else ((), ())
        if keys != names:
            raise Damaged(f"line {number} is no object of the keys {', '.join(names)}: {line[:200]}")
        # The types of a row's values are checked once for all rows that have the same ones.
        if (signature := tuple(map(type, values))) not in seen:
            for name, value, wanted in zip(names, values, types, strict=True):
                if value is not None and type(value) is not wanted:
                    kind = "number" if wanted is _Number else "string"
                    raise Damaged(f"{name} of line {number} is to be a JSON {kind}, not {value!r}")
            seen.add(signature)
        yield values
