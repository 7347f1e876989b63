"""Repeats requests as often as the client's settings allow, and counts what botocore itself repeats."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.errors import StoreError

if TYPE_CHECKING:
    from botocore.client import BaseClient

T = TypeVar("T")

_call = threading.local()
"""``sent``: how often botocore has sent the thread's current request; None outside of any."""

_ANSWERS = (
    "404",
    "NoSuchKey",
    "NotFound",
    "NoSuchUpload",
    "412",
    "PreconditionFailed",
    "ConditionalRequestConflict",
)
"""Error codes that are answers to the caller's question: a retry would get the same."""

_MAX_WAIT_SECONDS = 20.0
"""The longest wait between two retries: that of botocore's standard mode."""

_ATTEMPT_NUMBER = re.compile(r"attempt=(\d+)")


class Retrier:
    """Sends requests with a client, each as often as the client's settings allow.

    Botocore keeps a quota of retries that all requests of a client draw on. Once many requests have failed, the quota
    is used up and botocore sends each request only once: a long load would fail at the next failure. This class then
    goes on where botocore has stopped.

    :param client: the boto3 client.
    :param wait: waits for a number of seconds.
    """

    def __init__(self, client: BaseClient, wait: Callable[[float], object] = time.sleep) -> None:
        self._wait = wait
        self._most_sent = _attempts_allowed(client.meta.config.retries)
        # Several retriers may share a client: the id makes botocore keep one handler, so that none counts twice.
        client.meta.events.register("before-send.s3", _count, unique_id="s3dest-attempts")

    def __call__(self, send: Callable[[], T]) -> T:
        """Send a request.

        :param send: sends it by the client, once or with botocore's retries.
        :raises StoreError: the error of the last time.
        """
        outer = getattr(_call, "sent", None)  # a request may be sent from within another, as the fence is
        _call.sent = 0
        try:
            while True:
                before = _call.sent
                try:
                    return send()
                except StoreError as error:
                    # If nothing was sent, the error lies before the request, such as in getting credentials.
                    if error.final or error.code in _ANSWERS or not before < _call.sent < self._most_sent:
                        raise
                    self._wait(random.uniform(0, min(_MAX_WAIT_SECONDS, 2.0**_call.sent)))
        finally:
            _call.sent = outer


class RetryCounter:
    """Counts the requests that botocore sends again.

    Botocore numbers the attempts of a request in a header of each.

    :param client: the boto3 client.
    """

    def __init__(self, client: BaseClient) -> None:
        self.number = 0
        self._lock = threading.Lock()
        client.meta.events.register("before-send.s3", self._sent)

    def _sent(self, request: Any, **_: Any) -> None:
        header = request.headers.get("amz-sdk-request", "")
        match = _ATTEMPT_NUMBER.search(header.decode() if isinstance(header, bytes) else header)
        if match and int(match[1]) > 1:
            with self._lock:
                self.number += 1


def _count(**_: Any) -> None:
    if getattr(_call, "sent", None) is not None:
        _call.sent += 1


def _attempts_allowed(retries: Any) -> int:
    """Return how often botocore sends a request, at most (botocore.config.Config, ``retries``)."""
    settings = retries or {}
    return int(settings.get("total_max_attempts") or (5 if settings.get("mode") == "legacy" else 3))
