"""Stands between a client and an S3 server, passes everything on, and breaks what a test asks it to break."""

from __future__ import annotations

import http.client
import ssl
import threading
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


@dataclass(frozen=True)
class Answer:
    """An answer of the server; of its body only the first `sent` bytes arrive, and none of it all if that is -1."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int | None = None


Send = Callable[[Request], Answer]
Fault = Callable[[Request, Send], Answer]


class FaultProxy(S3Endpoint):
    """A way to an S3 server; its address and keys are those to use in place of the server's."""

    requests: list[Request]
    _faults: list[tuple[str, Fault, int]]
    _lock: threading.Lock

    @classmethod
    @contextmanager
    def before(cls, server: S3Endpoint, tls: ssl.SSLContext | None = None) -> Iterator[FaultProxy]:
        """Stand before a server until the block ends, and speak TLS with the client if asked to."""
        host = urlsplit(server.endpoint_url).netloc

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client has gone
                    self.close_connection = True

            def _pass(self) -> None:
                _answer(self, proxy.handle(_request_of(self), lambda request: _forward(host, request)))

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        listener.daemon_threads = True
        if tls:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        address = f"{'https' if tls else 'http'}://127.0.0.1:{listener.server_port}"
        proxy = cls(address, server.access_key, server.secret_key, server.region)
        vars(proxy).update(requests=[], _faults=[], _lock=threading.Lock())
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()
            listener.server_close()

    def on(self, operation: str, fault: Fault, times: int = 1) -> None:
        """Let the next so many requests of an operation meet a fault."""
        with self._lock:
            self._faults.extend([(operation, fault, 0)] * times)

    def handle(self, request: Request, send: Send) -> Answer:
        """Note a request, and answer it as the server does, or as a fault has it."""
        with self._lock:
            self.requests.append(request)
            planned = next((one for one in self._faults if one[0] == request.operation), None)
            if planned:
                self._faults.remove(planned)
        return planned[1](request, send) if planned else send(request)

    def seen(self, operation: str) -> list[Request]:
        """Give the requests of one operation so far."""
        return [request for request in self.requests if request.operation == operation]


def refused(status: int, code: str) -> Fault:
    """Answer with an error of S3, without asking the server."""
    return lambda request, send: Answer(status, {}, _error(code))


def cut(at: int) -> Fault:
    """Close the connection after so many bytes of the answer's body."""
    return lambda request, send: replace(send(request), sent=at)


def lost(request: Request, send: Send) -> Answer:
    """Let the server do it, and close the connection without an answer."""
    return replace(send(request), sent=-1)


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


def _request_of(handler: BaseHTTPRequestHandler) -> Request:
    url = urlsplit(handler.path)
    key = unquote(url.path).removeprefix("/").partition("/")[2]
    if handler.headers.get("Transfer-Encoding") == "chunked":
        body = b"".join(_chunks(handler.rfile))
    else:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    operation = _operation(handler.command, parse_qs(url.query, keep_blank_values=True))
    return Request(operation, key, handler.command, handler.path, dict(handler.headers.items()), body)


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


def _operation(method: str, query: Mapping[str, Any]) -> str:
    if method == "GET":
        return "ListObjectsV2" if "list-type" in query else "GetObject"
    if method == "PUT":
        return "UploadPart" if "partNumber" in query else "PutObject"
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
    handler.wfile.write(answer.body[: answer.sent])
    handler.close_connection = answer.sent is not None
