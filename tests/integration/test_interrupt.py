"""A script that calls the hook ends soon after Ctrl-C and SIGTERM, also while the store does not answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCRIPT = """
import signal, sys
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("terminated"))
spec = {"bucket": "b", "path": "{{TABLE}}/{{UUID}}.csv", "format": "csv", "use_path_style": True}
state_path = sys.argv[1] or None
report = S3DestinationHook().load(records=[{"id": 1}], spec=spec, table="t", load_id="one", state_path=state_path)
print("SUCCESS", report)
"""

_LONGER_THAN_ANY_WAIT = 45.0
"""Seconds. boto3 alone waits 60 s for each answer, and asks several times."""


class _Hanging(BaseHTTPRequestHandler):
    """Answers what is about the state, until it is sent an object; from then on it answers nothing."""

    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        if not self.path.startswith("/b/state"):
            server.hangs.set()
        if server.hangs.is_set():
            server.ended.wait()
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404 if self.command == "GET" else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hanging)
        self.hangs, self.ended = threading.Event(), threading.Event()


@contextmanager
def _serving() -> Iterator[_Server]:
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.ended.set()
        server.shutdown()


def _started(server: _Server, state_path: str) -> subprocess.Popen[str]:
    extra = {"endpoint_url": f"http://127.0.0.1:{server.server_port}", "region_name": "us-east-1"}
    connection = json.dumps({"conn_type": "aws", "login": "key", "password": "secret", "extra": extra})
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, state_path],
        env={**os.environ, "AIRFLOW_CONN_AWS_DEFAULT": connection},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_script_ends_while_the_store_does_not_answer() -> None:
    with _serving() as first, _serving() as second:
        interrupted, terminated = _started(first, ""), _started(second, "s3://b/state/")
        try:
            for server, script, how in ((first, interrupted, signal.SIGINT), (second, terminated, signal.SIGTERM)):
                while not server.hangs.wait(0.1):
                    assert script.poll() is None, script.communicate()
                script.send_signal(how)
            for script, said in ((interrupted, "KeyboardInterrupt"), (terminated, "terminated")):
                output, _ = script.communicate(timeout=_LONGER_THAN_ANY_WAIT)
                assert script.returncode not in (0, None)
                assert said in output
                assert "SUCCESS" not in output
        finally:
            interrupted.kill()
            terminated.kill()
