"""Starts Redis, from Debian's package redis-server, as the broker of Celery."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers.ports import free_ports


@dataclass(frozen=True)
class Redis:
    """A Redis server on a free port of this machine, which keeps nothing on disk."""

    url: str

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Redis]:
        """Serve until the block ends; who connects waits until it is there."""
        (port,) = free_ports(1)
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            yield cls(f"redis://127.0.0.1:{port}/0")
        finally:
            process.kill()
            process.wait()
