"""The body of a request, which botocore reads without copying it."""

from __future__ import annotations

import os

PIECE_BYTES = 2**20
"""Bytes of one read: each piece must be sent within the client's ``read_timeout``, 60 s by default."""


class Body:
    """A file object over bytes.

    Botocore would wrap bytes in a file object of its own, which copies each piece that is sent. Each request needs a
    new body, since it begins where the request before it has stopped reading.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._position = memoryview(content), 0

    def read(self, size: int | None = -1) -> bytes | memoryview:
        """Return the next bytes.

        :param size: without one, all bytes that are left; else one piece of ``PIECE_BYTES``, whatever the size.
        """
        start = self._position
        if size is None or size < 0:
            self._position = len(self._content)
            return bytes(self._content[start:])
        self._position = min(start + PIECE_BYTES, len(self._content)) if size else start
        return self._content[start : self._position]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position as a file does, and return it."""
        origins = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._content)}
        self._position = origins[whence] + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position
