"""Holds requests back at the proxy, so that a load stands still where a test wants it."""

from __future__ import annotations

import threading

from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

_PATIENCE = 180.0


class Gate:
    """Lets the first requests of an operation through, and holds the others; closed until a test opens it."""

    def __init__(self, proxy: FaultProxy, operation: str, *, after: int) -> None:
        self._left = after
        self._held = 0
        self._shut = True
        self._changed = threading.Condition()
        proxy.on(operation, self._meet, times=10_000)

    def wait_for(self, held: int) -> None:
        """Wait until so many requests are held."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._held >= held, _PATIENCE), f"{self._held} requests came"

    def let_pass(self) -> None:
        """Let requests through that come from now on; those that are held stay so."""
        self._left = 10**9

    def open(self) -> None:
        """Let all requests through, and wait until those that were held are answered."""
        with self._changed:
            self._left, self._shut = 10**9, False
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._held, _PATIENCE), f"{self._held} have no answer"

    def _meet(self, request: Request, send: Send) -> Answer:
        with self._changed:
            self._left -= 1
            if self._left >= 0:
                held = 0
            else:
                held = 1
                self._held += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: not self._shut, _PATIENCE)
        try:
            return send(request)
        finally:
            with self._changed:
                self._held -= held
                self._changed.notify_all()
