"""One attempt of a load in a process of its own, so that it can be killed or stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from airflow_provider_s3dest.errors import S3DestinationError
from tests.chaos import loads

_PROCESSES = get_context("forkserver")
# So that Airflow and pyarrow are imported once.
_PROCESSES.set_forkserver_preload(["tests.chaos.one_attempt", "tests.chaos.staged_attempt"])


@dataclass(frozen=True)
class StartedAttempt:
    """An attempt in a process of its own."""

    process: ForkServerProcess
    _told: Connection

    @classmethod
    def of(cls, attempt: Callable[..., object], *arguments: Any) -> StartedAttempt:
        """Start an attempt.

        :param attempt: runs it, in the other process.
        """
        next(loads.attempts)
        here, there = _PROCESSES.Pipe()
        process = _PROCESSES.Process(target=_run, args=(attempt, arguments, there), daemon=True)
        process.start()
        there.close()
        return cls(process, here)

    def wait(self) -> int | None:
        """Wait until the process ends, and give its exit code."""
        self.process.join(120)
        return self.process.exitcode

    def outcome(self) -> Any:
        """Wait for the attempt to end, and tell the name of its error, None if it had none."""
        assert self._told.poll(120)
        return self._told.recv()

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal; it must not have ended.

        Whether it has is not looked at: of two threads that do so at once, one is told a wrong exit code.
        """
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()


def _run(attempt: Callable[..., object], arguments: tuple[Any, ...], told: Connection) -> None:
    error = None
    try:
        attempt(*arguments)
    except S3DestinationError as failure:
        error = type(failure).__name__
    told.send(error)
