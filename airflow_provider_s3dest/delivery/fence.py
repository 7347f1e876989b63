"""Checks, before requests are sent, that this attempt still owns its load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FENCE_SECONDS = 1.0
"""How long a proof of ownership holds; after that, the state store is asked again before a request is sent."""

QUIET_SECONDS = FENCE_SECONDS
"""How long after a claim an older attempt that is still alive may send requests, because its last proof still holds."""


class Fence:
    """Lets requests pass while this attempt owns its load; used from many threads.

    An attempt sends a request only if it has asked the state store within the last :data:`FENCE_SECONDS`. So once a
    new attempt has waited for :data:`QUIET_SECONDS` after its claim, older attempts send nothing any more.

    :param verify: raises SupersededError if this attempt does not own the load any more.
    """

    def __init__(self, verify: Callable[[], None]) -> None:
        self._verify = verify
        self._verified = self._quiet_until = time.monotonic()
        # A check during a write would take the new version of the state for that of another attempt.
        self._lock = threading.Lock()

    @contextmanager
    def proving(self) -> Iterator[None]:
        """Hold checks back while the state is written; a write that succeeds proves ownership."""
        with self._lock:
            began = time.monotonic()  # not the end: a newer attempt may claim the load while the answer is under way
            yield
            self._verified = began

    def keep_quiet(self) -> None:
        """Delay requests until the proofs of older attempts that are still alive have run out."""
        self._quiet_until = time.monotonic() + QUIET_SECONDS

    def check(self, *, at_once: bool = False) -> None:
        """Check that this attempt still owns the load, unless the last proof is younger than :data:`FENCE_SECONDS`.

        :param at_once: ask the state store even if the last proof is younger.
        :raises SupersededError: if a newer attempt owns the load.
        """
        if (quiet := self._quiet_until - time.monotonic()) > 0:
            time.sleep(quiet)
        allowed = 0.0 if at_once else FENCE_SECONDS
        if time.monotonic() - self._verified < allowed:
            return
        with self._lock:
            if (began := time.monotonic()) - self._verified >= allowed:
                self._verify()
                self._verified = began
