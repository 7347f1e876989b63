"""The rows of queries in S3, read in pieces, from any SQL database.

The DAG makes two small tables in the database of its connection ``shop``, which may be PostgreSQL, MySQL, MariaDB or
SQLite, and writes them to the bucket of its ``bucket`` parameter with the AWS connection ``aws_default``. Start it with
a logical date (the button in the UI sends one): ``{{ ds }}`` has no value without.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator

from airflow_provider_s3dest.operators.sql_to_s3_destination import SqlToS3DestinationOperator

with DAG(
    dag_id="example_s3_destination_sql",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "my-bucket"},
    tags=["example", "s3"],
    doc_md=__doc__,
):
    fill = SQLExecuteQueryOperator(
        task_id="fill",
        conn_id="shop",
        sql=[
            "DROP TABLE IF EXISTS example_items",
            "DROP TABLE IF EXISTS example_orders",
            "CREATE TABLE example_orders (id INTEGER PRIMARY KEY, day DATE, price DECIMAL(18, 2))",
            "CREATE TABLE example_items (order_id INTEGER, name VARCHAR(100))",
            "INSERT INTO example_orders VALUES (1, '{{ ds }}', 1.10), (2, '{{ ds }}', 12345678901234.50), (3, NULL, 0)",
            "INSERT INTO example_items VALUES (1, 'tea'), (1, 'cup, blue'), (2, NULL)",
        ],
    )

    # [START howto_operator_sql_to_s3_destination]
    orders = SqlToS3DestinationOperator(
        task_id="orders",
        sql_conn_id="shop",
        sql="SELECT id, day, price FROM example_orders WHERE day = '{{ ds }}' ORDER BY id",
        table="orders",
        bucket="{{ params.bucket }}",
        path="sql/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        format="csv",
    )
    # [END howto_operator_sql_to_s3_destination]

    # [START howto_operator_sql_to_s3_destination_tables]
    both = SqlToS3DestinationOperator(
        task_id="both",
        sql_conn_id="shop",
        sql={
            "example_orders": "SELECT * FROM example_orders ORDER BY id",
            "example_items": "SELECT * FROM example_items ORDER BY order_id, name",
        },
        bucket="{{ params.bucket }}",
        path="sql/{{ ds }}/{{TABLE}}/{{UUID}}.{{FORMAT}}",
        format="json",
    )
    # [END howto_operator_sql_to_s3_destination_tables]

    fill >> [orders, both]
