"""Makes the earlier attempts of a world in processes of their own, which fail or are killed as the world says."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import Future
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused
from tests.upgrade import world_snapshot
from tests.upgrade.attempt import TaskStateStore
from tests.upgrade.worlds import WORLDS, Attempt, Failed, Finished, Killed, run

BYSTANDER = "raw/t/000000-not-ours.json"
"""Key of an object that is none of the load's business."""

_NOTED_SECONDS = 20.0
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.upgrade.worlds"])  # so that Airflow is imported once


def record(name: str, bucket: Bucket) -> dict[str, Any]:
    """Make the earlier attempts of a world in an empty bucket, and return what they left."""
    world = WORLDS[name]()
    for key, body in {**world.staged, BYSTANDER: b"not ours"}.items():
        bucket.write(key, body)
    parts: dict[tuple[str, int], bytes] = {}
    with TemporaryDirectory() as folder:
        store_file = Path(folder) / "task_state.json"
        for index, attempt in enumerate(world.earlier):
            with FaultProxy.before(bucket.server) as proxy:
                _make(name, index, attempt, bucket, proxy, store_file)
                parts |= _parts_in(proxy)
        snapshot = world_snapshot.take(bucket, parts)
        if world.by_airflow:
            snapshot["task_state"] = TaskStateStore.of_file(store_file).values
    return snapshot


def _make(name: str, index: int, attempt: Attempt, bucket: Bucket, proxy: FaultProxy, store_file: Path) -> None:
    process = _PROCESSES.Process(target=_run_earlier, args=(name, index, proxy.connection(), store_file), daemon=True)
    started: Future[ForkServerProcess] = Future()
    if isinstance(attempt.end, Killed):
        proxy.on_each(_Killer(attempt.end, started, bucket, store_file).handle)
    if isinstance(attempt.end, Failed):
        for operation in attempt.end.refused:
            first = operation == attempt.end.refused[0]
            after = attempt.end.after if first else 0
            proxy.on(operation, refused(403, "AccessDenied"), 1000, after=after, prefix=attempt.end.prefix)
    process.start()
    started.set_result(process)
    process.join(120)
    proxy.wait_until_idle()
    proxy.on_each(None)
    expected = {Finished: 0, Failed: 1, Killed: -signal.SIGKILL}[type(attempt.end)]
    assert process.exitcode == expected, f"{name}: attempt {index + 1} ended with {process.exitcode}"


class _Killer:
    """Holds the requests back at which a process is to die, and kills it at the first of them."""

    def __init__(self, end: Killed, process: Future[ForkServerProcess], bucket: Bucket, store_file: Path) -> None:
        self._end, self._process, self._bucket, self._store_file = end, process, bucket, store_file
        self._lock = threading.Lock()
        self._dead, self._slow = threading.Event(), threading.Event()
        self._seen = 0

    def handle(self, request: Request, send: Send) -> Answer:
        if self._dead.is_set():
            return Answer(0, {}, b"", sent=-1)
        with self._lock:
            self._seen += self._meets(request)
            held, first = self._seen > self._end.after and self._meets(request), self._seen == self._end.after + 1
        if not held:
            if self._end.slowly and request.operation == "UploadPart" and not self._slow.is_set():
                self._slow.set()
                self._wait_until_uploads_are_noted()
            return send(request)
        if first:
            self._wait_until_uploads_are_noted()
            self._dead.set()
            pid = self._process.result().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        self._dead.wait()
        return Answer(0, {}, b"", sent=-1)

    def _meets(self, request: Request) -> bool:
        of_key = request.operation == self._end.at and request.key.startswith(self._end.prefix)
        return of_key and self._end.holding in request.body

    def _wait_until_uploads_are_noted(self) -> None:
        """Wait until the record of the load knows of all open uploads: of a younger one nobody ever learns."""
        deadline = time.monotonic() + _NOTED_SECONDS
        while time.monotonic() < deadline:
            noted = "".join(self._bucket.read(key).decode() for key in self._bucket.keys("state/"))
            noted += self._store_file.read_text() if self._store_file.exists() else ""
            if all(upload_id in noted for _, upload_id in world_snapshot.open_uploads(self._bucket)):
                return
            time.sleep(0.1)
        raise AssertionError("an open upload was never noted")


def _run_earlier(name: str, index: int, connection: str, store_file: Path) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
    world = WORLDS[name]()
    store = TaskStateStore.of_file(store_file) if world.by_airflow else None
    run(name, world, world.earlier[index], index + 1, store)


def _parts_in(proxy: FaultProxy) -> dict[tuple[str, int], bytes]:
    parts = {}
    for request in proxy.seen("UploadPart"):
        number, upload_id = (
            re.search(r"partNumber=(\d+)", request.target),
            re.search(r"uploadId=([^&]+)", request.target),
        )
        assert number
        assert upload_id
        parts[upload_id[1], int(number[1])] = request.body
    return parts
