"""Cursors as tables, with sqlite3: columns, pieces, threads, the end of a session, and what errors say."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_s3dest.errors import LoadStoppedError, Place, QueryError, RecordError, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.typed_table import with_types
from airflow_provider_s3dest.records.arrow.types import array_of
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.chunks import Origins, RowChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.records.values import csv_text, json_bytes
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.python_records import open_records
from airflow_provider_s3dest.sources.sql import mysql_values, postgresql_types
from airflow_provider_s3dest.sources.sql.column import Column, types_of
from airflow_provider_s3dest.sources.sql.driver import json_value
from airflow_provider_s3dest.sources.sql.session import QueryCursor, Session

NUMBERS = "WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n LIMIT {}) SELECT id FROM n"


@pytest.fixture
def database(tmp_path: Path) -> Callable[[], sqlite3.Connection]:
    """Open connections to a database in a file, each for the thread that opens it."""
    return lambda: sqlite3.connect(tmp_path / "shop.db")


def session(connect: Callable[[], Any], stop: StopFlag | None = None, **arguments: Any) -> Session:
    """Make a session of one query."""
    return Session(connect, "shop", **{"queries": 1, "fetch_size": 500, "stop": stop or StopFlag(), **arguments})


def rows(table: Table) -> list[Any]:
    """Return the records of a table."""
    return [row for chunk in table.chunks for row in chunk.rows]  # type: ignore[union-attr]


def test_a_query_is_executed_when_its_table_is_opened_in_pieces_of_bounded_size(
    database: Callable[[], sqlite3.Connection],
) -> None:
    with session(database) as opened:
        cursor = QueryCursor(opened, "t", NUMBERS.format(3000))
        assert cursor.description is None
        table = open_records("t", cursor, None)
        sizes = [len(chunk) for chunk in table.chunks]
    assert table.columns == ("id",)
    assert sum(sizes) == 3000
    assert max(sizes) == 500


@pytest.mark.parametrize("given", ["cursor", "dicts", "rows", "stream"])
def test_a_cursor_by_hand_gives_records_by_the_names_of_its_columns(given: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        if given == "rows":
            connection.row_factory = sqlite3.Row
        if given == "dicts":
            connection.row_factory = lambda cursor, row: {"b": row[1], "a": row[0]}
        cursor = connection.execute("SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, x'00'")
        records: Any = iter([cursor, connection.execute("SELECT 3 AS a, 4 AS b")]) if given == "stream" else cursor
        table = open_records("t", records, None)
        expected = [{"a": 1, "b": None}, {"a": 2, "b": b"\0"}, *([{"a": 3, "b": 4}] if given == "stream" else [])]
        assert (table.columns, rows(table)) == (("a", "b"), expected)


def test_a_result_without_rows_has_columns() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        table = open_records("t", connection.execute("SELECT 1 AS a, 2 AS b WHERE 0"), None)
    assert (table.columns, rows(table)) == (("a", "b"), [])


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 AS a, 2 AS a", r"has the columns \['a'\] twice. Give each a name of its own, with AS."),
        ("CREATE TABLE t (a)", "The query of table 't' returns no columns. Give one that returns rows."),
    ],
)
def test_results_that_are_no_table_are_refused(sql: str, message: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises((SpecError, QueryError), match=message):
        open_records("t", connection.execute(sql), None)


@pytest.mark.parametrize("second", [[{"a": 1}], "SELECT 1 AS b"])
def test_a_stream_of_cursors_has_the_same_columns_in_each(second: Any) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        further = connection.execute(second) if isinstance(second, str) else second
        table = open_records("t", iter([connection.execute("SELECT 1 AS a"), further]), None)
        with pytest.raises(SpecError, match="table 't'"):
            rows(table)


def test_several_queries_see_one_state(database: Callable[[], sqlite3.Connection]) -> None:
    with closing(database()) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (a)")
        with session(database, queries=2) as opened:
            counts = []
            for _ in range(2):
                counts += rows(open_records("t", QueryCursor(opened, "t", "SELECT count(*) AS n FROM t"), None))
                other.execute("INSERT INTO t VALUES (1)")
                other.commit()
    assert counts == [{"n": 0}, {"n": 0}]


def test_a_stop_interrupts_a_query_that_waits_for_the_database(database: Callable[[], sqlite3.Connection]) -> None:
    stop, closed = StopFlag(), threading.Event()

    class Connection(sqlite3.Connection):
        def close(self) -> None:
            super().close()
            closed.set()

    opened = session(lambda: sqlite3.connect(":memory:", factory=Connection), stop)
    endless = NUMBERS.format(10**12).replace("SELECT id FROM n", "SELECT sum(id) AS s FROM n")

    def kill() -> None:
        stop.set()
        opened.cancel()

    threading.Timer(0.3, kill).start()
    with pytest.raises(LoadStoppedError), opened:
        open_records("t", QueryCursor(opened, "t", endless), None)
    assert closed.is_set()


def test_an_error_names_table_and_connection_and_holds_no_parameter(database: Callable[[], sqlite3.Connection]) -> None:
    def absent() -> Any:
        raise OSError("no route to host")

    with (
        session(absent) as opened,
        pytest.raises(QueryError, match="'shop' can't be opened: OSError: no route to host"),
    ):
        open_records("t", QueryCursor(opened, "t", "SELECT 1"), None)
    with session(database) as opened, pytest.raises(QueryError) as caught:
        open_records("t", QueryCursor(opened, "t", "SELECT absent, ?", ["absent"]), None)
    assert str(caught.value) == "The query of table 't' failed: OperationalError: no such column: ***"
    assert not caught.value.final
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_drivers_that_are_not_known_are_read_with_a_word_about_memory_and_states(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unknown:
        def __init__(self) -> None:
            self._connection = sqlite3.connect(":memory:")

        def cursor(self) -> Any:
            return self._connection.cursor()

        def close(self) -> None:
            self._connection.close()

    caplog.set_level("INFO")
    with session(Unknown, queries=2) as opened:
        assert rows(open_records("t", QueryCursor(opened, "t", "SELECT 1 AS a"), None)) == [{"a": 1}]
    assert "The 2 queries of the load may see different states of the database" in caplog.text
    assert "Whether the driver holds the whole result in memory is up to it" in caplog.text


@pytest.mark.parametrize(
    ("column", "arrow_type"),
    [
        (postgresql_types.column("c", 1700, 18, 2), pa.decimal128(18, 2)),
        (postgresql_types.column("c", 1700, 3, -2), pa.decimal128(5, 0)),
        (postgresql_types.column("c", 1700, 2, 4), pa.decimal128(4, 4)),
        (postgresql_types.column("c", 1700, 50, 5), pa.decimal256(50, 5)),
        (postgresql_types.column("c", 1231, 18, 2), pa.list_(pa.decimal128(18, 2))),
        (postgresql_types.column("c", 1184, None, None), pa.timestamp("us", "UTC")),
        (postgresql_types.column("c", 3807, None, None), pa.list_(pa.string())),
        (mysql_values.column("c", 246, 0, length=20, scale=2), pa.decimal128(18, 2)),
        (mysql_values.column("c", 246, mysql_values.UNSIGNED, length=18, scale=0), pa.decimal128(18, 0)),
        (mysql_values.column("c", 8, mysql_values.UNSIGNED), pa.uint64()),
        (mysql_values.column("c", 245, 0), pa.string()),
    ],
)
def test_types_follow_from_the_description(column: Column, arrow_type: Any) -> None:
    assert types_of({"c": column})(["c"]) == {"c": arrow_type}


@pytest.mark.parametrize("precision", [None, 100])
def test_a_number_without_a_type_needs_a_schema(precision: int | None) -> None:
    column = postgresql_types.column("price", 1700, precision, 2)
    table = Table("t", ("price",), iter(()), without_type={"price": column.without_type})
    with pytest.raises(
        SpecError, match=r"`schema`: has no type for the column 'price' of table 't', which is a number"
    ):
        with_types(table, {})
    assert with_types(table, {"price": pa.decimal128(18, 2)}).schema.field("price").type == pa.decimal128(18, 2)


@pytest.mark.parametrize("price", ["1.5", "1.50", "-0", "1E+3", "1.005", "12345678901234567", "NaN", "Infinity"])
def test_a_decimal_has_its_exact_value_in_parquet_or_is_refused(price: str) -> None:
    value, arrow_type = Decimal(price), pa.decimal128(18, 2)
    chunk = RowChunk([{"price": None}, {"price": value}], Origins(), ("price",))
    typed = with_types(Table("t", ("price",), iter([chunk])), {"price": arrow_type})
    if value.is_finite() and value == round(value, 2) and abs(value) < 10**16:
        (written,) = typed.chunks
        assert isinstance(written, ArrowChunk)
        assert written.column("price") == [None, value]
    else:
        with pytest.raises(RecordError, match=r"record 1, column 'price': Decimal\('.*'\) does not fit"):
            list(typed.chunks)


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"])
def test_dates_of_postgresql_that_python_has_not_are_known_by_their_text(text: str) -> None:
    assert not postgresql_types.is_python_date(text)
    assert postgresql_types.is_python_date("2024-01-31 12:00:00+00")


def test_dates_of_mysql_that_python_has_not_stay_texts() -> None:
    assert mysql_values.date_or_text("0000-00-00") == "0000-00-00"
    assert mysql_values.datetime_or_text("2024-00-10 00:00:00") == "2024-00-10 00:00:00"
    assert str(mysql_values.datetime_or_text("2024-01-31 12:00:00.5")) == "2024-01-31 12:00:00.500000"


def test_json_keeps_its_digits_and_takes_one_line() -> None:
    value = json_value('{"a": 1.10,\n "b": [12345678901234567890.5, "x"]}')
    assert json_bytes(value) == b'{"a":1.10,"b":[12345678901234567890.5,"x"]}'
    assert csv_text(json_value('"a"')) == '"a"'
    assert csv_text(Decimal("1.10")) == "1.10"
    assert array_of([[value], None]).to_pylist() == [['{"a":1.10,"b":[12345678901234567890.5,"x"]}'], None]
    quarantined: list[bytes] = []
    error = RecordError("bad.", "Mend it.", table="t", place=Place(index=0))
    BadRecords(lambda table, line: quarantined.append(line)).add(error, {"js": json_value("1.10")})
    assert b'"record": {"js": "1.10"}' in quarantined[0]
