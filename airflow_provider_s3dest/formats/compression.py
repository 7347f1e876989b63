"""Compresses objects, so that the same content always gives the same bytes."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

from isal import isal_zlib

from airflow_provider_s3dest.spec import DestinationSpec

_ISAL_LEVELS = 3
"""The highest level that ISA-L compresses: its level 2 makes files as small as zlib's 2, in a quarter of the time."""

_GZIP_WINDOW = 31
"""Zlib's number for a gzip header. The header has neither a name nor a time: they would change the bytes of a retry."""

_GZIP_BLOCK = 2**20
"""Bytes that the library compresses at a time. They never change: another size would give other compressed bytes."""


class Compressor(Protocol):
    """Compresses the bytes of one object, piece by piece."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview: ...

    def flush(self) -> bytes: ...


class Uncompressed:
    """Leaves the bytes as they are."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        return data

    def flush(self) -> bytes:
        return b""


class Gzip:
    """Compresses with gzip; the compressed bytes do not depend on the pieces in which the content comes.

    A retry compares checksums of stored bytes to find objects that it need not send again, and may get the content in
    other pieces.

    :param level: 1 to 9, as in gzip.
    """

    def __init__(self, level: int) -> None:
        library: Any = isal_zlib if level <= _ISAL_LEVELS else zlib
        self._compressor = library.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
        self._pieces: list[bytes | memoryview] = []
        self._size = 0

    def compress(self, data: bytes | memoryview, /) -> bytes:
        compressed = []
        left = memoryview(data)
        # The output of ISA-L depends on the size of the pieces that it gets, so it gets blocks of one fixed size.
        while (missing := _GZIP_BLOCK - self._size) <= len(left):
            block = b"".join((*self._pieces, left[:missing])) if self._pieces else left[:missing]
            self._pieces, self._size, left = [], 0, left[missing:]
            compressed.append(self._compressor.compress(block))
        if left:
            self._pieces.append(left)
            self._size += len(left)
        return b"".join(compressed)

    def flush(self) -> bytes:
        rest: bytes = self._compressor.compress(b"".join(self._pieces))
        end: bytes = self._compressor.flush()
        return rest + end


def compressor_for(spec: DestinationSpec) -> Compressor:
    """Return a compressor for one object."""
    if spec.file_compression != "gzip":
        return Uncompressed()
    return Gzip(spec.compression_level)
