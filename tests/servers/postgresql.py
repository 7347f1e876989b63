"""Starts PostgreSQL, from Debian's package, as the metadata database of an Airflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_ports

_OWNER = "postgres"
"""The user of Debian's package: PostgreSQL does not run as root."""


@dataclass(frozen=True)
class PostgreSQL:
    """A PostgreSQL server on a free port of this machine, with one empty database."""

    port: int

    @property
    def address(self) -> str:
        """User, host, port and database, as they stand in a URL behind the name of the driver."""
        return f"{_OWNER}@127.0.0.1:{self.port}/postgres"

    @staticmethod
    def is_installed() -> bool:
        """Return whether this machine has the server's programs."""
        return bool(_found("initdb")) or shutil.which("initdb") is not None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[PostgreSQL]:
        """Serve until the block ends, then end the server and remove its data."""
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as directory:
            data = Path(directory, "data")
            data.mkdir()
            if os.geteuid() == 0:
                shutil.chown(directory, _OWNER)
                shutil.chown(data, _OWNER)
            _run("initdb", "-D", str(data), "-U", _OWNER, "--auth=trust", "--no-sync")
            settings = f"-p {port} -h 127.0.0.1 -k {directory} -c fsync=off -c max_connections=200"
            _run("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", settings, "start")
            try:
                yield cls(port)
            finally:
                _run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


def _run(program: str, *arguments: str) -> None:
    found = _found(program)
    command = [str(found[-1]) if found else program, *arguments]
    user = _OWNER if os.geteuid() == 0 else None
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)


def _found(program: str) -> list[Path]:
    # Debian keeps the programs of each version in a folder of its own, which is not on the PATH.
    return sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
