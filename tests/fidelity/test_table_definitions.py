"""The statements beside the data run, and what they make reads the data back."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.integration.loading import load
from tests.servers import Bucket

UTC = timezone.utc
SCHEMA = {
    "id": "int64",
    "tiny": "int8",
    "small": "uint8",
    "price": "decimal(38,10)",
    "ratio": "float64",
    "paid": "bool",
    "day": "date32",
    "at": "timestamp[us]",
    "since": "timestamp[us, tz=UTC]",
    "select": "string",
    "o`d\"d 'é": "string",
    "Upper": "bool",
    "tags": "list<string>",
    "place": "struct<lat: float64, date: list<int64>>",
}
RECORDS: list[dict[str, Any]] = [
    {
        "id": 2**53 + 1,
        "tiny": -128,
        "small": 255,
        "price": Decimal("1234567890123456789012345678.0123456789"),
        "ratio": 1e-300,
        "paid": True,
        "day": date(1, 1, 1),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999999),
        "since": datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
        "select": 'a "quoted", \\ text\\',
        "o`d\"d 'é": "é😀",
        "Upper": True,
        "tags": ["a", 'b"c'],
        "place": {"lat": 0.1, "date": [1, 2]},
    },
    {"id": 7, "select": "007", "o`d\"d 'é": "x", "tags": [], "place": {"lat": None, "date": None}},
]
FULL = [{name: record.get(name) for name in SCHEMA} for record in RECORDS]


def text_of(bucket: Bucket, dialect: str) -> str:
    (text,) = (body.decode() for key, body in bucket.objects().items() if key.endswith(f".{dialect}.sql"))
    return text


def in_spark(spark: Any, bucket: Bucket, folder: Path, query: str) -> list[dict[str, Any]]:
    """Run the statements for Athena on a copy of the bucket, and then a query."""
    for key, body in bucket.objects().items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(body)
    text = text_of(bucket, "athena").replace(f"s3://{bucket.name}/", f"file:{folder}/")
    if "JsonSerDe" in text:
        # Spark comes without this serde: its own reader takes its place, on the same columns.
        text = re.sub(r"ROW FORMAT SERDE .*\nSTORED AS TEXTFILE\n", "", text).replace("EXTERNAL ", "")
        text = text.replace("\n)", "\n) USING json", 1)
    spark.sql("DROP TABLE IF EXISTS t")
    for statement in filter(str.strip, text.split(";\n")):
        spark.sql(statement)
    return [row.asDict(recursive=True) for row in spark.sql(query).collect()]


class TestSparkReadsBack:
    def test_parquet(self, spark: Any, seaweedfs_bucket: Bucket, folder: Path) -> None:
        load(seaweedfs_bucket, RECORDS, schema=SCHEMA, format="parquet", ddl=["athena"])

        # Python's own conversion of a moment goes by the clock of this machine.
        query = "SELECT *, unix_micros(since) AS micros FROM t ORDER BY id DESC"
        found = in_spark(spark, seaweedfs_bucket, folder, query)

        wanted = [{name.lower(): value for name, value in record.items()} for record in FULL]
        for one, other in zip(found, wanted, strict=True):
            micros, moment = one.pop("micros"), other.pop("since")
            del one["since"]
            assert micros == (None if moment is None else int(moment.timestamp()) * 10**6 + moment.microsecond)
            assert one == other

    @pytest.mark.parametrize("compression", ["", "gzip"])
    def test_json(self, spark: Any, seaweedfs_bucket: Bucket, folder: Path, compression: str) -> None:
        # To Spark's own reader, other than to the serde, capitals are other letters.
        schema = {name: kind for name, kind in SCHEMA.items() if name.islower()}
        load(seaweedfs_bucket, RECORDS, schema=schema, format="json", compression=compression, ddl=["athena"])

        found = in_spark(spark, seaweedfs_bucket, folder, "SELECT * FROM t ORDER BY id DESC")

        assert found == [{name: as_json_has_it(record[name]) for name in schema} for record in FULL]

    @pytest.mark.parametrize(
        ("delimiter", "escape", "compression"),
        [(",", '"', ""), (",", "\\", "gzip"), ("\t", "\\", ""), ("'", '"', "gzip")],
    )
    def test_csv(
        self, spark: Any, seaweedfs_bucket: Bucket, folder: Path, compression: str, escape: str, delimiter: str
    ) -> None:
        columns = ["id", "price", "at", "select", "o`d\"d 'é", "tags", "Upper"]
        dialect = {"escape": escape, "delimiter": delimiter}
        load(
            seaweedfs_bucket,
            RECORDS,
            columns=columns,
            schema={name: SCHEMA[name] for name in columns},
            format="csv",
            compression=compression,
            format_spec=dialect,
            ddl=["athena"],
        )

        found = in_spark(spark, seaweedfs_bucket, folder, "SELECT * FROM t WHERE id <> 'id' ORDER BY length(id) DESC")

        first = [str(2**53 + 1), str(FULL[0]["price"]), "9999-12-31T23:59:59.999999", *list(FULL[0].values())[9:11]]
        assert [list(record.values()) for record in found] == [
            [*first, '["a","b\\"c"]', "true"],
            ["7", "", "", "007", "x", "[]", ""],
        ]
        assert list(found[0]) == [name.lower() for name in columns]

    @pytest.mark.parametrize(
        ("form", "partition_columns"),
        [("parquet", "keep"), ("parquet", "drop"), ("json", "keep"), ("json", "drop"), ("csv", "drop")],
    )
    def test_partitions(
        self, spark: Any, seaweedfs_bucket: Bucket, folder: Path, form: str, partition_columns: str
    ) -> None:
        records = [
            {"id": number, "region": region, "day": date(2026, 2, number)}
            for number, region in enumerate(["eu/west", "a=b c", "100 %", None], 1)
        ]
        load(
            seaweedfs_bucket,
            records,
            schema={"id": "int64", "region": "string", "day": "date32"},
            format=form,
            path="out/{{TABLE}}/region={{FIELD.region}}/day={{FIELD.day}}/{{UUID}}.{{FORMAT}}",
            partition_columns=partition_columns,
            format_spec={"skip_header": True} if form == "csv" else {},
            ddl=["athena"],
        )

        # By a serde of Hive's, Spark gives a partition of null by its name.
        region = "nullif(region, '__HIVE_DEFAULT_PARTITION__') AS region"
        found = in_spark(spark, seaweedfs_bucket, folder, f"SELECT id, {region}, day FROM t ORDER BY day")

        assert [{**record, "id": int(record["id"])} for record in found] == records


def as_json_has_it(value: Any) -> Any:
    """Give the text of what JSON has as a string."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, date)) else value


class TestPostgreSQLTakes:
    """Redshift's CREATE TABLE as it stands, with SUPER for a name of JSON; VARBYTE and its COPY are not run."""

    @pytest.mark.parametrize("form", ["csv", "json"])
    def test_the_table_and_its_own_copy_loads_the_csv(
        self, postgresql: Any, seaweedfs_bucket: Bucket, form: str
    ) -> None:
        null: dict[str, Any] = {"format_spec": {"null_value": "(null)"}} if form == "csv" else {}
        load(seaweedfs_bucket, RECORDS, schema=SCHEMA, format=form, ddl=["redshift"], ddl_path="d/t.{{FORMAT}}", **null)
        create, copy = text_of(seaweedfs_bucket, "redshift").split(";\n\n")

        with postgresql.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS t")
            cursor.execute(create)
            assert copy.startswith('COPY "t"\nFROM ')
            if form == "json":
                return
            for body in seaweedfs_bucket.objects("out/").values():
                how = "FORMAT csv, HEADER true, NULL '(null)'"
                cursor.copy_expert(f"COPY t FROM STDIN ({how})", BytesIO(body))
            cursor.execute("SELECT * FROM t ORDER BY id DESC")
            assert [name.name for name in cursor.description] == list(SCHEMA)
            assert [dict(zip(SCHEMA, row, strict=True)) for row in cursor.fetchall()] == FULL
