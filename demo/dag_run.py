"""The example DAG in a real DAG run: the whole log in a file, and on the screen what the provider says of its loads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from demo.airflow_process import airflow
from demo.places import AIRFLOW_HOME, BUCKET, DAG_ID, DAG_RUN_LOG, STAGING

_LINE = re.compile(r"\S+ \[(?P<level>\w+) *\] (?P<message>.*?) +\[(?P<logger>[\w.]+)\] \w+=")
"""A line of Airflow's log: time, level, message, logger and further fields."""

_TASK_STARTS = re.compile(r"\[DAG TEST\] starting task_id=(\S+)")

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Exception|Error): ")
"""The line that ends a traceback."""

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
        for news in _news(_copied(process.stdout or (), log)):
            say(news)
        if code := process.wait():
            raise DagRunFailed(f"`airflow dags test {DAG_ID}` ended with exit code {code}")


def _copied(lines: Iterable[str], log: IO[str]) -> Iterator[str]:
    for line in lines:
        log.write(line)
        yield line


def _news(lines: Iterable[str]) -> Iterator[str]:
    """Pick from the log what tells something to somebody who watches."""
    exception: list[str] = []
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            # Of chained exceptions the last one counts, and its text may have many lines.
            exception = [line] if _EXCEPTION.match(line) else [*exception, line] if exception else []
            continue
        yield from (f"    {text.rstrip()}" for text in exception)
        exception = []
        if task := _TASK_STARTS.match(found["message"]):
            yield f"task {task[1]}"
        elif _PROVIDER in found["logger"] or found["level"] in ("error", "critical"):
            yield f"  {found['message']}"
