"""Columns of one type each go together with partitions, Athena's names, empty objects and manifests."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.load import partitioning
from tests.integration.loading import load, load_staged
from tests.servers import Bucket

PATH = "out/{{TABLE}}/region={{FIELD.region}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"
PARQUET: dict[str, Any] = {"format": "parquet"}
PARTITIONED: dict[str, Any] = {"format": "parquet", "path": PATH}
SCHEMA = {"n": "int32", "price": "decimal(18,2)", "region": "string", "day": "date32"}

EMPTY: Any = {"format": "parquet", "write_empty_objects_for_empty_tables": True}

NESTED: Any = [
    {"user-id": 1, "tags": [{"a b": 1, "ok": None}], "deep.er": {"x-y": {"z z": Decimal("1.5")}}},
    {"user-id": 2, "tags": None, "deep.er": {"x-y": None}},
    {"user-id": 3, "tags": [], "deep.er": None},
]
SAFE: Any = [
    {"user_id": 1, "tags": [{"a_b": 1, "ok": None}], "deep_er": {"x_y": {"z_z": Decimal("1.5")}}},
    {"user_id": 2, "tags": None, "deep_er": {"x_y": None}},
    {"user_id": 3, "tags": [], "deep_er": None},
]


def records(count: int = 40) -> list[dict[str, Any]]:
    return [{"n": n, "region": ("eu", "us", None)[n % 3], "at": datetime(2026, 2, 3, 4, n)} for n in range(count)]


def texts(count: int = 9) -> Iterator[dict[str, Any]]:
    for n in range(count):
        yield {"n": str(n), "price": f"{n}.5", "region": ("eu", "us")[n % 2], "day": f"2026-02-0{1 + n % 3}"}


def tables_in(bucket: Bucket, folder: str = "out/t/") -> dict[str, list[pa.Table]]:
    """Read the Parquet objects, by partition."""
    found: dict[str, list[pa.Table]] = {}
    for key, body in bucket.objects(folder).items():
        partition = key.removeprefix(folder).rpartition("/")[0]
        found.setdefault(partition, []).append(pq.read_table(io.BytesIO(body)))
    return found


def numbers_in(bucket: Bucket) -> dict[str, list[list[int]]]:
    return {name: [one["n"].to_pylist() for one in own] for name, own in tables_in(bucket).items()}


def order_in(bucket: Bucket) -> dict[str, list[int]]:
    return {name: [n for one in own for n in one] for name, own in numbers_in(bucket).items()}


class TestParquetByPartition:
    def test_keeps_the_columns_of_the_path(self, bucket: Bucket) -> None:
        report = load(bucket, records(10), batch_size=2, **PARTITIONED)

        assert numbers_in(bucket) == {
            "region=eu": [[0, 3], [6, 9]],
            "region=us": [[1, 4], [7]],
            "region=__HIVE_DEFAULT_PARTITION__": [[2, 5], [8]],
        }
        assert [row for own in tables_in(bucket)["region=us"] for row in own.to_pylist()] == [
            record for record in records(10) if record["region"] == "us"
        ]
        assert list(report.tables["t"].columns) == ["n", "region", "at"]

    def test_drops_them_from_the_schema_too(self, moto_bucket: Bucket) -> None:
        report = load(moto_bucket, records(10), partition_columns="drop", **PARTITIONED)

        schemas = {one.schema for own in tables_in(moto_bucket).values() for one in own}
        assert schemas == {pa.schema({"n": pa.int64(), "at": pa.timestamp("us")})}
        assert list(report.tables["t"].columns) == ["n", "at"]
        assert sorted(n for own in numbers_in(moto_bucket).values() for batch in own for n in batch) == [*range(10)]

    def test_that_drops_every_column_is_refused(self, moto_bucket: Bucket) -> None:
        with pytest.raises(RecordError, match="Parquet can't hold records without any"):
            load(moto_bucket, [{"region": "eu"}], partition_columns="drop", **PARTITIONED)

    @pytest.mark.parametrize("in_bytes", [False, True], ids=["by records", "by bytes"])
    def test_writes_the_same_bytes_for_the_same_records_in_other_chunks(
        self, moto_bucket: Bucket, in_bytes: bool
    ) -> None:
        limit: dict[str, Any] = {"batch_size_bytes": 100} if in_bytes else {"batch_size": 7}
        table = pa.table({name: [record[name] for record in records()] for name in records(1)[0]})
        load(moto_bucket, table, **limit, **PARTITIONED)
        first = moto_bucket.objects("out/")
        assert len(first) > 3
        load(moto_bucket, pa.concat_tables(table.slice(n, 1) for n in range(len(table))), **limit, **PARTITIONED)
        assert moto_bucket.objects("out/") == first

    def test_ends_what_has_waited_longest_where_too_many_are_open(
        self, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(partitioning, "MAX_OPEN", 2)
        load(moto_bucket, records(9), **PARTITIONED)
        assert order_in(moto_bucket) == {
            "region=eu": [0, 3, 6],
            "region=us": [1, 4, 7],
            "region=__HIVE_DEFAULT_PARTITION__": [2, 5, 8],
        }
        assert max(len(batch) for own in numbers_in(moto_bucket).values() for batch in own) == 1

    def test_holds_the_records_of_many_small_pieces_in_their_order(
        self, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(partitioning, "MAX_HELD_BYTES", 10_000)
        load(moto_bucket, [{"n": n, "region": "a" if n % 3 else "b"} for n in range(900)], **PARTITIONED)
        assert order_in(moto_bucket) == {
            "region=a": [n for n in range(900) if n % 3],
            "region=b": [n for n in range(900) if not n % 3],
        }

    def test_is_named_by_the_value_as_its_type_has_it(self, moto_bucket: Bucket) -> None:
        path = PATH.replace("region={{FIELD.region}}", "day={{FIELD.day}}/price={{FIELD.price}}")
        load(moto_bucket, texts(2), schema=SCHEMA, format="parquet", path=path, partition_columns="drop")
        assert {*tables_in(moto_bucket)} == {"day=2026-02-01/price=0.50", "day=2026-02-02/price=1.50"}


class TestASchemaByPartition:
    @pytest.mark.parametrize("kept", [True, False], ids=["keep", "drop"])
    @pytest.mark.parametrize("lane", ["list", "stream", "arrow", "staged csv"])
    @pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
    def test_gives_every_lane_the_same_objects(self, moto_bucket: Bucket, format_: str, lane: str, kept: bool) -> None:
        how: dict[str, Any] = {
            "schema": SCHEMA,
            "format": format_,
            "path": PATH,
            "batch_size": 3,
            "partition_columns": "keep" if kept else "drop",
        }
        load(moto_bucket, list(texts()), **how)
        expected = dict(moto_bucket.objects("out/"))
        for key in expected:
            moto_bucket.server.client().delete_object(Bucket=moto_bucket.name, Key=key)
        if lane == "staged csv":
            lines = [",".join(record.values()) for record in texts()]
            moto_bucket.write("in/1.csv", "\n".join([",".join(SCHEMA), *lines, ""]).encode())
            load_staged(moto_bucket, f"s3://{moto_bucket.name}/in/*.csv", "t", **how)
        else:
            rows = list(texts())
            handed: Any = {"list": rows, "stream": iter(rows), "arrow": pa.Table.from_pylist(rows)}[lane]
            load(moto_bucket, handed, **how)
        assert moto_bucket.objects("out/") == expected
        assert len(expected) == 4

    def test_spells_text_by_its_type(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, texts(2), schema=SCHEMA, format="csv", path=PATH, partition_columns="drop")
        assert [*moto_bucket.objects("out/").values()] == [
            b"n,price,day\n0,0.50,2026-02-01\n",
            b"n,price,day\n1,1.50,2026-02-02\n",
        ]

    def test_names_the_record_that_does_not_fit(self, moto_bucket: Bucket) -> None:
        with pytest.raises(RecordError, match="'x' does not fit the column's type int32"):
            load(moto_bucket, [*texts(2), {"n": "x", "region": "eu"}], schema=SCHEMA, format="json", path=PATH)


class TestAthena:
    def test_gives_the_columns_and_the_fields_of_structs_in_parquet_safe_names(self, moto_bucket: Bucket) -> None:
        report = load(moto_bucket, NESTED, athena=True, **PARQUET)
        (table,) = tables_in(moto_bucket)[""]
        assert table.to_pylist() == SAFE
        assert list(report.tables["t"].columns) == ["user_id", "tags", "deep_er"]

    def test_leaves_the_keys_of_a_map_in_parquet_which_are_values(self, moto_bucket: Bucket) -> None:
        kind = pa.struct([("m-m", pa.map_(pa.string(), pa.int64()))])
        load(moto_bucket, pa.table({"s": pa.array([{"m-m": [("k-k", 1)]}], kind)}), athena=True, **PARQUET)
        (table,) = tables_in(moto_bucket)[""]
        assert table.to_pylist() == [{"s": {"m_m": [("k-k", 1)]}}]

    @pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
    def test_takes_the_names_that_come_in_for_those_of_the_schema(self, moto_bucket: Bucket, format_: str) -> None:
        schema = {"user-id": "int64", "deep.er": "struct<x-y: int64>"}
        rows = [{"user-id": "7", "deep.er": {"x-y": 1}}]
        report = load(moto_bucket, rows, schema=schema, athena=True, format=format_)
        assert list(report.tables["t"].columns) == ["user_id", "deep_er"]
        (body,) = moto_bucket.objects("out/").values()
        if format_ == "csv":
            assert body == b'user_id,deep_er\n7,"{""x_y"":1}"\n'
        elif format_ == "json":
            assert json.loads(body) == {"user_id": 7, "deep_er": {"x_y": 1}}
        else:
            assert pq.read_table(io.BytesIO(body)).to_pylist() == [{"user_id": 7, "deep_er": {"x_y": 1}}]

    def test_refuses_two_fields_of_a_struct_that_are_one_name(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match="the fields 'a-b' and 'A_b' of column 's' of table 't'"):
            load(moto_bucket, [{"s": {"a-b": 1, "A_b": 2}}], athena=True, **PARQUET)

    def test_partitions_by_the_safe_name(self, moto_bucket: Bucket) -> None:
        path = PATH.replace("FIELD.region", "FIELD.the_region")
        rows = [{"the-region": "eu", "s": {"x-y": 1}}]
        load(moto_bucket, rows, athena=True, format="parquet", path=path, partition_columns="drop")
        assert [own[0].to_pylist() for own in tables_in(moto_bucket).values()] == [[{"s": {"x_y": 1}}]]


class TestAnEmptyTable:
    def schema_of(self, bucket: Bucket) -> pa.Schema:
        (body,) = bucket.objects("out/").values()
        file = pq.ParquetFile(io.BytesIO(body))
        assert file.metadata.num_rows == 0
        return file.schema_arrow

    @pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
    def test_has_the_types_of_the_schema(self, bucket: Bucket, atomic: bool) -> None:
        report = load(bucket, [], schema={"n": "int32", "at": "timestamp[us, tz=UTC]"}, atomic=atomic, **EMPTY)
        assert self.schema_of(bucket) == pa.schema({"n": pa.int32(), "at": pa.timestamp("us", "UTC")})
        assert (report.records, report.objects) == (0, 1)

    def test_has_those_of_the_source(self, moto_bucket: Bucket) -> None:
        source = pa.schema({"n": pa.int16(), "d": pa.date32()})
        load(moto_bucket, source.empty_table(), **EMPTY)
        assert self.schema_of(moto_bucket) == source

    def test_has_text_where_none_are_known(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [], columns=["n", "day"], **EMPTY)
        assert self.schema_of(moto_bucket) == pa.schema({"n": pa.string(), "day": pa.string()})

    def test_has_no_column_where_none_is_known(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, iter(()), **EMPTY)
        assert self.schema_of(moto_bucket) == pa.schema([])

    def test_has_athenas_names(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, [], schema={"a-b": "struct<c-d: int8>"}, athena=True, **EMPTY)
        assert self.schema_of(moto_bucket) == pa.schema({"a_b": pa.struct([("c_d", pa.int8())])})

    def test_is_no_object_unless_that_is_asked_for(self, moto_bucket: Bucket) -> None:
        assert load(moto_bucket, [], schema=SCHEMA, **PARQUET).objects == 0


class TestAManifest:
    @pytest.mark.parametrize("kind", ["redshift", "s3dest"])
    def test_lists_the_parquet_objects_with_their_stored_bytes(self, bucket: Bucket, kind: str) -> None:
        rows = [{"id": n, "day": date(2026, 2, 3), "at": datetime.now(timezone.utc)} for n in range(25)]
        report = load(bucket, rows, batch_size=10, manifest=kind, compression="zstd", **PARQUET)

        sizes = {f"s3://{bucket.name}/{key}": len(body) for key, body in bucket.objects("out/t/").items()}
        (body,) = bucket.objects("out/_manifest/").values()
        listed = json.loads(body)
        if kind == "redshift":
            assert {one["url"]: one["meta"]["content_length"] for one in listed["entries"]} == sizes
        else:
            own = listed["tables"]["t"]
            assert {one["uri"]: one["bytes"] for one in own["objects"]} == sizes
            assert (listed["format"], listed["compression"]) == ("parquet", "zstd")
            assert (own["columns"], own["records"]) == (["id", "day", "at"], 25)
        assert report.bytes == sum(sizes.values())

    def test_has_the_columns_that_partitions_leave(self, moto_bucket: Bucket) -> None:
        load(moto_bucket, records(6), manifest="s3dest", partition_columns="drop", **PARTITIONED)
        (body,) = moto_bucket.objects("out/t/_manifest/").values() or moto_bucket.objects("out/_manifest/").values()
        own = json.loads(body)["tables"]["t"]
        assert own["columns"] == ["n", "at"]
        assert (own["records"], len(own["objects"])) == (6, 3)
