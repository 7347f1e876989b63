"""Reads the results of SQL queries, through any driver that follows DB-API (PEP 249). Knows no Airflow.

Read in this order:

- ``cursor_table``: a cursor as a table, whoever executed it; ``column``: the name and the type of a column.
- ``session``: the connection of a load, and queries that it executes when their tables are opened.
- ``connection_thread``: runs the calls of a connection beside the load, so that they can be waited for and cancelled.
- ``driver``: what a load asks of a driver, and the answers of drivers that it does not know; ``drivers`` chooses one of
  ``psycopg2``, ``psycopg3`` (both with ``postgresql_types``), ``mysqlclient``, ``mysql_connector`` (both with
  ``mysql_values``) and ``sqlite``.
"""
