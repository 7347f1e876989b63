"""Keeps the tests apart from the Airflow and the AWS account of whoever runs them."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

_home: Path | None = None


def begin() -> None:
    """Point Airflow to an empty temporary home with an SQLite database, and hide all AWS settings."""
    global _home
    if "airflow" in sys.modules:
        raise RuntimeError("Airflow was imported before the tests could set its home.")
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "AWS_")):
            del os.environ[name]
    _home = Path(tempfile.mkdtemp(prefix="airflow-home-"))
    dags = _home / "dags"
    dags.mkdir()
    os.environ.update(
        {
            "AIRFLOW_HOME": str(_home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_home / 'airflow.db'}",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # No waiting for the metadata service of a cloud machine when a test gives no credentials.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
    )


def end() -> None:
    """Remove the temporary home."""
    if _home is not None:
        shutil.rmtree(_home, ignore_errors=True)
