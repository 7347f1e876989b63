"""Repeats requests as often as the client is told to, where botocore ends its retries early."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.errors import StoreError

if TYPE_CHECKING:
    from botocore.client import BaseClient


import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient


T = TypeVar("T")

_call = threading.local()
"""Of each thread, how often botocore has sent the request that it is at; None outside of any."""

_SETTLED = (
    "404",
    "NoSuchKey",
    "NotFound",
    "NoSuchUpload",
    "412",
    "PreconditionFailed",
    "ConditionalRequestConflict",
)
"""Error codes that whoever asks has an answer to."""


class Retrier:
    """Sends requests with a client, each as often as its settings allow.

    Where many requests fail, botocore's quota of retries, which all requests of a client share, is used up, and then
    each is sent once only: a long load would fail by the first failure after that.

    :param client: the boto3 client.
    :param wait: waits so many seconds.
    """

    def __init__(self, client: BaseClient, wait: Callable[[float], object] = time.sleep) -> None:
        self._wait = wait
        self._attempts_allowed = _attempts_allowed(client.meta.config.retries)
        client.meta.events.register("before-send.s3", _count, unique_id="s3dest-attempts")

    def __call__(self, send: Callable[[], T]) -> T:
        """Send a request.

        :param send: sends it by the client, once or with botocore's retries.
        :raises StoreError: that of the last time.
        """
        outer = getattr(_call, "attempts", None)
        _call.attempts = 0
        try:
            while True:
                before = _call.attempts
                try:
                    return send()
                except StoreError as error:
                    if error.final or error.code in _SETTLED or not before < _call.attempts < self._attempts_allowed:
                        raise
                    self._wait(random.uniform(0, min(20.0, 2.0**_call.attempts)))
        finally:
            _call.attempts = outer


def _count(**_: Any) -> None:
    if getattr(_call, "attempts", None) is not None:
        _call.attempts += 1


def _attempts_allowed(retries: Any) -> int:
    """Tell how often botocore sends a request, at most (botocore.config.Config, ``retries``)."""
    settings = retries or {}
    return int(settings.get("total_max_attempts") or (5 if settings.get("mode") == "legacy" else 3))


_ATTEMPT = re.compile(r"attempt=(\d+)")


class RetryCounter:
    """Counts what botocore sends for the second time and more; it says so in a header of each request.

    :param client: the boto3 client.
    """

    def __init__(self, client: BaseClient) -> None:
        self.number = 0
        self._lock = threading.Lock()
        client.meta.events.register("before-send.s3", self._sent)

    def _sent(self, request: Any, **_: Any) -> None:
        header = request.headers.get("amz-sdk-request", "")
        found = _ATTEMPT.search(header.decode() if isinstance(header, bytes) else header)
        if found and int(found[1]) > 1:
            with self._lock:
                self.number += 1
