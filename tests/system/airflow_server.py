"""Starts a real Airflow (scheduler, DAG processor, API server, on SQLite), and drives it by its REST API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote

import psutil  # type: ignore[import-untyped,unused-ignore]  # comes with Airflow

from tests.servers.ports import free_ports

PATIENCE = 180.0
"""Seconds in which what is waited for has to happen; a start takes about thirty on two slow cores."""

PARALLELISM = 4
"""Tasks that run at a time."""

_PROJECT = Path(__file__).parents[2]
_STARTS = 2
_PARTS = ("api-server", "scheduler", "dag-processor")
_LOOK = 0.2
_FINISHED = ("success", "failed")

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str) -> T:
    """Look again and again until there is something to see, and give that."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {PATIENCE:.0f} s for {what}")
        time.sleep(_LOOK)
    return seen


@dataclass(frozen=True)
class AirflowServer:
    """A running Airflow, which anybody on this machine may use."""

    home: Path
    url: str

    @classmethod
    @contextmanager
    def running(
        cls, home: Path, dags: Path, settings: Mapping[str, str], workers: Sequence[str] = ()
    ) -> Iterator[AirflowServer]:
        """Run until the block ends, then kill every process that came of it.

        :param home: an empty folder, which becomes AIRFLOW_HOME; its logs stay there.
        :param dags: folder of the DAG files.
        :param settings: environment variables on top: further settings, and connections.
        :param workers: names of the Celery workers to start.
        """
        for started in range(1, _STARTS + 1):
            api_port, log_port = free_ports(2)
            server = cls(home, f"http://127.0.0.1:{api_port}")
            environment = {**os.environ, **_environment(home, dags, server.url, api_port, log_port), **settings}
            with ExitStack() as processes:
                migrate = processes.enter_context(_airflow(home, "db migrate", environment))
                if migrate.wait(PATIENCE) != 0:
                    raise RuntimeError(f"Airflow made no database.{_tails(home)}")
                commands = [*_PARTS, *map(_worker, workers)]
                parts = [processes.enter_context(_airflow(home, command, environment)) for command in commands]
                try:
                    wait_for(partial(server._is_up, parts, workers), "Airflow to start")
                except (RuntimeError, TimeoutError) as error:
                    if started == _STARTS:
                        raise RuntimeError(f"{error}{_tails(home)}") from error
                    continue  # another server took one of the ports in between
                yield server
                return

    def _is_up(self, parts: list[subprocess.Popen[bytes]], workers: Sequence[str]) -> bool:
        if any(part.poll() is not None for part in parts):
            raise RuntimeError("A part of Airflow ended by itself.")
        try:
            health = self.call("GET", "/monitor/health", signed=False)
        except OSError:  # nobody listens yet, or not for long; an HTTPError is an OSError too
            return False
        needed = ("metadatabase", "scheduler", "dag_processor")
        # A worker that comes late may find that the others have left it nothing to do.
        ready = all(f"{name} ready." in self.worker_log(name) for name in workers)
        return ready and all(health[part]["status"] == "healthy" for part in needed)

    def call(self, method: str, path: str, body: Any = None, *, signed: bool = True) -> Any:
        """Call the REST API, and give the answer.

        :raises urllib.error.HTTPError: at a refusal, with the body of the answer in its message.
        """
        token = {"Authorization": f"Bearer {self._get_token()}"} if signed else {}
        request = urllib.request.Request(
            f"{self.url}/api/v2{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **token},
            method=method,
        )
        return _answer(request)

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until a DAG is known; the DAG processor reads the files one after the other."""
        wait_for(lambda: self._finds(f"/dags/{dag_id}"), f"the DAG {dag_id}")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, logical_date: str | None = None) -> Run:
        """Start a run of a DAG, once it is known."""
        self.wait_for_dag(dag_id)
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": logical_date, "conf": conf or {}})
        return Run(self, dag_id, run["dag_run_id"])

    def create_connection(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Create a connection, given as in an ``AIRFLOW_CONN_...`` variable."""
        extra = json.dumps(connection.get("extra", {}))
        self.call("POST", "/connections", {**connection, "connection_id": conn_id, "extra": extra})

    def runs(self, dag_id: str) -> list[Run]:
        """Return the runs of a DAG."""
        found = self.call("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
        return [Run(self, dag_id, run["dag_run_id"]) for run in found]

    def worker_log(self, name: str) -> str:
        """Return what a Celery worker has logged so far."""
        return (self.home / f"{_worker(name)}.log").read_text(errors="replace")

    def kill_worker(self, name: str) -> None:
        """Kill a Celery worker with all of its processes, as a crash of its machine does."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(self.home) and process.info["cmdline"][-1:] == [name]:
                for member in _living(os.getsid(process.pid)):
                    member.kill()
                return
        raise LookupError(f"There is no worker {name}.")

    def _finds(self, path: str) -> bool:
        try:
            self.call("GET", path)
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    def _get_token(self) -> str:
        token: str = _answer(urllib.request.Request(f"{self.url}/auth/token"))["access_token"]
        return token


@dataclass(frozen=True)
class Run:
    """A run of a DAG."""

    server: AirflowServer
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """Where the REST API has the run."""
        return f"/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    @property
    def state(self) -> str:
        """The state of the run, such as ``success``."""
        state: str = self.server.call("GET", self.path)["state"]
        return state

    def wait(self) -> str:
        """Wait until the run has ended, and give its state."""
        return wait_for(lambda: self.state if self.state in _FINISHED else None, f"the end of {self}")

    def task(self, task_id: str) -> dict[str, Any]:
        """Return the state of a task instance, its try_number, and the pid of the process that runs it."""
        found: dict[str, Any] = self.server.call("GET", f"{self.path}/taskInstances/{task_id}")
        return found

    def running(self, task_id: str) -> list[dict[str, Any]]:
        """Return those instances of a task, mapped or not, that run now."""
        found = self.server.call("GET", f"{self.path}/taskInstances?state=running")["task_instances"]
        return [instance for instance in found if instance["task_id"] == task_id]

    def wait_for_task(self, task_id: str, state: str, try_number: int = 1) -> dict[str, Any]:
        """Wait until a task instance is in a state in this attempt, or in a later one."""

        def look() -> dict[str, Any] | None:
            found = self.task(task_id)
            return found if found["state"] == state and found["try_number"] >= try_number else None

        return wait_for(look, f"try {try_number} of {task_id} in {self} to be {state}")

    def set_task_state(self, task_id: str, state: str) -> None:
        """Mark a task instance, as the UI's buttons do."""
        self.server.call("PATCH", f"{self.path}/taskInstances/{task_id}", {"new_state": state})

    def clear(self, task_ids: list[str] | None = None) -> None:
        """Clear all tasks of the run, or some, so that they run again."""
        body = {"dag_run_id": self.run_id, "dry_run": False, "only_failed": False, "task_ids": task_ids}
        self.server.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", body)

    def delete(self) -> None:
        """Delete the run with all that Airflow knows of it."""
        self.server.call("DELETE", self.path)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task pushed."""
        path = f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}?deserialize=true&map_index={map_index}"
        return self.server.call("GET", path)["value"]

    def links(self, task_id: str) -> dict[str, str | None]:
        """Return the extra links of a task instance, by name."""
        found = self.server.call("GET", f"{self.path}/taskInstances/{task_id}/links")
        links: dict[str, str | None] = found["extra_links"]
        return links

    def wait_for_link(self, task_id: str, name: str) -> str:
        """Wait until a task instance has a link: Airflow leaves it after it has called the task a success."""
        return wait_for(lambda: self.links(task_id)[name], f"the link {name!r} of {task_id} in {self}")

    def asset_events(self) -> dict[str, dict[str, Any]]:
        """Return the extras of the asset events that the run's tasks gave, by URI."""
        query = f"source_dag_id={self.dag_id}&source_run_id={quote(self.run_id, safe='')}"
        events = self.server.call("GET", f"/assets/events?{query}")["asset_events"]
        return {event["uri"]: event["extra"] for event in events}

    def state_store(self, task_id: str) -> dict[str, dict[str, Any]]:
        """Return the entries of a task instance's state store, by key."""
        path = f"{self.path}/taskInstances/{task_id}/state-store"
        return {entry["key"]: entry for entry in self.server.call("GET", path)["task_state_store"]}

    def log(self, task_id: str, try_number: int = 1) -> str:
        """Return what an attempt has logged so far, as JSON lines; while it runs, the API tells less."""
        folder = self.server.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}" / f"task_id={task_id}"
        file = folder / f"attempt={try_number}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def wait_for_log(self, task_id: str, *texts: str) -> None:
        """Wait until the first attempt has logged one of these texts: a log may be written after the task has ended."""
        wait_for(lambda: any(text in self.log(task_id) for text in texts), f"{texts} in the log of {task_id} in {self}")

    def __str__(self) -> str:
        return f"{self.dag_id} {self.run_id}"


def _worker(name: str) -> str:
    return f"celery worker --concurrency 2 --celery-hostname {name}"


def _environment(home: Path, dags: Path, url: str, api_port: int, log_port: int) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        # On a busy machine SQLite's one writer holds the others up for longer than they wait by default.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api_port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(log_port),
        # On a busy machine an answer of the API server takes longer than by default a task waits for it.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_COLOR": "1",
        "NO_PROXY": "127.0.0.1",
        # Airflow's processes are to import the project as it lies here.
        "PYTHONPATH": str(_PROJECT),
    }


@contextmanager
def _airflow(home: Path, command: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run an ``airflow`` command in a session of its own, and kill all of that with the block."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{command}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *command.split()],
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # Each task runs in a process group of its own, but in the session of the scheduler.
        while members := _living(process.pid):
            for member in members:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            process.poll()
        process.wait()


def _living(session: int) -> list[psutil.Process]:
    """Find the processes of a session."""
    living = []
    for candidate in psutil.process_iter():
        # One that ended counts no more, even if nobody has waited for it: in a container often nobody does.
        with suppress(OSError, psutil.Error):
            if os.getsid(candidate.pid) == session and candidate.status() != psutil.STATUS_ZOMBIE:
                living.append(candidate)
    return living


def _answer(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            text = response.read()
    except HTTPError as error:
        error.msg = f"{error.msg}: {error.read().decode(errors='replace')[:1000]}"
        raise
    return json.loads(text) if text else None


def _tails(home: Path) -> str:
    """Return the ends of the logs of Airflow's parts."""
    tails = ("\n".join([f"\n{log.name}:", *log.read_text(errors="replace").splitlines()[-20:]]) for log in _logs(home))
    return "".join(tails)


def _logs(home: Path) -> list[Path]:
    return sorted(home.glob("*.log"))
