"""Writes tables with the provider's own encoders, and reads CSV with a reader that has nothing to do with them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_s3dest.formats.arrow.encoder import arrow_encoder
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.formats.encoding import Encoder
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def read_chunks(table: Table) -> Iterator[Chunk]:
    """Give the chunks of a table of which nothing passes through."""
    for chunk in table.chunks:
        assert not isinstance(chunk, PassthroughChunk)
        yield chunk


def written(table: Table, format_: str, delimiter: str = ",", skip_header: bool = False) -> bytes:
    """Encode a whole table, header included; what is Arrow data in both lanes, which must write the same."""
    encoder: Encoder
    if format_ == "csv":
        encoder = CsvEncoder(table.name, table.columns, delimiter, skip_header)
    else:
        encoder = JsonEncoder(table.name, table.columns)
    content = bytearray(encoder.header)
    for chunk in read_chunks(table):
        encoded = encoder.encode(chunk)
        content += encoded.data
        if isinstance(chunk, ArrowChunk) and len(chunk) and table.columns:
            by_column = arrow_encoder(format_, table.columns, delimiter)(chunk)
            assert bytes(by_column.data) == encoded.data
            assert by_column.records == encoded.records
            assert [*by_column.ends] == [*encoded.ends]
    return bytes(content)


def csv_of(records: Any, columns: tuple[str, ...] | None = None, delimiter: str = ",") -> str:
    """Write records as CSV."""
    return written(open_records("t", records, columns), "csv", delimiter).decode()


def json_of(records: Any, columns: tuple[str, ...] | None = None) -> str:
    """Write records as lines of JSON."""
    return written(open_records("t", records, columns), "json").decode()


def staged(paths: Paths, table: str | None = "t", columns: tuple[str, ...] | None = None) -> dict[str, Table]:
    """Open what lies on the local disk."""
    tables = staged_tables(paths, table, lambda scheme: LocalFiles())
    return {name: open_staged(name, files, columns) for name, files in tables.items()}


def staged_table(path: Paths, columns: tuple[str, ...] | None = None) -> Table:
    """Open staged files as one table."""
    return staged(path, "t", columns)["t"]


def rows_of(table: Table) -> list[dict[str, Any]]:
    """Read a table to its end, as records."""
    rows: list[dict[str, Any]] = []
    for chunk in read_chunks(table):
        values = [chunk.column(name) for name in table.columns]
        assert all(len(column) == len(chunk) for column in values)
        rows.extend(
            {name: column[i] for name, column in zip(table.columns, values, strict=True)} for i in range(len(chunk))
        )
    return rows


def staged_rows(path: Paths, columns: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    """Read staged files as records."""
    return rows_of(staged_table(path, columns))


def put(path: Path, content: bytes | str) -> Path:
    """Write a file, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fields_with_nulls(text: str) -> list[list[str | None]]:
    """Read CSV one character at a time; an unquoted empty field is None, a quoted one is not."""
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    position = 0
    while position < len(text):
        field: str | None = ""
        if text[position] == '"':
            position += 1
            while text[position] != '"' or text[position : position + 2] == '""':
                assert field is not None
                field += text[position]
                position += 2 if text[position] == '"' else 1
            position += 1
        else:
            begin = position
            while text[position] not in ",\n":
                position += 1
            field = text[begin:position] or None
        row.append(field)
        if text[position] == "\n":
            rows.append(row)
            row = []
        elif text[position + 1 :].startswith("\n"):
            row.append(None)
            rows.append(row)
            row = []
            position += 1
        position += 1
    assert not row
    return rows
