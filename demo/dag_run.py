"""The example DAG in a real DAG run: the whole log in a file, and on the screen what the provider says of its loads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from demo.airflow_process import airflow
from demo.places import AIRFLOW_HOME, BUCKET, DAG_ID, DAG_RUN_LOG, STAGING

_LINE = re.compile(r"\S+ \[(?P<level>\w+) *\] (?P<message>.*?) +\[(?P<logger>[\w.]+)\] \w+=")
"""A line of Airflow's log: time, level, message, logger and further fields."""

_TASK_STARTS = re.compile(r"\[DAG TEST\] starting task_id=(\S+)")

_PROVIDER = "airflow_provider_s3dest"


class DagRunFailed(Exception):
    """Airflow could not run the DAG, or a task of it failed."""


@contextmanager
def metadata_database(environment: Mapping[str, str]) -> Iterator[None]:
    """Make Airflow's own database while the ``with`` block does something else, and be done when it ends."""
    AIRFLOW_HOME.mkdir(parents=True)
    with (
        DAG_RUN_LOG.open("w", encoding="utf-8") as log,
        airflow("db", "migrate", environment=environment, output=log) as process,
    ):
        yield
        if code := process.wait():
            raise DagRunFailed(f"`airflow db migrate` ended with exit code {code}")


def run_dag(environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run the DAG to its end, and say what happens."""
    parameters = json.dumps({"bucket": BUCKET, "staging": str(STAGING)})
    test = ("dags", "test", DAG_ID, "--conf", parameters)
    with (
        DAG_RUN_LOG.open("a", encoding="utf-8") as log,
        airflow(*test, environment=environment, output=subprocess.PIPE) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            if news := _news(line):
                say(news)
        if code := process.wait():
            raise DagRunFailed(f"`airflow dags test {DAG_ID}` ended with exit code {code}")


def _news(line: str) -> str | None:
    """Give what a line of the log tells somebody who watches, if anything."""
    found = _LINE.match(line)
    if found is None:
        return None
    if task := _TASK_STARTS.match(found["message"]):
        return f"task {task[1]}"
    if _PROVIDER in found["logger"] or found["level"] in ("error", "critical"):
        return f"  {found['message']}"
    return None
