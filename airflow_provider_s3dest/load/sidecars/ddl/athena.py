"""Writes ``CREATE EXTERNAL TABLE`` for Athena and Hive.

Follows the Amazon Athena User Guide: "CREATE TABLE", "Data types in Amazon Athena", "Name databases, tables, and
columns", "Reserved keywords", "Open CSV SerDe for processing CSV", "OpenX JSON SerDe", "Partition your data", "MSCK
REPAIR TABLE"; and the Apache Hive Language Manual, "DDL" and "Types". Not run against AWS.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_s3dest.load.sidecars.ddl.sql_types import Column, SqlType
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData
from airflow_provider_s3dest.records.safe_names import safe_key

MAX_NAME = 255
"""Most characters of a name (Athena User Guide, "Name databases, tables, and columns")."""

MAX_STATEMENT = 262_144
"""Most bytes of a statement (Athena User Guide, "Service Quotas")."""

_INTS = {8: "tinyint", 16: "smallint", 32: "int", 64: "bigint"}

_NO_ESCAPE = "\x01"
"""The escape character where the objects use none. OpenCSVSerDe needs one, and drops it where it stands alone, so this
one is a character that fields rarely hold. ``"`` does not do: OpenCSVSerDe then takes its default, the backslash."""


def statements(table: TableData) -> str:
    """Return the SQL text; its comments say what a reader of the table has to know.

    :raises SpecError: if no statement reads the objects correctly.
    """
    table.check_names("Athena", _name_fault)
    partitions = {column.name for column in table.partitions}
    # A table can't have two columns of one name. Where a column is in the objects and in the path, the path counts.
    columns = [column for column in table.columns if column.name not in partitions]
    lines = ",\n".join(f"  {_column(column, table)}" for column in columns)
    parts = [f"CREATE EXTERNAL TABLE IF NOT EXISTS {_quoted(table_name(table.name))} (\n{lines}\n)"]
    if table.partitions:
        lines = ",\n".join(f"  {_quoted(one.name)} {_partition_type(one.sql_type)}" for one in table.partitions)
        parts.append(f"PARTITIONED BY (\n{lines}\n)")
    parts.extend(_format(table))
    parts.append(f"LOCATION {_literal(f's3://{table.spec.bucket}/{table.folder}')}")
    if table.spec.format == "csv" and not table.spec.csv.skip_header:
        parts.append("TBLPROPERTIES ('skip.header.line.count' = '1')")
    statement = "\n".join(parts)
    if len(statement.encode()) > MAX_STATEMENT:
        problem = f"the statement is longer than the {MAX_STATEMENT:,} bytes that Athena takes"
        raise table.refusal(problem, "Write fewer columns.")
    texts = [f"-- {note}" for note in _notes(table)] + [f"{statement};"]
    if table.partitions:
        texts.append(f"\nMSCK REPAIR TABLE {_quoted(table_name(table.name))};")
    return "\n".join(texts) + "\n"


def table_name(table: str) -> str:
    """Return the name that a table has in Athena: small letters, digits and underscores.

    Example::

        >>> table_name("My-Orders")
        'my_orders'
    """
    return safe_key(table).lower()


def _notes(table: TableData) -> Iterator[str]:
    yield "For Athena and Hive, each statement by itself. Not run against AWS."
    yield "The table is all that lies under LOCATION, of other loads too."
    if table.spec.format == "csv":
        yield "OpenCSVSerDe reads text alone, for null an empty one, and no line ends inside fields."
        if table.spec.csv.null_value:
            yield "Null is read as the text of format_spec.null_value."
        if table.spec.csv.escape == '"':
            yield "It loses the control character U+0001; with format_spec.escape '\\' it loses none."
    if table.partitions:
        yield "MSCK REPAIR TABLE finds the partitions; repeat it when a load has added some."
    if any(safe_key(column.name) != column.name for column in (*table.columns, *table.partitions)):
        yield "Athena supports no other characters in names than letters, digits and _; `athena: true` renames them."


def _format(table: TableData) -> Iterator[str]:
    if table.spec.format == "parquet":
        yield "STORED AS PARQUET"
        return
    if table.spec.format == "json":
        yield "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
    else:
        csv = table.spec.csv
        escape = _NO_ESCAPE if csv.escape == '"' else csv.escape
        yield "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"
        yield (
            f"WITH SERDEPROPERTIES ('separatorChar' = {_literal(csv.delimiter)}, 'quoteChar' = '\"', "
            f"'escapeChar' = {_literal(escape)})"
        )
    yield "STORED AS TEXTFILE"


def _column(column: Column, table: TableData) -> str:
    sql_type = column.sql_type
    hive_type = _type(sql_type, column.name, table)
    comment = ""
    # The comment tells what the type of Hive does not.
    if sql_type.family in ("duration", "timestamptz") or (hive_type == "string" and sql_type.family != "text"):
        comment = f" COMMENT {_literal('JSON' if sql_type.is_nested else sql_type.arrow)}"
    return f"{_quoted(column.name)} {hive_type}{comment}"


def _type(sql_type: SqlType, column: str, table: TableData) -> str:
    """Return the type of Hive that reads the values as they are written; strings in JSON are read as ``string``."""
    text = table.spec.format != "parquet"
    if table.spec.format == "csv":
        return "string"
    match sql_type.family:
        case "bool":
            return "boolean"
        case "int":
            return _INTS[sql_type.bits]
        case "uint" if sql_type.bits < 32:
            return "int"
        case "uint" if text:
            return "bigint" if sql_type.bits == 32 else "decimal(20,0)"
        case "float" if text or sql_type.bits > 16:
            return "double" if sql_type.bits == 64 else "float"
        case "list":
            return f"array<{_type(sql_type.members[0][1], column, table)}>"
        case "map":
            return f"map<string,{_type(sql_type.members[0][1], column, table)}>"
        case "struct" if sql_type.members:
            return _struct(sql_type, column, table)
    if text or sql_type.family == "text":
        return "string"
    match sql_type.family:
        case "bytes" | "uuid":
            return "binary"
        case "date":
            return "date"
        case "timestamp" | "timestamptz":
            return "timestamp"
        case "duration":
            return "bigint"
        case "decimal" if sql_type.digits[0] <= 38 and 0 <= sql_type.digits[1] <= sql_type.digits[0]:
            return f"decimal({sql_type.digits[0]},{sql_type.digits[1]})"
    raise table.untyped("Athena", column, sql_type)


def _struct(sql_type: SqlType, column: str, table: TableData) -> str:
    fields = []
    for name, member in sql_type.members:
        safe = safe_key(name) if table.spec.athena else name
        # "For complex types, only alphanumeric characters, underscore (_), and period (.) are allowed."
        if not safe or safe_key(safe) != safe:
            raise table.refusal(
                f"the field {name!r} in column {column!r} has characters that Athena does not take in a struct",
                "Set `athena: true`, which renames it.",
            )
        fields.append(f"{_quoted(safe)}:{_type(member, column, table)}")
    return f"struct<{','.join(fields)}>"


def _partition_type(sql_type: SqlType) -> str:
    """Return the type of a column whose values are in the path, which Hive reads as text."""
    return _INTS[sql_type.bits] if sql_type.family == "int" else "date" if sql_type.family == "date" else "string"


def _name_fault(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME:
        return f"has a name of {len(name):,} characters; Athena takes 1 to {MAX_NAME} characters"
    if not name.isprintable() or "," in name or name != name.strip():
        # Hive passes all names to the SerDe as one text, separated by commas.
        return "has a comma, a control character, or a blank at an end, which Athena does not take in names"
    return ""


def _quoted(name: str) -> str:
    return "`" + name.lower().replace("`", "``") + "`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(one if one >= " " else f"\\u{ord(one):04x}" for one in escaped) + "'"
