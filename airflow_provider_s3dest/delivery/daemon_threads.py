"""Runs calls on threads that never keep the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

_BRIEFLY_SECONDS = 1.0
"""How long a load that was interrupted still waits for a last request; Airflow lets a killed task live for 5 s."""

T = TypeVar("T")

_Job = Callable[[], None]


class DaemonThreads(Executor):
    """Runs calls on daemon threads.

    Python waits for the threads of a ``ThreadPoolExecutor`` before it ends, and so for a server that does not answer,
    even after Ctrl-C.

    :param most: number of the threads, at most.
    :param name: the beginning of their names.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[tuple[Future[Any], _Job] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put((future, lambda: future.set_result(fn(*args, **kwargs))))
        with self._lock:
            if len(self._threads) < self._most and not self._idle.acquire(blocking=False):
                name = f"{self._name}_{len(self._threads)}"
                thread = threading.Thread(target=_work, args=(self._jobs, self._idle), name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            try:
                while job := self._jobs.get_nowait():
                    job[0].cancel()
            except Empty:
                pass
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __del__(self) -> None:
        self.shutdown(wait=False)


def _work(jobs: SimpleQueue[tuple[Future[Any], _Job] | None], idle: threading.Semaphore) -> None:
    while job := jobs.get():
        future, run = job
        if future.set_running_or_notify_cancel():
            try:
                run()
            except BaseException as error:
                future.set_exception(error)
        del job, future, run  # a job holds the bytes that it sends
        idle.release()


def briefly(call: Callable[[], None]) -> None:
    """Make a call, but stop waiting for it after a short time.

    :raises TimeoutError: if the call has not ended by then; it goes on as long as the process lives.
    """
    threads = DaemonThreads(1, "s3dest-last")
    future = threads.submit(call)
    threads.shutdown(wait=False)
    if not wait([future], _BRIEFLY_SECONDS).done:
        raise TimeoutError(f"there was no answer within {_BRIEFLY_SECONDS:g} s")
    future.result()
