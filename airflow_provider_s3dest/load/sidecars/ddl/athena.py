"""Spells ``CREATE EXTERNAL TABLE`` for Athena and Hive.

After the Amazon Athena User Guide: "CREATE TABLE", "Data types in Amazon Athena", "Name databases, tables, and
columns", "Reserved keywords", "Open CSV SerDe for processing CSV", "OpenX JSON SerDe", "Partition your data", "MSCK
REPAIR TABLE"; and the Apache Hive Language Manual, "DDL" and "Types". Not run against AWS.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_s3dest.load.sidecars.ddl.sql_types import Column, SqlType
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData
from airflow_provider_s3dest.records.safe_names import safe_key

MAX_NAME = 255
"""Characters of a name (Athena User Guide, "Name databases, tables, and columns")."""

MAX_STATEMENT = 262_144
"""Bytes of a statement (Athena User Guide, "Service Quotas")."""

_INTS = {8: "tinyint", 16: "smallint", 32: "int", 64: "bigint"}

_NO_ESCAPE = "\x01"
"""Stands in no field, as a rule. OpenCSVSerDe can't do without an escape character, and drops it where it stands alone;
``"`` would be taken for its default, the backslash."""


def statements(table: TableData) -> str:
    """Spell the statements, with what a reader has to know as comments.

    :raises SpecError: if there is none that reads the objects right.
    """
    table.check_names("Athena", _name_fault)
    partitions = {column.name for column in table.partitions}
    # What is in the objects and in the path has one name, and the path tells the value.
    columns = [column for column in table.columns if column.name not in partitions]
    spelled = ",\n".join(f"  {_column(column, table)}" for column in columns)
    parts = [f"CREATE EXTERNAL TABLE IF NOT EXISTS {_quoted(table_name(table.name))} (\n{spelled}\n)"]
    if table.partitions:
        spelled = ",\n".join(f"  {_quoted(one.name)} {_partition_type(one.kind)}" for one in table.partitions)
        parts.append(f"PARTITIONED BY (\n{spelled}\n)")
    parts.extend(_format(table))
    parts.append(f"LOCATION {_literal(f's3://{table.spec.bucket}/{table.folder}')}")
    if table.spec.format == "csv" and not table.spec.csv.skip_header:
        parts.append("TBLPROPERTIES ('skip.header.line.count' = '1')")
    statement = "\n".join(parts)
    if len(statement.encode()) > MAX_STATEMENT:
        raise table.refusal(f"the statement is longer than the {MAX_STATEMENT:,} bytes that Athena takes", "")
    found = [f"-- {note}" for note in _notes(table)] + [f"{statement};"]
    if table.partitions:
        found.append(f"\nMSCK REPAIR TABLE {_quoted(table_name(table.name))};")
    return "\n".join(found) + "\n"


def table_name(table: str) -> str:
    """Give a table the name that it has in Athena: small letters, digits and underscores.

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
    spelled = _type(column.kind, column.name, table)
    kind = column.kind
    told = "JSON" if kind.is_nested else kind.arrow
    is_told = kind.family in ("duration", "timestamptz") or (spelled == "string" and kind.family != "text")
    return f"{_quoted(column.name)} {spelled}" + (f" COMMENT {_literal(told)}" if is_told else "")


def _type(kind: SqlType, column: str, table: TableData) -> str:
    """Give the type that reads what is written; what JSON has as a string is one."""
    text = table.spec.format != "parquet"
    if table.spec.format == "csv":
        return "string"
    match kind.family:
        case "bool":
            return "boolean"
        case "int":
            return _INTS[kind.bits]
        case "uint" if kind.bits < 32:
            return "int"
        case "uint" if text:
            return "bigint" if kind.bits == 32 else "decimal(20,0)"
        case "float" if text or kind.bits > 16:
            return "double" if kind.bits == 64 else "float"
        case "list":
            return f"array<{_type(kind.members[0][1], column, table)}>"
        case "map":
            return f"map<string,{_type(kind.members[0][1], column, table)}>"
        case "struct" if kind.members:
            return _struct(kind, column, table)
    if text or kind.family == "text":
        return "string"
    match kind.family:
        case "bytes":
            return "binary"
        case "date":
            return "date"
        case "timestamp" | "timestamptz":
            return "timestamp"
        case "duration":
            return "bigint"
        case "decimal" if kind.digits[0] <= 38 and 0 <= kind.digits[1] <= kind.digits[0]:
            return f"decimal({kind.digits[0]},{kind.digits[1]})"
    raise table.untyped("Athena", column, kind)


def _struct(kind: SqlType, column: str, table: TableData) -> str:
    fields = []
    for name, member in kind.members:
        safe = safe_key(name) if table.spec.athena else name
        # "For complex types, only alphanumeric characters, underscore (_), and period (.) are allowed."
        if not safe or safe_key(safe) != safe:
            raise table.refusal(
                f"the field {name!r} in column {column!r} has characters that Athena does not take in a struct",
                "Set `athena: true`, which renames it.",
            )
        fields.append(f"{_quoted(safe)}:{_type(member, column, table)}")
    return f"struct<{','.join(fields)}>"


def _partition_type(kind: SqlType) -> str:
    """Give the type of a column whose values stand in the path, as Hive reads them there."""
    return _INTS[kind.bits] if kind.family == "int" else "date" if kind.family == "date" else "string"


def _name_fault(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME:
        return f"has no name of 1 to {MAX_NAME} characters, as Athena takes"
    if not name.isprintable() or "," in name or name != name.strip():
        # SerDes are told the names in one text, separated by commas.
        return "has a comma, a control character, or a blank at an end, which Athena does not take"
    return ""


def _quoted(name: str) -> str:
    return "`" + name.lower().replace("`", "``") + "`"


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(one if one >= " " else f"\\u{ord(one):04x}" for one in escaped) + "'"
