"""Starts MariaDB, from Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_ports

_OWNER = "mysql"
"""The user of Debian's package: MariaDB does not run as root."""

_SERVER = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass(frozen=True)
class MariaDB:
    """A MariaDB server on a free port of this machine, with one empty database."""

    port: int

    @property
    def address(self) -> str:
        """User, host, port and database, as they stand in a URL behind the name of the driver."""
        return f"airflow:airflow@127.0.0.1:{self.port}/shop"

    @staticmethod
    def is_installed() -> bool:
        """Return whether this machine has the server's programs."""
        return _SERVER is not None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[MariaDB]:
        """Serve until the block ends, then end the server and remove its data."""
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as directory:
            data = Path(directory, "data")
            user = _OWNER if os.geteuid() == 0 else None
            if user:
                shutil.chown(directory, user)
            init = Path(directory, "init.sql")
            init.write_text(
                "CREATE DATABASE shop CHARACTER SET utf8mb4;\n"
                "CREATE USER airflow@'%' IDENTIFIED BY 'airflow';\n"
                "GRANT ALL ON *.* TO airflow@'%';\n",
                encoding="utf-8",
            )
            init.chmod(0o644)
            as_owner = {"user": user, "cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            options = ["--no-defaults", f"--datadir={data}"]
            subprocess.run(
                ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"], check=True, **as_owner
            )  # type: ignore[call-overload]
            socket = Path(directory, "socket")
            server = subprocess.Popen(  # type: ignore[call-overload]
                [
                    str(_SERVER),
                    *options,
                    f"--port={port}",
                    f"--socket={socket}",
                    f"--pid-file={directory}/pid",
                    f"--log-error={directory}/log.err",
                    f"--init-file={init}",
                    "--bind-address=127.0.0.1",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--skip-name-resolve",
                ],
                **as_owner,
            )
            try:
                _wait(Path(directory, "log.err"), server)
                yield cls(port)
            finally:
                server.kill()
                server.wait()


def _wait(log: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not (log.exists() and "ready for connections" in log.read_text(errors="replace")):
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"MariaDB does not start: {log.read_text(errors='replace') if log.exists() else ''}")
        time.sleep(0.1)
