"""Runs the requests of a load on threads and limits the bytes in flight; the first failure stops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_provider_s3dest.delivery.daemon_threads import DaemonThreads
from airflow_provider_s3dest.s3.stop import StopFlag

WORKERS = 8
"""Requests at a time; boto3's connection pool holds 10 by default."""

IN_FLIGHT_BYTES = 64 * 2**20
"""Most bytes that are submitted and not yet sent; a piece that is larger is sent alone."""

_WAIT_SECONDS = 0.5
"""How often a waiting thread looks at the stop flag, because a signal handler can't wake it."""

_STOP_SECONDS = 1.0
"""How long a stopped load waits for requests that are under way; Airflow lets a killed task live for 5 s."""


class WorkerPool:
    """Runs jobs on threads.

    :param stop: set from outside to end the load.
    """

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._executor = DaemonThreads(WORKERS, "s3dest-upload")
        self._changed = threading.Condition()
        self._in_flight = self._jobs = self._running = 0
        self._failure: BaseException | None = None

    def submit(self, size: int, job: Callable[[], None]) -> None:
        """Run a job on one of the threads, once there is room for its bytes.

        :param size: bytes that the job sends.
        :raises BaseException: the first failure of any job; then this job is not run.
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

        :raises BaseException: the first failure of any job, at once.
        """
        with self._changed:
            while self._jobs and self._failure is None and not self._stop.is_set():
                self._changed.wait(_WAIT_SECONDS)
        self.check()

    def fail(self, error: BaseException) -> None:
        """Run no further job because of an error; only the first error is kept."""
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

        :param error: the error that ended the load, or None. After a stop, and after an error that is not an
            ``Exception``, the wait is short.
        """
        if error is not None:
            self.fail(error)
        patient = error is None or (isinstance(error, Exception) and not self._stop.is_set())
        self._executor.shutdown(wait=patient, cancel_futures=True)
        if not patient:
            # A killed task has only seconds left, but the state should name the uploads that its last requests open.
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
