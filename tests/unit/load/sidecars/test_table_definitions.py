"""Every statement beside the data parses in its dialect and names each column once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.load.schema import arrow_types, faults
from airflow_provider_s3dest.load.sidecars.ddl import athena, redshift
from airflow_provider_s3dest.load.sidecars.ddl import rules as layout
from airflow_provider_s3dest.load.sidecars.ddl.sql_types import Column, columns_of, sql_type_of
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import placeholders

FORMATS = st.sampled_from(["csv", "json", "parquet"])

PLAIN = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"),
    *("float64", "float", "double", "halffloat", "string", "utf8", "large_string", "binary", "large_binary", "date"),
    *("date32", "date64", "time32[s]", "time32[ms]", "time64[us]", "time64[ns]", "fixed_size_binary[16]"),
    *(f"{name}[{unit}]" for name in ("timestamp", "duration") for unit in ("s", "ms", "us", "ns")),
    *("timestamp[us, tz=UTC]", "timestamp[ns, tz=Europe/Berlin]", "timestamp[ms, tz=+01:00]"),
    *("decimal(18,2)", "decimal(38,38)", "decimal128(1,0)", "decimal256(38,10)", "decimal256(76,2)"),
]
"""All that ``schema`` takes, but for what is made of these."""

FIELD_NAMES = st.sampled_from(["a", "b_1", "select", "Date", "x.y", "odd name", "ä"])
TYPES = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.one_of(
        st.builds("list<{}>".format, inner),
        st.builds("large_list<{}>".format, inner),
        st.dictionaries(FIELD_NAMES, inner, min_size=1, max_size=3).map(
            lambda fields: f"struct<{', '.join(f'{name}: {kind}' for name, kind in fields.items())}>"
        ),
    ),
    max_leaves=4,
)
NAMES = st.one_of(
    st.sampled_from(["select", "table", "`", "``", '"', '""', "'", "\\", ";", "--", "/*", "a;b--", "%s", "{x}", "é😀"]),
    st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12),
).filter(lambda name: not placeholders(name))
SCHEMAS = st.dictionaries(NAMES, TYPES, min_size=1, max_size=6)


def table(schema: Mapping[str, str], form: str = "csv", name: str = "t", **fields: Any) -> TableData:
    spec = DestinationSpec(**{"bucket": "lake", "path": "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}", "format": form, **fields})
    kinds = arrow_types(schema)
    return TableData(name, columns_of(list(kinds), list(kinds.values())), (), spec, f"raw/{name}/")


def said_by(statements: Callable[[TableData], str], data: TableData) -> str:
    """Return the statements, or why there are none."""
    try:
        return statements(data)
    except SpecError as error:
        return str(error)


def columns_in(statement: exp.Expression) -> list[str]:
    return [column.this.this for column in statement.this.expressions if isinstance(column, exp.ColumnDef)]


class TestEveryStatementParses:
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(SCHEMAS, FORMATS)
    @pytest.mark.parametrize("dialect", ["athena", "hive", "spark"])
    def test_of_athena(self, dialect: str, schema: dict[str, str], form: str) -> None:
        assert not list(faults(schema))
        text = said_by(athena.statements, table(schema, form, athena=True))
        if "`ddl`: " in text[:30]:
            return  # refused
        (create,) = sqlglot.parse(text, read=dialect)
        assert isinstance(create, exp.Create)
        assert columns_in(create) == [name.lower() for name in schema]

    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(SCHEMAS, FORMATS)
    def test_of_redshift(self, schema: dict[str, str], form: str) -> None:
        text = said_by(redshift.statements, table(schema, form))
        if "`ddl`: " in text[:30]:
            return  # refused
        create, copy = sqlglot.parse(text, read="redshift")
        assert isinstance(create, exp.Create)
        assert isinstance(copy, exp.Copy)
        assert columns_in(create) == list(schema)

    @pytest.mark.parametrize("form", ["csv", "json", "parquet"])
    @pytest.mark.parametrize("kind", PLAIN)
    def test_of_each_type_or_it_is_refused_in_parquet_with_another(self, kind: str, form: str) -> None:
        for statements in (athena.statements, redshift.statements):
            said = said_by(statements, table({"a": kind}, form))
            assert "CREATE" in said or (form == "parquet" and "Give it another type with `schema`: " in said)


class TestTypes:
    @pytest.mark.parametrize(
        ("kind", "in_json", "in_parquet", "in_redshift", "from_parquet"),
        [
            ("bool", "boolean", "boolean", "BOOLEAN", "BOOLEAN"),
            ("int8", "tinyint", "tinyint", "SMALLINT", "SMALLINT"),
            ("uint16", "int", "int", "INTEGER", "INTEGER"),
            ("uint32", "bigint", "int64 or decimal(20,0)", "BIGINT", "int64 or decimal(20,0)"),
            ("uint64", "decimal(20,0)", "int64 or decimal(20,0)", "DECIMAL(20,0)", "int64 or decimal(20,0)"),
            ("float16", "float", "float32", "REAL", "float32"),
            ("double", "double", "double", "DOUBLE PRECISION", "DOUBLE PRECISION"),
            ("decimal(38,38)", "string", "decimal(38,38)", "VARCHAR(65535)", "decimal(38,s)"),
            ("decimal256(76,2)", "string", "decimal(38,s)", "VARCHAR(65535)", "decimal(38,s)"),
            ("decimal(18,2)", "string", "decimal(18,2)", "DECIMAL(18,2)", "DECIMAL(18,2)"),
            ("binary", "string", "binary", "VARCHAR(65535)", "VARBYTE(1024000)"),
            ("date32", "string", "date", "DATE", "DATE"),
            ("time64[us]", "string", "string", "TIME", "TIME"),
            ("timestamp[us]", "string", "timestamp", "TIMESTAMP", "TIMESTAMP"),
            ("timestamp[ns]", "string", "timestamp", "VARCHAR(65535)", "timestamp[us]"),
            ("timestamp[us, tz=UTC]", "string", "timestamp", "TIMESTAMPTZ", "TIMESTAMP"),
            ("duration[us]", "string", "bigint", "VARCHAR(65535)", "BIGINT"),
            ("list<int64>", "array<bigint>", "array<bigint>", "SUPER", "SUPER"),
            ("struct<a: date32>", "struct<`a`:string>", "struct<`a`:date>", "SUPER", "SUPER"),
        ],
    )
    def test_are_those_that_read_what_is_written(
        self, kind: str, in_json: str, in_parquet: str, in_redshift: str, from_parquet: str
    ) -> None:
        for statements, form, wanted in (
            (athena.statements, "json", in_json),
            (athena.statements, "parquet", in_parquet),
            (redshift.statements, "json", in_redshift),
            (redshift.statements, "parquet", from_parquet),
        ):
            said = said_by(statements, table({"c": kind}, form))
            forms = (f"`c` {wanted}", f'"c" {wanted}\n', f"Give it another type with `schema`: {wanted}")
            assert any(spelled in said for spelled in forms), said

    def test_are_text_in_csv_to_athena_which_tells_what_they_were(self) -> None:
        text = athena.statements(table({"at": "timestamp[us, tz=UTC]", "tags": "list<int64>"}))
        assert "`at` string COMMENT 'timestamp[us, tz=UTC]'" in text
        assert "`tags` string COMMENT 'JSON'" in text

    @pytest.mark.skipif(not hasattr(pa, "uuid"), reason="pyarrow has no such type before 18")
    def test_of_uuids_are_text_but_in_parquet(self) -> None:
        column = Column("id", sql_type_of(pa.uuid()))
        for form, in_athena, in_redshift in (
            ("csv", "`id` string COMMENT 'uuid'", '"id" VARCHAR(65535)'),
            ("json", "`id` string COMMENT 'uuid'", '"id" VARCHAR(65535)'),
            ("parquet", "`id` binary", '"id" VARBYTE(1024000)'),
        ):
            data = replace(table({"id": "string"}, form), columns=(column,))
            assert f"{in_athena}\n" in athena.statements(data)
            assert f"{in_redshift}\n" in redshift.statements(data)

    def test_are_text_where_none_is_known(self) -> None:
        assert Column("a").sql_type == sql_type_of(None) == sql_type_of(arrow_types({"a": "string"})["a"])


def test_the_documents_show_what_is_written() -> None:
    page = Path(__file__).parents[4].joinpath("docs/table-definitions.md").read_text(encoding="utf-8")
    schema = {"id": "int64", "price": "decimal(18,2)", "day": "date32"}
    data = table(schema, "parquet", "orders", path=HIVE)
    for text in (athena.statements(replace(data, partitions=data.columns[2:])), redshift.statements(data)):
        statements = re.sub(r"(?m)^--.*\n", "", text)
        assert f"```sql\n{statements}```" in page


class TestOptions:
    def test_of_csv_are_those_of_the_dialect(self) -> None:
        dialect = {"delimiter": "|", "null_value": "it's", "skip_header": True}
        data = table({"a": "int64"}, compression="gzip", format_spec=dialect)
        assert "'separatorChar' = '|'" in athena.statements(data)
        assert "skip.header.line.count" not in athena.statements(data)
        assert "FORMAT AS CSV\nDELIMITER '|'\nNULL AS 'it''s'\nGZIP\n" in redshift.statements(data)
        assert "IGNOREHEADER" in redshift.statements(table({"a": "int64"}))
        assert "'skip.header.line.count' = '1'" in athena.statements(table({"a": "int64"}))

    def test_of_copy_are_those_of_the_format(self) -> None:
        assert "JSON 'auto ignorecase'\nDATEFORMAT" in redshift.statements(table({"a": "int64"}, "json"))
        assert redshift.statements(table({"a": "int64"}, "parquet")).endswith("FORMAT AS PARQUET;\n")
        assert redshift.statements(table({"a": "list<int64>"}, "parquet")).endswith("PARQUET\nSERIALIZETOJSON;\n")

    def test_a_backslash_in_a_literal_of_redshift_is_refused(self) -> None:
        with pytest.raises(SpecError, match="backslash"):
            redshift.statements(table({"a": "int64"}, format_spec={"null_value": "\\N"}))


class TestNames:
    @pytest.mark.parametrize("statements", [athena.statements, redshift.statements])
    def test_that_differ_in_case_alone_are_refused(self, statements: Any) -> None:
        with pytest.raises(SpecError, match="columns 'Id' and 'id' have the same name in"):
            statements(table({"Id": "int64", "id": "int64"}))

    @pytest.mark.parametrize(
        ("statements", "name", "problem"),
        [
            (athena.statements, "a,b", "has a comma"),
            (athena.statements, "a\nb", "a control character"),
            (athena.statements, " a", "a blank at an end"),
            (athena.statements, "a" * 256, "1 to 255 characters"),
            (redshift.statements, "é" * 64, "1 to 127 bytes"),
            (redshift.statements, "a\x07", "not printable"),
            (redshift.statements, "CTID", "a system column"),
        ],
    )
    def test_that_a_dialect_does_not_take_are_refused(self, statements: Any, name: str, problem: str) -> None:
        with pytest.raises(SpecError, match=problem):
            statements(table({name: "int64"}))

    def test_of_fields_are_letters_and_digits_to_athena(self) -> None:
        types = {"c": "struct<odd name: int64>"}
        with pytest.raises(SpecError, match="`athena: true`"):
            athena.statements(table(types, "json"))
        assert "struct<`odd_name`:bigint>" in athena.statements(table(types, "json", athena=True))

    def test_of_tables_have_no_other_characters_in_athena(self) -> None:
        assert "EXISTS `my_orders`" in athena.statements(table({"a": "int64"}, name="My-orders"))
        assert 'EXISTS "My-""orders"""' in redshift.statements(table({"a": "int64"}, name='My-"orders"'))


HIVE = "raw/{{TABLE}}/day={{FIELD.day}}/{{UUID}}.{{FORMAT}}"


def problems(dialect: str, path: str, *, copies: bool = False, **fields: Any) -> str:
    known = {"ddl": [dialect], "path": path, "format": "csv", **fields}
    return " ".join(fault.problem for fault in layout.faults(known, copies_manifest=copies))


class TestLayout:
    @pytest.mark.parametrize(
        ("path", "fields", "problem"),
        [
            ("{{UUID}}.csv", {}, "needs a folder for each table, but `path` has none"),
            ("raw/{{TABLE}}-{{UUID}}.csv", {}, "other tables share the folder"),
            ("raw/{{UUID}}/{{TABLE}}/a.csv", {}, "other tables share the folder"),
            ("t/{{UUID}}.csv", {"compression": "gzip"}, "recognizes gzip by `.gz`"),
            ("t/{{UUID}}.csv.gz", {}, "recognizes gzip by `.gz`"),
            ("_t/_{{UUID}}.csv", {}, "skips names that begin with `_`"),
            (HIVE, {}, "reads CSV by position"),
            ("t/{{FIELD.day}}/{{UUID}}", {"format": "json"}, "finds partitions only in folders such as day="),
            ("t/Day={{FIELD.Day}}/{{UUID}}", {"format": "json"}, "finds partitions only in folders such as day="),
            ("t/day={{FIELD.day}}-{{UUID}}", {"format": "json"}, "finds partitions only in folders such as day="),
            ("t/{{UUID}}/day={{FIELD.day}}/a", {"format": "json"}, "finds partitions only in folders such as day="),
            ("t/day={{FIELD.day}}/{{UUID}}/a", {"format": "json"}, "finds partitions only in folders such as day="),
            ("t/{{UUID}}", {"format_spec": {"delimiter": "😀"}}, "16 bits"),
            ("t/{{UUID}}", {"bucket": "arn:aws:s3:x"}, "is an ARN"),
        ],
    )
    def test_that_athena_can_not_read_is_refused(self, path: str, fields: dict[str, Any], problem: str) -> None:
        assert problem in problems("athena", path, **fields)

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("_t/{{UUID}}.csv", {}),
            ("raw/{{ TABLE_HYPHEN }}/{{YEAR}}/{{UUID}}.{{ FORMAT }}", {"compression": "gzip"}),
            (HIVE, {"partition_columns": "drop"}),
            (HIVE, {"format": "parquet", "compression": "gzip"}),
            ("t/a_b={{FIELD['A_b']}}/c={{- FIELD.c -}}/{{UUID}}", {"format": "json"}),
        ],
    )
    def test_that_athena_can_read_is_not(self, path: str, fields: dict[str, Any]) -> None:
        assert problems("athena", path, **fields) == ""

    def test_that_copy_can_not_read_is_refused(self) -> None:
        assert "does not read the values" in problems("redshift", HIVE, partition_columns="drop")
        assert "only if they are doubled" in problems("redshift", "t/{{UUID}}", format_spec={"escape": "\\"})
        assert "the delimiter 'é'" in problems("redshift", "t/{{UUID}}", format_spec={"delimiter": "é"})
        assert "other tables share" in problems("redshift", "{{TABLE}}".join(["raw/", "{{UUID}}"]))

    def test_needs_no_folder_where_copy_has_a_manifest(self) -> None:
        assert problems("redshift", "{{UUID}}.csv", copies=True) == ""
