"""Checks, before requests are sent, that this attempt still owns its load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FENCE_SECONDS = 1.0
"""Age of the last proof of ownership after which the state store is asked again before a request is sent."""

QUIET_SECONDS = FENCE_SECONDS
"""Time after a claim during which an older attempt that is still alive may send requests, because it has not asked
the state store yet."""


class Fence:
    """Lets requests pass while this attempt owns its load; used from many threads.

    Every attempt asks the state store at least every :data:`FENCE_SECONDS`. So once a new attempt has stayed quiet for
    :data:`QUIET_SECONDS` after its claim, no older attempt sends anything that could arrive after its requests.

    :param verify: raises SupersededError if this attempt does not own the load any more.
    """

    def __init__(self, verify: Callable[[], None]) -> None:
        self._verify = verify
        self._verified = self._quiet_until = time.monotonic()
        # A check beside a write would take the new version of the state for somebody else's.
        self._lock = threading.Lock()

    @contextmanager
    def proving(self) -> Iterator[None]:
        """Hold checks back during a write of the state; a write that succeeds proves ownership."""
        with self._lock:
            began = time.monotonic()  # the answer may be late, and a newer attempt own the load by then
            yield
            self._verified = began

    def keep_quiet(self) -> None:
        """Delay requests until older attempts that are still alive must have noticed the claim."""
        self._quiet_until = time.monotonic() + QUIET_SECONDS

    def check(self, *, at_once: bool = False) -> None:
        """Check that this attempt still owns the load, unless that was proved within :data:`FENCE_SECONDS`.

        :param at_once: ask the state store however recent the last proof is.
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
