"""The flag by which a load is told to stop, and the gate that lets none of its requests through after that."""

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

_thread = threading.local()


class StopFlag:
    """Tells a load to stop; may be set in any thread, and in a signal handler.

    It is no ``threading.Event``: Airflow kills a task by a signal whose handler runs in the main thread, wherever that
    is. A lock that the main thread holds at that moment, as it does within ``Event.wait``, would never be free again.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Tell the load to stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Say whether the load was told to stop."""
        return self._is_set

    def check(self) -> None:
        """Go on unless the load was told to stop.

        :raises LoadStoppedError: if it was.
        """
        if self._is_set:
            raise LoadStoppedError("The load was stopped: its task was killed or ran out of time.")

    def wait(self, seconds: float) -> None:
        """Wait so long, or a little longer than until the flag is set."""
        end = time.monotonic() + seconds
        while not self._is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))

    def guard(self, client: BaseClient) -> None:
        """Let a client send nothing once the flag is set, not even what botocore repeats."""
        client.meta.events.register("before-send.s3", self._before_send)

    def _before_send(self, **_: object) -> None:
        if not getattr(_thread, "goes_on", False):
            self.check()


@contextmanager
def going_on() -> Iterator[None]:
    """Let this thread's requests through within the block even after a stop: the record must tell how it ended."""
    outer = getattr(_thread, "goes_on", False)
    _thread.goes_on = True
    try:
        yield
    finally:
        _thread.goes_on = outer
