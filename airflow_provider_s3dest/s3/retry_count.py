"""Counts the requests that a client sends again."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.client import BaseClient

_ATTEMPT = re.compile(r"attempt=(\d+)")


class RetryCount:
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
