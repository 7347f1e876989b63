"""Airflow in processes of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil  # type: ignore[import-untyped,unused-ignore]  # comes with Airflow

from demo.embedded_s3 import EmbeddedS3
from demo.places import AIRFLOW_HOME, EXAMPLE_DAGS, WORK

_GRACE = 10.0
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
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",  # the UI's first click is to run them
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(s3.airflow_connection),
    }


@contextmanager
def airflow(*arguments: str, environment: Mapping[str, str], output: IO[str] | int) -> Iterator[subprocess.Popen[str]]:
    """Run an ``airflow`` command in a session of its own, and end all of that with the ``with`` block."""
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
    """End a process and whatever it started. Ended alone, Airflow's commands leave children behind.

    A task runs in a process group of its own, but in the session of the command that it came from.
    """
    try:
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        while _living(process) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:  # a second Ctrl-C means: now
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    for member in _living(process):
        with suppress(psutil.NoSuchProcess):
            member.send_signal(number)


def _living(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Find the processes of the session that the process began, which are all its children and theirs."""
    return [candidate for candidate in psutil.process_iter() if _is_in_session(candidate, process.pid)]


def _is_in_session(candidate: psutil.Process, session: int) -> bool:
    # One that ended counts no more, even if nobody has waited for it: in a container often nobody does.
    with suppress(OSError, psutil.Error):
        return os.getsid(candidate.pid) == session and candidate.status() != psutil.STATUS_ZOMBIE
    return False
