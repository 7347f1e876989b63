"""Writes ``CREATE TABLE`` and ``COPY`` for Redshift.

Follows the Amazon Redshift Database Developer Guide: "Names and identifiers", "CREATE TABLE", "Data types", "COPY" with
"Data format parameters", "Data conversion parameters", "COPY from columnar data formats", "COPY from JSON format",
"Using COPY to load data into SUPER columns" and "Using automatic recognition". Not run against AWS.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_s3dest.load.sidecars.ddl.sql_types import SqlType
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData

MAX_NAME_BYTES = 127
"""Most bytes of a name ("Names and identifiers")."""

MAX_COLUMNS = 1_600
"""Most columns of a table ("CREATE TABLE")."""

_SYSTEM_COLUMNS = ("oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")
"""Names that a column can't have ("CREATE TABLE")."""

_TEXT = "VARCHAR(65535)"
"""The longest text, in bytes of UTF-8 ("Character types")."""

_INTS = {8: "SMALLINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT"}
_UINTS = {8: "SMALLINT", 16: "INTEGER", 32: "BIGINT", 64: "DECIMAL(20,0)"}

ROLE = "<ARN of an IAM role that may read the objects>"


def statements(table: TableData) -> str:
    """Return the SQL text; its comments say what a reader of the table has to know.

    :raises SpecError: if no statement loads the objects correctly.
    """
    table.check_names("Redshift", _name_fault)
    if problem := _name_fault(table.name):
        raise table.refusal(f"the table {problem}", "Give the table another name.")
    if len(table.columns) > MAX_COLUMNS:
        raise table.refusal(
            f"Redshift takes {MAX_COLUMNS:,} columns, but there are {len(table.columns):,}", "Write fewer columns."
        )
    name = _quoted(table.name)
    columns = ",\n".join(f"  {_quoted(one.name)} {_type(one.sql_type, one.name, table)}" for one in table.columns)
    source = table.folder if table.manifest is None else table.manifest
    parts = [
        f"COPY {name}",
        f"FROM {_literal(f's3://{table.spec.bucket}/{source}', table)}",
        f"IAM_ROLE '{ROLE}'",
        *(["MANIFEST"] if table.manifest else []),
        *_format(table),
    ]
    notes = "\n".join(f"-- {note}" for note in _notes(table))
    return f"{notes}\nCREATE TABLE IF NOT EXISTS {name} (\n{columns}\n);\n\n" + "\n".join(parts) + ";\n"


def _notes(table: TableData) -> Iterator[str]:
    yield "For Redshift. Not run against AWS. Fill in the role before COPY."
    if table.manifest:
        yield "COPY adds just the objects of this load, which the manifest lists."
    else:
        yield "COPY adds all that lies under the prefix, of other loads too; a manifest limits it to this load."
    if any(_type(column.sql_type, column.name, table) == _TEXT for column in table.columns):
        yield "COPY refuses text of more than 65,535 bytes."
        if table.spec.format == "csv" and not table.spec.csv.null_value:
            yield "In columns of text it reads null as empty text; format_spec.null_value tells them apart."


def _format(table: TableData) -> Iterator[str]:
    spec = table.spec
    if spec.format == "parquet":
        yield "FORMAT AS PARQUET"
        if any(column.sql_type.is_nested for column in table.columns):
            yield "SERIALIZETOJSON"
        return
    if spec.format == "json":
        yield "FORMAT AS JSON 'auto ignorecase'"
    else:
        yield "FORMAT AS CSV"
        yield f"DELIMITER {_literal(spec.csv.delimiter, table)}"
        if not spec.csv.skip_header:
            yield "IGNOREHEADER 1"
        if spec.csv.null_value:
            yield f"NULL AS {_literal(spec.csv.null_value, table)}"
    if spec.file_compression:
        yield "GZIP"
    yield "DATEFORMAT 'auto'"
    yield "TIMEFORMAT 'auto'"


def _type(sql_type: SqlType, column: str, table: TableData) -> str:
    text = table.spec.format != "parquet"
    if sql_type.is_nested:
        return "SUPER"
    match sql_type.family:
        case "bool":
            return "BOOLEAN"
        case "int":
            return _INTS[sql_type.bits]
        case "uint" if text or sql_type.bits < 32:
            return _UINTS[sql_type.bits]
        case "float" if text or sql_type.bits > 16:
            return "DOUBLE PRECISION" if sql_type.bits == 64 else "REAL"
        case "decimal" if sql_type.digits[0] <= 38 and 0 <= sql_type.digits[1] <= min(37, sql_type.digits[0]):
            return f"DECIMAL({sql_type.digits[0]},{sql_type.digits[1]})"
        case "date":
            return "DATE"
        case "time" if not sql_type.nanoseconds:
            return "TIME"
        case "timestamp" if not sql_type.nanoseconds:
            return "TIMESTAMP"
        case "timestamptz" if not sql_type.nanoseconds:
            # COPY loads no time zone from Parquet; the timestamps there are in UTC.
            return "TIMESTAMPTZ" if text else "TIMESTAMP"
    if text or sql_type.family == "text":
        return _TEXT
    match sql_type.family:
        case "bytes" | "uuid":
            return "VARBYTE(1024000)"
        case "duration":
            return "BIGINT"
    raise table.untyped("Redshift", column, sql_type)


def _name_fault(name: str) -> str:
    if not 1 <= len(name.encode()) <= MAX_NAME_BYTES:
        return f"has a name of {len(name.encode()):,} bytes; Redshift takes 1 to {MAX_NAME_BYTES} bytes"
    if not name.isprintable():
        return "has a character that is not printable, which Redshift does not take in names"
    if name.lower() in _SYSTEM_COLUMNS:
        return "has the name of a system column of Redshift"
    return ""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str, table: TableData) -> str:
    if "\\" in text:
        raise table.refusal(f"{text!r} has a backslash, which Redshift reads as an escape", "Choose another text.")
    return "'" + text.replace("'", "''").replace("\t", "\\t") + "'"
