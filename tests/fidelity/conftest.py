"""Engines that run the statements: Spark with Hive's own serdes and catalogue, and PostgreSQL in Redshift's place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pyspark.sql import SparkSession

from tests.servers.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark whose catalogue is Hive's."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    home = tmp_path_factory.mktemp("hive")
    builder: Any = SparkSession.builder
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={home}",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.master("local[1]").enableHiveSupport().getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A connection to PostgreSQL, to which SUPER is a name of JSON."""
    with PostgreSQL.running() as server:
        connection = psycopg2.connect(f"postgresql://{server.address}")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET timezone = 'UTC'")
            cursor.execute("CREATE DOMAIN super AS json")
        yield connection
        connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a bucket lies that Spark is to read."""
    return tmp_path / "bucket"
