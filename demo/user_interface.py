"""The same DAG in the Airflow UI: ``airflow standalone`` beside the embedded S3, until it is interrupted."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from demo.airflow_process import airflow, settings
from demo.embedded_s3 import EmbeddedS3, embedded_s3
from demo.places import AIRFLOW_HOME, BUCKET, DAG_ID, EXAMPLE_BUCKET, UI_LOG, from_here

_PATIENCE = 240.0
"""Seconds in which Airflow has to be up. It takes about forty; on a busy machine much more."""

_LOOK = 2.0
"""Seconds between two looks at the buckets."""

_PARTS = ("metadatabase", "scheduler", "dag_processor")
"""Without these a click in the UI leads nowhere."""


def show(say: Callable[[str], None]) -> int:
    """Serve the UI, and say what arrives in the buckets."""
    AIRFLOW_HOME.mkdir(parents=True, exist_ok=True)
    with embedded_s3([BUCKET, EXAMPLE_BUCKET]) as s3, UI_LOG.open("w", encoding="utf-8") as log:
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        say(f"starting `airflow standalone`, which takes a while (log: {from_here(UI_LOG)}); Ctrl-C ends it")
        with airflow("standalone", environment=settings(s3) | _ui_settings(url, port), output=log) as process:
            if not _is_up(url, process):
                say(f"Airflow did not start: see {from_here(UI_LOG)}")
                return 1
            print(_instructions(url, s3), flush=True)
            try:
                _watch(s3, process, say)
            except KeyboardInterrupt:
                say("ending Airflow")
                raise
        say(f"Airflow ended by itself: see {from_here(UI_LOG)}")
        return 1


def _ui_settings(url: str, port: int) -> dict[str, str]:
    """Give what the UI needs beyond the settings of a single run. All ports are free ones: another Airflow may run."""
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        # The small tables are an XCom of some megabytes. On a busy machine that takes longer than the five seconds that
        # a task waits for the API server by default.
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _is_up(url: str, process: subprocess.Popen[str]) -> bool:
    """Wait until Airflow's parts are healthy and know the DAG, so that the first click works."""
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            health = _get(f"{url}/api/v2/monitor/health")
            if all(health[part]["status"] == "healthy" for part in _PARTS):
                token = _get(f"{url}/auth/token")["access_token"]
                _get(f"{url}/api/v2/dags/{DAG_ID}", token)
                return True
        except OSError:  # nobody listens yet, or the DAG is not parsed yet: an HTTPError is an OSError too
            pass
        time.sleep(1)
    return False


def _get(url: str, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document


def _instructions(url: str, s3: EmbeddedS3) -> str:
    return f"""
  the DAG       {url}/dags/{DAG_ID}   (no password; the button `Trigger` runs it)
  the objects   {s3.url}/{BUCKET}?list-type=2   (a listing in XML; an object opens under {s3.url}/{BUCKET}/<its key>)

New objects are listed here as they arrive. Ctrl-C ends Airflow and the embedded S3.
"""


def _watch(s3: EmbeddedS3, process: subprocess.Popen[str], say: Callable[[str], None]) -> None:
    """Say what arrives in the buckets, for as long as Airflow runs."""
    seen: set[str] = set()
    while process.poll() is None:
        for bucket in (BUCKET, EXAMPLE_BUCKET):
            for entry in s3.objects(bucket):
                if (uri := f"s3://{bucket}/{entry.key}") not in seen:
                    seen.add(uri)
                    say(f"{entry.size:12,} bytes  {uri}")
        time.sleep(_LOOK)
