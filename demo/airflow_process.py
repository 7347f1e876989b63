"""Airflow in processes of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from demo.embedded_s3 import EmbeddedS3
from demo.places import AIRFLOW_HOME, EXAMPLE_DAGS, WORK

GRACE = 15.0
"""Seconds in which Airflow may end its parts before they are killed."""


def settings(s3: EmbeddedS3) -> dict[str, str]:
    """Give the environment of the demo's Airflow: its own home, SQLite, and the embedded S3 as ``aws_default``."""
    # `airflow standalone` starts its parts as `airflow ...`: let it find the one beside this Python.
    search_path = os.pathsep.join(filter(None, (str(Path(sys.executable).parent), os.environ.get("PATH"))))
    return os.environ | {
        "PATH": search_path,
        "NO_COLOR": "1",
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE_DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(s3.airflow_connection),
    }


@contextmanager
def airflow(*arguments: str, environment: Mapping[str, str], output: IO[str] | int) -> Iterator[subprocess.Popen[str]]:
    """Run an ``airflow`` command in a process group of its own, and end that group with the ``with`` block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "airflow", *arguments],
        cwd=WORK,  # `-m` imports from the working directory first: the installed provider is the one to show
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and the rest of its group: Airflow's commands leave children behind when they are ended alone."""
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while _signal(process, 0) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> bool:
    """Signal the group of a process, and say whether any of it is still there. The signal 0 only asks."""
    process.poll()  # an ended process counts as there until it is waited for
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
