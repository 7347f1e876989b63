"""A thread that makes the calls of one connection, so that whoever waits for them can stop waiting.

A driver waits for the database in C, and Python runs signal handlers in the main thread alone, between two of its own
instructions. If the main thread made the calls itself, a killed task and a task that is out of time would wait for the
query. Some drivers, such as sqlite3, also let only the thread that opened a connection use it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from airflow_provider_s3dest.s3.stop import StopFlag

_LOOK_SECONDS = 0.1
"""Time between two looks at the stop flag."""


class CallFailed(Exception):
    """A call raised an error; unlike the error itself, this can't come from a signal that ends the wait.

    :param error: what the call raised.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Call:
    """A call that the thread makes, or will make.

    :param function: what is called.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._done = threading.Event()
        self._value: Any = None
        self._error: Exception | None = None

    def make(self) -> None:
        """Make the call, and keep what it returns or raises."""
        try:
            self._value = self._function()
        except Exception as error:
            self._error = error
        finally:
            del self._function  # with all that it refers to
            self._done.set()

    def is_done(self) -> bool:
        """Return whether the call has ended."""
        return self._done.is_set()

    def ended_within(self, seconds: float) -> bool:
        """Wait until the call has ended, but not longer than some seconds; return whether it has ended."""
        return self._done.wait(seconds)

    def result(self, stop: StopFlag) -> Any:
        """Wait for the call, and return what it returned.

        :raises CallFailed: if the call raised an error.
        :raises LoadStoppedError: if the load is stopped meanwhile.
        """
        while not self._done.wait(_LOOK_SECONDS):
            stop.check()
        if self._error is not None:
            stop.check()
            raise CallFailed(self._error)
        value, self._value = self._value, None
        return value


class ConnectionThread:
    """Makes calls one after the other, in a thread that ends with the process at the latest."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._last: Call | None = None
        threading.Thread(target=self._run, name="s3dest-sql", daemon=True).start()

    def submit(self, function: Callable[[], Any]) -> Call:
        """Let the thread make a call after those before it."""
        self._last = call = Call(function)
        self._calls.put(call)
        return call

    @property
    def is_busy(self) -> bool:
        """Whether a call has not ended yet."""
        return self._last is not None and not self._last.is_done()

    def idle_within(self, seconds: float) -> bool:
        """Wait until all calls have ended, but not longer than some seconds; return whether they have."""
        return self._last is None or self._last.ended_within(seconds)

    def end(self) -> None:
        """End the thread after its last call."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            del call  # else the last rows would be held until the next call
