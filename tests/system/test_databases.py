"""Queries to real databases, by every driver: exact values, one state, flat memory, an end to what is killed.

They run in an environment with the drivers (`requirements/databases.txt`); in another one, and where Debian's packages
`postgresql` and `mariadb-server` are not installed, they are skipped and say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_provider_s3dest.errors import LoadStoppedError, RecordError, SpecError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.hooks.sql_connection import sql_hook
from airflow_provider_s3dest.operators.lineage import inputs_of_queries
from airflow_provider_s3dest.operators.sql_to_s3_destination import SqlToS3DestinationOperator
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.sources.sql.session import QueryCursor, Session
from tests.airflow import versions
from tests.airflow.dag_runs import dag_of, run_dag
from tests.servers import Bucket, MotoServer
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.slow

DESTINATION: dict[str, Any] = {"path": "out/{{TABLE}}/{{UUID}}.{{FORMAT}}"}

ROWS, MORE_ROWS = 50_000, 500_000
ROOM = 40 * 2**20
"""Bytes that a load of more rows may take beyond one of few: the rows of one fetch, and what Python does not return."""


@dataclass(frozen=True)
class Database:
    """A database behind a connection of Airflow, read by one driver.

    :param modules: what must be installed.
    :param connection: the connection, as JSON.
    """

    driver: str
    modules: tuple[str, ...]
    connection: str

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL, not MariaDB."""
        return self.driver.startswith("psycopg")

    def connect(self) -> Any:
        """Open a connection by Airflow's hook."""
        return self.hook().get_conn()

    def hook(self) -> Any:
        """Return Airflow's hook."""
        return sql_hook("shop", None)

    def rows_of(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, or run a statement."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.commit()
            return rows

    def many(self, rows: int) -> str:
        """Return a query of so many rows of about 100 bytes."""
        if self.is_postgresql:
            return f"SELECT g AS id, repeat('x', 100) AS text FROM generate_series(1, {rows}) g"
        return f"SELECT seq AS id, repeat('x', 100) AS text FROM seq_1_to_{rows}"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server."""
    if not PostgreSQL.is_installed():
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with PostgreSQL.running() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    """A MariaDB server."""
    if not MariaDB.is_installed():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with MariaDB.running() as server:
        yield server


@pytest.fixture(params=["psycopg2", "psycopg", "mysqlclient", "mysql-connector-python"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Each driver in turn, behind the connection `shop`."""
    driver = request.param
    if driver.startswith("psycopg"):
        modules: tuple[str, ...] = ("airflow.providers.postgres", driver)
    else:
        modules = ("airflow.providers.mysql", "MySQLdb" if driver == "mysqlclient" else "mysql.connector")
    for module in modules:
        if find_spec(module.partition(".")[0]) is None or find_spec(module) is None:
            pytest.skip(f"{module} is not installed: use the environment of requirements/databases.txt")
    server = request.getfixturevalue("postgresql" if driver.startswith("psycopg") else "mariadb")
    connection: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
    if driver.startswith("psycopg"):
        connection |= {"conn_type": "postgres", "login": "postgres", "schema": "postgres"}
        monkeypatch.setattr("airflow.providers.postgres.hooks.postgres.USE_PSYCOPG3", driver == "psycopg")
    else:
        connection |= {"conn_type": "mysql", "login": "airflow", "password": "airflow", "schema": "shop"}
        connection["extra"] = {"client": driver}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    return Database(driver, modules, json.dumps(connection))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Make the metadata database."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def lake(moto_s3: MotoServer, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket that the AWS connection leads to."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    return moto_bucket


def load(database: Database, lake: Bucket, sql: str, **arguments: Any) -> bytes:
    """Load a query by the hook; gives the bytes of the only object."""
    with Session(database.connect, "shop", queries=1, fetch_size=10, stop=StopFlag()) as session:
        records = QueryCursor(session, "t", sql)
        S3DestinationHook().load(records=records, table="t", bucket=lake.name, **DESTINATION, **arguments)
    ((key, data),) = lake.objects().items()
    lake.server.client().delete_object(Bucket=lake.name, Key=key)
    return data


POSTGRESQL_VALUES = r"""
SELECT 7::int2 AS small, 1.50::numeric(18,2) AS price, '2024-01-31'::date AS day,
  '2024-01-31 12:00:00.5'::timestamp AS ts, '2024-01-31 12:00:00+02'::timestamptz AS tz, '12:30'::time AS clock,
  '{"a": 1.10, "b": 12345678901234567890.5}'::json AS js, '{"a": 1.10}'::jsonb AS jb, array['[1.10]'::json] AS jsons,
  '1 mon'::interval AS iv, '00000000-0000-0000-0000-00000000000a'::uuid AS u, '\x00ff'::bytea AS b,
  array[1, NULL] AS ints, array['a,b', NULL] AS texts, array[1.50]::numeric(18,2)[] AS prices,
  '10.0.0.1'::inet AS ip, int4range(1, 5) AS r, 0.1::real AS f, '12:00+02'::timetz AS ctz, NULL::text AS nothing
"""
POSTGRESQL_JSON = (
    b'{"small":7,"price":"1.50","day":"2024-01-31","ts":"2024-01-31T12:00:00.500000","tz":"2024-01-31T10:00:00+00:00",'
    b'"clock":"12:30:00","js":{"a": 1.10, "b": 12345678901234567890.5},"jb":{"a": 1.10},"jsons":[[1.10]],"iv":"1 mon",'
    b'"u":"00000000-0000-0000-0000-00000000000a","b":"AP8=","ints":[1,null],"texts":["a,b",null],"prices":["1.50"],'
    b'"ip":"10.0.0.1","r":"[1,5)","f":0.1,"ctz":"12:00:00+02","nothing":null}\n'
)
POSTGRESQL_CSV = (
    b"small,price,day,ts,tz,clock,js,jb,jsons,iv,u,b,ints,texts,prices,ip,r,f,ctz,nothing\n"
    b"7,1.50,2024-01-31,2024-01-31T12:00:00.500000,2024-01-31T10:00:00+00:00,12:30:00,"
    b'"{""a"": 1.10, ""b"": 12345678901234567890.5}","{""a"": 1.10}",[[1.10]],1 mon,'
    b'00000000-0000-0000-0000-00000000000a,AP8=,"[1,null]","[""a,b"",null]","[""1.50""]",'
    b'10.0.0.1,"[1,5)",0.1,12:00:00+02,\n'
)
POSTGRESQL_TYPES = {
    "small": "int16",
    "price": "decimal128(18, 2)",
    "day": "date32[day]",
    "ts": "timestamp[us]",
    "tz": "timestamp[us, tz=UTC]",
    "clock": "time64[us]",
    **dict.fromkeys(("js", "jb", "iv", "u", "ip", "r", "ctz", "nothing"), "string"),
    "jsons": "list<element: string>",
    "b": "binary",
    "ints": "list<element: int32>",
    "texts": "list<element: string>",
    "prices": "list<element: decimal128(18, 2)>",
    "f": "double",
}

MARIADB_VALUES = """
SELECT CAST(7 AS UNSIGNED) AS n, CAST(1.5 AS DECIMAL(18,2)) AS price, CAST('2024-01-31' AS DATE) AS day,
  CAST('2024-01-31 12:00:00.5' AS DATETIME(6)) AS ts, CAST('-838:59:59' AS TIME) AS clock, 'é' AS text, x'00ff' AS b,
  b'100000001' + 0 AS bits, '{"a":1.10}' AS js, NULL AS nothing
"""
MARIADB_JSON = (
    '{"n":7,"price":"1.50","day":"2024-01-31","ts":"2024-01-31T12:00:00.500000","clock":"-P34DT22H59M59S","text":"é",'
    '"b":"AP8=","bits":257,"js":"{\\"a\\":1.10}","nothing":null}\n'
).encode()


def test_values_are_exact_in_all_formats(database: Database, lake: Bucket) -> None:
    sql = POSTGRESQL_VALUES if database.is_postgresql else MARIADB_VALUES
    assert load(database, lake, sql, format="json") == (POSTGRESQL_JSON if database.is_postgresql else MARIADB_JSON)
    if database.driver == "mysql-connector-python":  # which tells no precision
        with pytest.raises(SpecError, match="has no type for the column 'price' of table 't', which is a number"):
            load(database, lake, sql, format="parquet")
        return
    table = pq.read_table(pa.BufferReader(load(database, lake, sql, format="parquet")))
    types = {field.name: str(field.type) for field in table.schema}
    if database.is_postgresql:
        assert load(database, lake, sql, format="csv") == POSTGRESQL_CSV
        assert types == POSTGRESQL_TYPES
    else:
        assert types["price"] == "decimal128(18, 2)"
        assert (types["day"], types["ts"]) == ("date32[day]", "timestamp[us]")


def test_what_python_has_not_is_the_text_of_the_server(database: Database, lake: Bucket) -> None:
    if database.is_postgresql:
        columns = ["'infinity'::date", "'-infinity'::timestamptz", "'0044-03-15 BC'::date", "'24:00'::time"]
        expected = ["infinity", "-infinity", "0044-03-15 BC", "24:00:00"]
        sql = "SELECT " + ", ".join(f"{column} AS c{number}" for number, column in enumerate(columns))
    else:
        database.rows_of("CREATE OR REPLACE TABLE dates (c0 DATE, c1 DATETIME)")
        database.rows_of("INSERT IGNORE INTO dates VALUES ('0000-00-00', '0000-00-00 00:00:00')")
        expected, sql = ["0000-00-00", "0000-00-00 00:00:00"], "SELECT * FROM dates"
    assert list(json.loads(load(database, lake, sql, format="json")).values()) == expected
    misfit = f"column 'c0': {expected[0]!r} does not fit the column's type date32"
    with pytest.raises(RecordError, match=misfit):
        load(database, lake, sql, format="parquet")
    schema = {f"c{number}": "string" for number in range(len(expected))}
    assert load(database, lake, sql, format="parquet", schema=schema)[:4] == b"PAR1"


def test_a_number_without_precision_needs_a_schema_in_parquet(database: Database, lake: Bucket) -> None:
    if not database.is_postgresql:
        pytest.skip("every decimal of MariaDB has a precision")
    sql = "SELECT 1.5::numeric AS price"
    with pytest.raises(SpecError, match="`schema`: has no type for the column 'price'"):
        load(database, lake, sql, format="parquet")
    assert load(database, lake, sql, format="parquet", schema={"price": "decimal(20,4)"})[:4] == b"PAR1"
    assert load(database, lake, sql, format="csv") == b"price\n1.5\n"


def test_a_result_without_rows_has_its_header_or_schema(database: Database, lake: Bucket) -> None:
    sql = "SELECT 1 AS a, 'x' AS b FROM (SELECT 1) AS t WHERE 1 = 0"
    also_empty = {"write_empty_objects_for_empty_tables": True}
    assert load(database, lake, sql, format="csv", **also_empty) == b"a,b\n"
    schema = pq.read_schema(pa.BufferReader(load(database, lake, sql, format="parquet", **also_empty)))
    assert (schema.names, str(schema.field("a").type)) == (["a", "b"], "int32")


def test_several_queries_see_one_state_and_one_query_may_see_a_later_one(database: Database) -> None:
    database.rows_of("DROP TABLE IF EXISTS moments")
    database.rows_of("CREATE TABLE moments (a INT)")
    counts: dict[int, list[Any]] = {1: [], 2: []}
    for queries, found in counts.items():
        with Session(database.connect, "shop", queries=queries, fetch_size=10, stop=StopFlag()) as session:
            for _ in range(2):
                table = open_records("t", QueryCursor(session, "t", "SELECT count(*) AS n FROM moments"), None)
                found += [row["n"] for chunk in table.chunks for row in chunk.rows]  # type: ignore[union-attr]
                database.rows_of("INSERT INTO moments VALUES (1)")
    assert counts[2] == [2, 2]
    if database.is_postgresql:  # READ COMMITTED; MariaDB reads repeatably by default
        assert counts[1] == [0, 1]


@pytest.mark.parametrize("by", ["timeout", "kill"])
def test_a_query_that_is_killed_or_out_of_time_ends_in_the_database(
    by: str, database: Database, airflow_database: None, lake: Bucket
) -> None:
    sql = f"SELECT {'pg_sleep(600)' if database.is_postgresql else 'sleep(600)'} AS s"
    if by == "timeout":
        with dag_of("databases") as dag:
            SqlToS3DestinationOperator(
                task_id="load",
                sql_conn_id="shop",
                sql=sql,
                table="t",
                bucket=lake.name,
                format="json",
                execution_timeout=timedelta(seconds=3),
                retries=0,
                **DESTINATION,
            )
        run = run_dag(dag)
        assert run.state == "failed"
        assert "Timeout" in run.log
    else:
        stop = StopFlag()

        def kill() -> None:
            stop.set()
            session.cancel()

        session = Session(database.connect, "shop", queries=1, fetch_size=10, stop=stop)
        threading.Timer(1, kill).start()
        with pytest.raises(LoadStoppedError), session:
            open_records("t", QueryCursor(session, "t", sql), None)
    if database.is_postgresql:
        others = "SELECT query FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%pg_sleep(6%'"
    else:
        others = "SELECT info FROM information_schema.processlist WHERE info LIKE '%sleep(6%'"
    assert [query for (query,) in database.rows_of(others) if "LIKE" not in query] == []


_PEAK = """
import resource, sys
from airflow_provider_s3dest.formats.json import JsonEncoder
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.sources.sql.session import QueryCursor, Session

def connect():
    driver, port = sys.argv[1], int(sys.argv[2])
    if driver in ("psycopg2", "psycopg"):
        return __import__(driver).connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    if driver == "mysqlclient":
        return __import__("MySQLdb").connect(host="127.0.0.1", port=port, user="airflow", passwd="airflow", db="shop")
    from mysql.connector import connect
    return connect(host="127.0.0.1", port=port, user="airflow", password="airflow", database="shop")

with Session(connect, "shop", queries=1, fetch_size=10_000, stop=StopFlag()) as session:
    table = open_records("t", QueryCursor(session, "t", sys.argv[3]), None)
    encoder = JsonEncoder("t", table.columns)
    for chunk in table.chunks:
        encoder.encode(chunk)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_memory_does_not_grow_with_the_result(database: Database) -> None:
    port = str(json.loads(database.connection)["port"])

    def peak(rows: int) -> int:
        command = [sys.executable, "-c", _PEAK, database.driver, port, database.many(rows)]
        root = Path(__file__).parents[2]
        return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=root).stdout)

    assert peak(MORE_ROWS) - peak(ROWS) < ROOM


def test_a_cursor_by_hand_is_read_exactly_or_says_what_it_may_have_lost(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    if not database.is_postgresql:
        pytest.skip("MariaDB has no type of its own for JSON")
    with closing(database.connect()) as connection:
        for name in ((), ("by_hand",)):
            cursor = connection.cursor(*name)
            cursor.execute("""SELECT 1.5::numeric(18,2) AS price, '{"a": 1.10}'::json AS js""")
            table = open_records("t", cursor, None)
            assert table.types is not None
            assert str(table.types(["price"])["price"]) == "decimal128(18, 2)"
            assert len(list(table.chunks)) == 1
            warned = "gave the values of 'js' as Python objects, which may have lost numbers in JSON" in caplog.text
            assert warned == (not (name and database.driver == "psycopg2"))
            caplog.clear()


def test_lineage_names_the_tables_that_a_query_reads(database: Database, airflow_database: None) -> None:
    database.rows_of("DROP TABLE IF EXISTS lineage")
    database.rows_of("CREATE TABLE lineage (id INT, price DECIMAL(18, 2))")
    (dataset,) = inputs_of_queries(["SELECT * FROM lineage WHERE id > 1"], database.hook, asks_database=True)
    assert dataset.name == ("postgres.public.lineage" if database.is_postgresql else "shop.lineage")
    assert [field.name for field in dataset.facets["schema"].fields] == ["id", "price"]


def test_the_example(database: Database, airflow_database: None, lake: Bucket) -> None:
    bag = versions.parsed(str(Path(__file__).parents[2] / "example_dags"))
    run = run_dag(bag.dags["example_s3_destination_sql"], conf={"bucket": lake.name})

    assert run.state == "success", run.log
    objects = {key.split("/")[2]: data for key, data in lake.objects("sql/2026-02-03/").items()}
    assert objects["orders"] == b"id,day,price\n1,2026-02-03,1.10\n2,2026-02-03,12345678901234.50\n"
    assert objects["example_orders"].endswith(b'{"id":3,"day":null,"price":"0.00"}\n')
    assert min(objects["example_items"].splitlines()) == b'{"order_id":1,"name":"cup, blue"}'
