"""Runs the requests of a load on threads, with a bound on the bytes in flight; the first failure stops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_s3dest.s3.stop import StopFlag

WORKERS = 8
"""Requests at a time; boto3's connection pool holds 10 by default."""

IN_FLIGHT_BYTES = 64 * 2**20
"""Bytes that are submitted and not yet sent, at most; one piece larger than that goes alone."""

_WAIT_SECONDS = 0.5
"""Time after which a thread that waits looks at the stop flag again: a signal handler can wake nobody."""

_STOP_SECONDS = 1.5
"""Time that the requests under way have to end when the load is stopped; a killed task lives 5 s at most."""


class WorkerPool:
    """Runs jobs on threads.

    :param stop: set from outside to end the load.
    """

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3dest-upload")
        self._changed = threading.Condition()
        self._in_flight = self._jobs = self._running = 0
        self._failure: BaseException | None = None

    def submit(self, size: int, job: Callable[[], None]) -> None:
        """Run a job on one of the threads, once there is room for its bytes.

        :raises BaseException: the first failure of any job, instead.
        """
        with self._changed:
            while self._in_flight and self._in_flight + size > IN_FLIGHT_BYTES:
                if self._failure is not None or self._stop.is_set():
                    break
                self._changed.wait(_WAIT_SECONDS)
            self.check()
            self._in_flight += size
            self._jobs += 1
        self._executor.submit(self._run, size, job)

    def wait(self) -> None:
        """Wait until all jobs are done.

        :raises BaseException: the first failure of any job, instead.
        """
        with self._changed:
            while self._jobs and self._failure is None and not self._stop.is_set():
                self._changed.wait(_WAIT_SECONDS)
        self.check()

    def fail(self, error: BaseException) -> None:
        """Run no further job, because of an error; only the first error counts."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the first failure of any job, if there is one.

        :raises LoadStoppedError: if the load was told to stop.
        """
        self._stop.check()
        if self._failure is not None:
            raise self._failure

    def end(self, error: BaseException | None) -> bool:
        """Drop the jobs that have not begun, and wait for the others; return whether all of them have ended.

        :param error: what ended the load. After a stop, and after what is no ``Exception``, the wait is short.
        """
        if error is not None:
            self.fail(error)
        patient = error is None or (isinstance(error, Exception) and not self._stop.is_set())
        self._executor.shutdown(wait=patient, cancel_futures=True)
        if not patient:
            # A killed task has seconds to live, yet the state should name what its last requests opened.
            with self._changed:
                self._changed.wait_for(lambda: not self._running, _STOP_SECONDS)
        return patient

    def _run(self, size: int, job: Callable[[], None]) -> None:
        try:
            with self._changed:
                self._running += 1
            if self._failure is None and not self._stop.is_set():
                job()
        except BaseException as error:
            self.fail(error)
        finally:
            with self._changed:
                self._running -= 1
                self._in_flight -= size
                self._jobs -= 1
                self._changed.notify_all()
