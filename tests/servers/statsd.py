"""Takes metrics as StatsD does: by UDP, one a line."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 2**16


class StatsD:
    """A StatsD server on a free port of this machine, which keeps what it is sent.

    :param port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[StatsD]:
        """Listen until the block ends."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 0))
            server = cls(listener.getsockname()[1])
            thread = threading.Thread(target=server._listen, args=(listener,), daemon=True)
            thread.start()
            try:
                yield server
            finally:
                listener.sendto(b"", listener.getsockname())
                thread.join()

    def _listen(self, listener: socket.socket) -> None:
        while sent := listener.recv(_LONGEST):
            self.lines += sent.decode().splitlines()
