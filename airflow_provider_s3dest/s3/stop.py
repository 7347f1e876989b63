"""The flag that stops a load, and the gate that lets none of its requests through after that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_s3dest.errors import LoadStoppedError

if TYPE_CHECKING:
    from botocore.client import BaseClient

_LOOK_SECONDS = 0.1
"""Time between two looks at the flag: how much longer than needed a wait may last after a stop."""

_thread = threading.local()
"""``goes_on``: whether the thread's requests pass the gate even after a stop."""


class StopFlag:
    """Tells a load to stop; can be set in any thread, and in a signal handler.

    It is not a ``threading.Event``. Airflow kills a task by a signal, and the handler interrupts the main thread
    anywhere. If it interrupted ``Event.wait``, which holds a lock, ``Event.set`` would wait for that lock forever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Stop the load."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether the load must stop."""
        return self._is_set

    def check(self) -> None:
        """Raise an error if the load must stop.

        :raises LoadStoppedError: if the flag is set.
        """
        if self._is_set:
            raise LoadStoppedError("The load was stopped: its task was killed or ran out of time.")

    def wait(self, seconds: float) -> None:
        """Wait for a number of seconds, or until shortly after the flag is set."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))

    def guard(self, client: BaseClient) -> None:
        """Keep a client from sending anything once the flag is set, botocore's retries included."""
        client.meta.events.register("before-send.s3", self._before_send)

    def _before_send(self, **_: object) -> None:
        if not getattr(_thread, "goes_on", False):
            self.check()


@contextmanager
def going_on() -> Iterator[None]:
    """Let this thread's requests pass within the block, even after a stop: the state must note how the load ended."""
    outer = getattr(_thread, "goes_on", False)
    _thread.goes_on = True
    try:
        yield
    finally:
        _thread.goes_on = outer
