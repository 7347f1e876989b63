"""Keeps the list of multipart uploads that are open, so that the state can name them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from airflow_provider_s3dest.delivery.load_state import Upload

LOGGED_SECONDS = 1.0
"""Time that a multipart upload may be open before the state names it."""

LOGGED_UPLOADS = 1_000
"""That time grows by :data:`LOGGED_SECONDS` with every so many open uploads, to bound the cost of writing the state."""


class OpenUploads:
    """The multipart uploads of a load that may be open; used from many threads."""

    def __init__(self) -> None:
        self._open: dict[str, Upload] = {}
        self._unwritten: set[str] = set()
        self._lock = threading.Lock()
        self._written = time.monotonic()

    def take_over(self, uploads: Iterable[Upload]) -> None:
        """Begin with the uploads that earlier attempts left in the state."""
        self._open = {upload.upload_id: upload for upload in uploads}
        self._written = time.monotonic()

    def add(self, upload: Upload) -> None:
        """Note that an upload is open."""
        with self._lock:
            self._open[upload.upload_id] = upload
            self._unwritten.add(upload.upload_id)

    def discard(self, *upload_ids: str) -> None:
        """Forget uploads that are complete or aborted."""
        with self._lock:
            for upload_id in upload_ids:
                self._open.pop(upload_id, None)
                self._unwritten.discard(upload_id)

    def all(self) -> list[Upload]:
        """Return the uploads that may be open."""
        with self._lock:
            return list(self._open.values())

    def for_state(self) -> list[Upload]:
        """Return the uploads that may be open, and count them as written into the state."""
        with self._lock:
            self._unwritten.clear()
            return list(self._open.values())

    def note_written(self) -> None:
        """Note that the state was written just now."""
        self._written = time.monotonic()

    @property
    def must_be_written(self) -> bool:
        """Whether an upload has been open for too long without being in the state."""
        patience = LOGGED_SECONDS * max(1.0, len(self._open) / LOGGED_UPLOADS)
        return bool(self._unwritten) and time.monotonic() - self._written >= patience
