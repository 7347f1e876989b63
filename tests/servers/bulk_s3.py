"""An S3 server for loads of any size: speaks TLS, counts what it is sent, and keeps it or forgets it at once.

It knows what an upload needs and no more: it checks neither signatures nor checksums, and lists what it keeps. What
becomes of a request is told by its bucket: ``KEPT`` keeps objects as files of a folder, ``FORGOTTEN`` reads bodies and
drops them, and ``THROTTLED`` does so at a fixed rate.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import ssl
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.servers.certificate import self_signed
from tests.servers.endpoint import S3Endpoint

KEPT, FORGOTTEN, THROTTLED = "kept", "forgotten", "throttled"
BYTES_A_SECOND = 240e6
"""What all requests to the throttled bucket share."""

_COUNTS = "/-counts"
_PIECE = 2**18


@dataclass(frozen=True)
class Counts:
    """What one bucket was sent so far; bytes are those of the objects, without the wrapping of a signed stream."""

    requests: int
    objects: int
    bytes: int


@dataclass(frozen=True)
class BulkS3(S3Endpoint):
    """The server, in a process of its own, so that its CPU time is not its client's.

    :param certificate: file that a client has to trust.
    :param kept: folder of the kept bucket.
    """

    certificate: Path = field(kw_only=True)
    kept: Path = field(kw_only=True)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[BulkS3]:
        """Serve until the block ends."""
        with tempfile.TemporaryDirectory(prefix="bulk-s3-") as directory:
            certificate, kept = Path(directory, "certificate.pem"), Path(directory, "kept")
            kept.mkdir()
            spawning = multiprocessing.get_context("spawn")
            told, tells = spawning.Pipe(duplex=False)
            process = spawning.Process(target=_serve, args=(tells, certificate, kept), daemon=True)
            process.start()
            try:
                endpoint = f"https://127.0.0.1:{told.recv()}"
                yield cls(endpoint, "bulk", "bulk-secret", certificate=certificate, kept=kept)
            finally:
                process.kill()
                process.join()

    def counts(self, bucket: str) -> Counts:
        """Tell what a bucket was sent so far."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib.request.urlopen(f"{self.endpoint_url}{_COUNTS}/{bucket}", context=context) as answer:
            return Counts(**json.loads(answer.read()))


def _serve(tells: Connection, certificate: Path, kept: Path) -> None:
    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.kept = kept
    context = self_signed(certificate)
    listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    tells.send(listener.server_port)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    listener.serve_forever()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    kept: Path

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.lock = threading.Lock()
        self.counts: dict[str, dict[str, int]] = {}
        self._free_from = 0.0

    def count(self, bucket: str, **more: int) -> None:
        with self.lock:
            counts = self.counts.setdefault(bucket, {"requests": 0, "objects": 0, "bytes": 0})
            for name, number in more.items():
                counts[name] += number

    def throttle(self, size: int) -> None:
        """Wait until so many bytes may have come."""
        with self.lock:
            self._free_from = max(self._free_from, time.monotonic()) + size / BYTES_A_SECOND
            wait = self._free_from - time.monotonic()
        if wait > 0.001:
            time.sleep(wait)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that was killed has gone in the middle of a request."""


class _Chunks(io.RawIOBase):
    """A body that is sent in chunks, each after a line with its length."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._ended:
            return 0
        if not self._left:
            self._left = int(self._stream.readline().partition(b";")[0], 16)
        if not self._left:
            self._ended = True
            while self._stream.readline().strip():  # what trails the body, such as its checksum
                pass
            return 0
        read: int = self._stream.readinto(memoryview(buffer)[: self._left])
        self._left -= read
        if not self._left:
            self._stream.readline()
        return read


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._buffer = memoryview(bytearray(_PIECE))

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        url = urlsplit(self.path)
        self.bucket, _, self.key = unquote(url.path).removeprefix("/").partition("/")
        self.query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        self.server.count(self.bucket, requests=1)
        return True

    def do_PUT(self) -> None:
        is_part = "partNumber" in self.query
        with self._place(f"{self.key}.part-{int(self.query['partNumber']):05}" if is_part else self.key) as place:
            size = self._take(place)
        self.server.count(self.bucket, bytes=size, objects=0 if is_part else 1)
        self._answer(200, ETag='"0"')

    def do_POST(self) -> None:
        self._take(None)
        if "uploads" in self.query:
            text = f"<InitiateMultipartUploadResult><UploadId>1</UploadId><Key>{escape(self.key)}</Key>"
            self._answer(200, f"{text}</InitiateMultipartUploadResult>")
            return
        if self.bucket == KEPT:
            whole = self.server.kept / self.key
            parts = sorted(whole.parent.glob(f"{whole.name}.part-*"))
            with whole.open("wb") as file:
                for part in parts:
                    file.write(part.read_bytes())
                    part.unlink()
        self.server.count(self.bucket, objects=1)
        text = f"<Bucket>{self.bucket}</Bucket><Key>{escape(self.key)}</Key><ETag>&quot;0-1&quot;</ETag>"
        self._answer(200, f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>")

    def do_DELETE(self) -> None:
        self._answer(204)

    def do_GET(self) -> None:
        if self.path.startswith(_COUNTS):
            bucket = self.path.rpartition("/")[2]
            self.server.count(bucket)
            self._answer(200, json.dumps(self.server.counts[bucket]))
        elif self.key:
            self._give()
        else:
            self._list()

    def do_HEAD(self) -> None:
        if self.key:
            self._give()
        else:
            self._answer(200)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    @contextmanager
    def _place(self, key: str) -> Iterator[BinaryIO | None]:
        if self.bucket != KEPT:
            yield None
            return
        path = self.server.kept / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            yield file

    def _take(self, place: BinaryIO | None) -> int:
        """Read the body, and give the bytes of the object in it."""
        stream: Any = self.rfile
        left = int(self.headers.get("Content-Length", 0))
        # A signed stream has chunks of its own, often within those of HTTP.
        for wrapping in ("Transfer-Encoding", "Content-Encoding"):
            if "chunked" in self.headers.get(wrapping, ""):
                stream, left = io.BufferedReader(_Chunks(stream), _PIECE), sys.maxsize
        size = 0
        while left and (read := stream.readinto(self._buffer[: min(left, _PIECE)])):
            if self.bucket == THROTTLED:
                self.server.throttle(read)
            if place is not None:
                place.write(self._buffer[:read])
            size, left = size + read, left - read
        return size

    def _give(self) -> None:
        path = self.server.kept / self.key
        if self.bucket != KEPT or not path.is_file():
            self._answer(404, "<Error><Code>NoSuchKey</Code></Error>")
            return
        size = path.stat().st_size
        first, last, status = 0, size - 1, 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last, status = int(asked[1]), min(int(asked[2] or last), last), 206
        self.send_response(status)
        self.send_header("ETag", f'"{size:x}-{path.stat().st_mtime_ns:x}"')
        self.send_header("Last-Modified", "Tue, 03 Feb 2026 04:05:06 GMT")
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                file.seek(first)
                left = last - first + 1
                while left and (piece := file.read(min(left, _PIECE))):
                    self.wfile.write(piece)
                    left -= len(piece)

    def _list(self) -> None:
        prefix, after = self.query.get("prefix", ""), self.query.get("continuation-token", "")
        folder = self.server.kept
        keys = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        found = [key for key in keys if key.startswith(prefix) and key > after] if self.bucket == KEPT else []
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{(folder / key).stat().st_size}</Size>"
            f"<ETag>&quot;{(folder / key).stat().st_size:x}-{(folder / key).stat().st_mtime_ns:x}&quot;</ETag>"
            "<LastModified>2026-02-03T04:05:06.000Z</LastModified></Contents>"
            for key in found[:1000]
        )
        more = len(found) > 1000
        token = f"<NextContinuationToken>{escape(quote(found[999]))}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f"<ListBucketResult><Name>{self.bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}</ListBucketResult>",
        )

    def _answer(self, status: int, text: str = "", **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
