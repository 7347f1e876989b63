"""Finds ports for servers that have to be told one."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress

_CANDIDATES = range(10_000, 22_000)
"""Below the range that systems take for outgoing connections, which could take a port before the server does."""


def free_ports(count: int, also: int = 0) -> list[int]:
    """Find ports that are free on this machine.

    :param also: what a server adds to a port for another one, which must be free too; 0: it adds nothing.
    """
    ports: list[int] = []
    # All sockets stay bound until the last is found, so that no port is found twice.
    with ExitStack() as bound:
        for port in random.sample(_CANDIDATES, 200):
            with suppress(OSError):
                for number in {port, port + also}:
                    bound.enter_context(socket.socket()).bind(("127.0.0.1", number))
                ports.append(port)
                if len(ports) == count:
                    return ports
    raise OSError("No free ports")
