"""The body of a request, which botocore reads without copying it."""

from __future__ import annotations

import os

PIECE_BYTES = 2**20
"""Bytes that are given at a time: each must be on its way within the client's ``read_timeout``, of 60 s by default."""


class Body:
    """Bytes as a file to read from; botocore makes one of its own of bytes, which copies each piece that is sent.

    Made anew for each request, since a request begins where the one before has stopped reading.
    """

    def __init__(self, content: bytes) -> None:
        self._content, self._position = memoryview(content), 0

    def read(self, size: int | None = -1) -> bytes | memoryview:
        """Give the next bytes: all that are left, or as many as are sent at a time, whatever the size that is asked."""
        start = self._position
        if size is None or size < 0:
            self._position = len(self._content)
            return bytes(self._content[start:])
        self._position = min(start + PIECE_BYTES, len(self._content)) if size else start
        return self._content[start : self._position]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, which is counted as files do."""
        origins = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._content)}
        self._position = origins[whence] + offset
        return self._position

    def tell(self) -> int:
        """Tell the position."""
        return self._position
