"""Queries: SqlToS3DestinationOperator against SqlToS3Operator of the Amazon provider, from PostgreSQL."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from bench.cases import Target
from bench.document import table
from bench.process import measured
from bench.speed import target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3
from tests.servers.postgresql import PostgreSQL

ROWS, ROWS_SHORT = 2_000_000, 100_000
_ROUNDS = 3
_FORMATS = ("csv", "json", "parquet")
_FRAME_OPTIONS: dict[str, dict[str, Any]] = {
    "csv": {"index": False},
    "json": {"orient": "records", "lines": True},
    "parquet": {},
}
_OURS, _THEIRS = "this provider", "SqlToS3Operator"

_TABLE = """
CREATE TABLE bench AS SELECT g AS id, 'customer ' || g AS name, g % 100 AS quantity,
  (g * 1.01)::numeric(18,2) AS price, DATE '2026-01-01' + g % 365 AS day,
  TIMESTAMP '2026-01-01' + g * INTERVAL '1 second' AS at, repeat('x', g % 50) AS note
FROM generate_series(1, {rows}) g
"""
_QUERY = "SELECT * FROM bench"

_HEAD = """\
A query of {rows:,} rows with seven columns, from PostgreSQL on the same machine to objects of 100,000 rows; runs of
each: {rounds}, of which the table shows the medians. SqlToS3Operator writes with pandas. Memory is the peak above the
imports. The database's own work is not counted."""


def queries_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Measure both operators in each format, and write a table."""
    rows = ROWS_SHORT if short else ROWS
    with PostgreSQL.running() as database:
        connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": database.port}
        os.environ["AIRFLOW_CONN_BENCH"] = json.dumps({**connection, "login": "postgres", "schema": "postgres"})
        _fill(database.port, rows)
        lines = []
        for format_ in _FORMATS:
            for name in (_OURS, _THEIRS):
                say(f"query to {format_}, {name}")
                target = target_of(server, FORGOTTEN, f"queries/{format_}")
                runs = [measured(_prepare, name, format_, target) for _ in range(1 if short else _ROUNDS)]
                cpu, wall = (median(getattr(run, what) for run in runs) for what in ("cpu", "wall"))
                peak = median(run.peak for run in runs)
                lines.append([format_, name, f"{cpu:.1f}", f"{wall:.1f}", f"{peak / 1e6:,.0f}"])
    heads = ["format", "operator", "CPU s", "wall s", "MB"]
    return f"{_HEAD.format(rows=rows, rounds=1 if short else _ROUNDS)}\n\n{table(heads, lines)}"


def _fill(port: int, rows: int) -> None:
    import psycopg2

    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    connection.cursor().execute(_TABLE.format(rows=rows))
    connection.commit()
    connection.close()


def _prepare(name: str, format_: str, target: Target) -> Callable[[], object]:
    if name == _THEIRS:
        from airflow.providers.amazon.aws.transfers.sql_to_s3 import SqlToS3Operator

        theirs = SqlToS3Operator(
            task_id="bench",
            query=_QUERY,
            sql_conn_id="bench",
            s3_bucket=target.bucket,
            s3_key=f"{target.prefix}/theirs",
            file_format=format_,  # type: ignore[arg-type]
            max_rows_per_file=100_000,
            replace=True,
            df_kwargs=_FRAME_OPTIONS[format_],
        )
        return lambda: theirs.execute({})
    return lambda: _ours(format_, target)


def _ours(format_: str, target: Target) -> Any:
    from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
    from airflow_provider_s3dest.hooks.sql_connection import connect, sql_hook
    from airflow_provider_s3dest.s3.stop import StopFlag
    from airflow_provider_s3dest.sources.sql.session import QueryCursor, Session

    opened = partial(connect, sql_hook("bench", None))
    with Session(opened, "bench", queries=1, fetch_size=10_000, stop=StopFlag()) as session:
        return S3DestinationHook().load(
            records=QueryCursor(session, "bench", _QUERY),
            table="bench",
            bucket=target.bucket,
            path=f"{target.prefix}/ours/{{{{UUID}}}}",
            format=format_,
            batch_size=100_000,
            batch_size_bytes=10**9,
        )
