"""Starts moto's S3 within this process: quick to start, but it checks neither signatures nor checksums."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from tests.servers.endpoint import S3Endpoint


class MotoServer(S3Endpoint):
    """A moto server on a free port of this machine."""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[MotoServer]:
        """Serve until the block ends."""
        # It logs a line for every request.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield cls(f"http://{host}:{port}", access_key="moto", secret_key="moto-secret")
        finally:
            server.stop()
