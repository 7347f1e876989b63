"""Stands between a client and an S3 server, passes everything on, and breaks what a test asks it to break."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.endpoint import S3Endpoint

_NOT_PASSED_ON = {"connection", "content-length", "expect", "transfer-encoding"}


@dataclass(frozen=True)
class Request:
    """A request of a client; `operation` is what S3 calls it."""

    operation: str
    key: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def length(self) -> int:
        """Bytes of the body, as the client tells it."""
        return int(self.headers.get("Content-Length", 0))


@dataclass(frozen=True)
class Answer:
    """An answer of the server; of its body only the first `sent` bytes arrive, and none of it all if that is -1."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int | None = None


Send = Callable[[Request], Answer]
Fault = Callable[[Request, Send], Answer]


@dataclass(frozen=True)
class BrokenOff:
    """Resets the connection once so large a share of the request's body has come; the server hears nothing of it."""

    share: float


@dataclass
class _Planned:
    """A fault to come."""

    operation: str
    fault: Fault | BrokenOff
    times: int
    after: int
    prefix: str
    same: bool
    first: tuple[str | None, ...] | None = None

    def meets(self, head: Request) -> bool:
        """Say whether a request meets the fault, and count it."""
        # Requests to delete objects differ in their bodies alone, and so in the checksum.
        content = head.target, head.headers.get("x-amz-checksum-crc32"), head.headers.get("Content-MD5")
        if self.operation != head.operation or not head.key.startswith(self.prefix):
            return False
        if self.first not in (None, content):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        self.first = content if self.same else None
        return True


class FaultProxy(S3Endpoint):
    """A way to an S3 server; its address and keys are those to use in place of the server's."""

    keeps_bodies: bool
    requests: list[Request]
    broken: list[Request]
    _planned: list[_Planned]
    _each: Callable[[Request, Send], Answer] | None
    _changed: threading.Condition
    _under_way: set[int]

    @classmethod
    @contextmanager
    def before(
        cls, server: S3Endpoint, tls: ssl.SSLContext | None = None, *, keeps_bodies: bool = True
    ) -> Iterator[FaultProxy]:
        """Stand before a server until the block ends, and speak TLS with the client if asked to.

        :param keeps_bodies: whether the requests that it notes hold their bodies, and not only the lengths.
        """
        host = urlsplit(server.endpoint_url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, http.client.HTTPException):  # the client or the server has gone
                    self.close_connection = True

            def _pass(self) -> None:
                with proxy.counted():
                    head = _head_of(self)
                    fault = proxy.fault_for(head)
                    if isinstance(fault, BrokenOff):
                        length = int(self.headers.get("Content-Length", 0))
                        proxy.note(replace(head, body=self.rfile.read(int(length * fault.share))))
                        _reset(self)
                        return
                    request = replace(head, body=_body_of(self))
                    proxy.note(request)
                    _answer(self, fault(request, lambda request: _forward(host, request)))

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listener.daemon_threads = True
        if tls:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        address = f"{'https' if tls else 'http'}://127.0.0.1:{listener.server_port}"
        proxy = cls(address, server.access_key, server.secret_key, server.region)
        vars(proxy).update(keeps_bodies=keeps_bodies, requests=[], broken=[], _planned=[], _each=None)
        vars(proxy).update(_changed=threading.Condition(), _under_way=set())
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()
            listener.server_close()

    def on(
        self,
        operation: str,
        fault: Fault | BrokenOff,
        times: int = 1,
        *,
        after: int = 0,
        prefix: str = "",
        same: bool = False,
    ) -> None:
        """Let requests of an operation meet a fault.

        :param times: how many of them.
        :param after: how many are passed on before.
        :param prefix: what their keys begin with.
        :param same: whether only the first of them and what repeats it meet the fault.
        """
        with self._changed:
            self._planned.append(_Planned(operation, fault, times, after, prefix, same))

    def mend(self) -> None:
        """Forget the faults that no request has met yet, and the requests so far."""
        with self._changed:
            self._planned.clear()
            self.requests.clear()

    def on_each(self, fault: Fault | None) -> None:
        """Let every request go through a fault, which may pass it on; None ends that."""
        self._each = fault

    def fault_for(self, head: Request) -> Fault | BrokenOff:
        """Choose what becomes of a request, whose body is still to come."""
        with self._changed:
            for planned in self._planned:
                if planned.meets(head):
                    self.broken.append(head)
                    if not planned.times:
                        self._planned.remove(planned)
                    return planned.fault
        return self._each or _passed_on

    def note(self, request: Request) -> None:
        """Note a request that has come."""
        with self._changed:
            self.requests.append(request if self.keeps_bodies else replace(request, body=b""))
            self._changed.notify_all()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request as under way until the block ends."""
        with self._changed:
            self._under_way.add(threading.get_ident())
        try:
            yield
        finally:
            with self._changed:
                self._under_way.remove(threading.get_ident())
                self._changed.notify_all()

    def wait_for(self, wanted: Callable[[], bool]) -> None:
        """Wait until something has become true of the requests."""
        with self._changed:
            assert self._changed.wait_for(wanted, 60), self.requests

    def wait_until_idle(self) -> None:
        """Wait until no request is under way."""
        self.wait_for(lambda: not self._under_way)

    def seen(self, operation: str) -> list[Request]:
        """Give the requests of one operation so far."""
        return [request for request in self.requests if request.operation == operation]


def _passed_on(request: Request, send: Send) -> Answer:
    return send(request)


def refused(status: int, code: str) -> Fault:
    """Answer with an error of S3, without asking the server."""
    return lambda request, send: Answer(status, {}, _error(code))


def cut(at: int) -> Fault:
    """Close the connection after so many bytes of the answer's body."""
    return lambda request, send: replace(send(request), sent=at)


def lost(request: Request, send: Send) -> Answer:
    """Let the server do it, and close the connection without an answer."""
    return replace(send(request), sent=-1)


def hung(seconds: float) -> Fault:
    """Say nothing for so long, and close the connection; the server hears nothing of it."""

    def hang(request: Request, send: Send) -> Answer:
        time.sleep(seconds)
        return Answer(0, {}, b"", sent=-1)

    return hang


def altered_answer(request: Request, send: Send) -> Answer:
    """Change the last byte of the answer's body."""
    answer = send(request)
    return replace(answer, body=_altered(answer.body))


def altered_request(request: Request, send: Send) -> Answer:
    """Change the last byte of the request's body."""
    return send(replace(request, body=_altered(request.body)))


def error_in_success(code: str) -> Fault:
    """Let the answer say 200 and hold an error, as S3 does when it fails late in CompleteMultipartUpload."""
    return lambda request, send: Answer(200, {}, _error(code))


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Asked for by the test</Message></Error>".encode()


def _altered(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def _head_of(handler: BaseHTTPRequestHandler) -> Request:
    url = urlsplit(handler.path)
    key = unquote(url.path).removeprefix("/").partition("/")[2]
    operation = _operation(handler.command, parse_qs(url.query, keep_blank_values=True))
    return Request(operation, key, handler.command, handler.path, dict(handler.headers.items()), b"")


def _body_of(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") == "chunked":
        return b"".join(_chunks(handler.rfile))
    return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


_LISTS = {"list-type": "ListObjectsV2", "uploads": "ListMultipartUploads", "versions": "ListObjectVersions"}


def _operation(method: str, query: Mapping[str, Any]) -> str:
    if method == "GET":
        listed = next((name for parameter, name in _LISTS.items() if parameter in query), None)
        return listed or "GetObject"
    if method == "PUT":
        return "UploadPart" if "partNumber" in query else "PutObject"
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    return "HeadObject" if method == "HEAD" else "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"


def _forward(host: str, request: Request) -> Answer:
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        # The client has signed the host that it knows, this proxy.
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection so that the client learns of it by a reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def _answer(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    if answer.sent == -1:
        handler.close_connection = True
        return
    handler.send_response(answer.status)
    length = str(len(answer.body))
    for name, value in answer.headers.items():
        if name.lower() == "content-length" and handler.command == "HEAD":
            length = value
        elif name.lower() not in _NOT_PASSED_ON:
            handler.send_header(name, value)
    handler.send_header("Content-Length", length)
    handler.end_headers()
    if handler.command != "HEAD":  # its answer has no body, and what follows would be taken for the next answer
        handler.wfile.write(answer.body[: answer.sent])
    handler.close_connection = answer.sent is not None
