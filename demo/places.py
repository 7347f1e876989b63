"""Where the demo keeps its things, and what the example DAG calls itself."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLE_DAGS = CHECKOUT / "example_dags"

WORK = CHECKOUT / ".demo"
"""Ignored by git, and safe to remove at any time."""

AIRFLOW_HOME = WORK / "airflow"
STAGING = WORK / "staging"
BUCKET_COPY = WORK / "bucket"
DAG_RUN_LOG = WORK / "dag-run.log"
UI_LOG = WORK / "airflow-standalone.log"

DAG_ID = "example_s3_destination_nycflights"
BUCKET = "nycflights"
"""The bucket that the DAG writes to unless told otherwise."""
EXAMPLE_BUCKET = "my-bucket"
"""The bucket of the other example DAGs, so that they run in the UI as well."""
PREFIX = "nycflights"
"""What all keys of the DAG begin with."""


def from_here(path: Path) -> str:
    """Give a path as the reader would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
