"""Decompresses staged files as they are read."""

from __future__ import annotations

import gzip
import sys
import zlib
from typing import IO, Any

from airflow_provider_s3dest.errors import MissingExtraError, StagingError

SUFFIXES = (".gz", ".zst")
"""The endings of compressed files."""


def decompressed(stored: IO[bytes], suffix: str) -> IO[bytes]:
    """Return a reader of the content of a file.

    The reader can seek, but for each step back it decompresses again from the start. Parquet, whose index is at its
    end, is so decompressed about three times; that costs time, but neither memory nor disk.

    :param stored: the file as it is stored, able to seek.
    :param suffix: ``""``, ``.gz`` or ``.zst``.
    :raises EOFError: if a compressed file is empty, which decompressors take for empty content.
    """
    if suffix and not stored.read(1):
        raise EOFError
    stored.seek(0)
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=stored, mode="rb")  # type: ignore[return-value]
    if suffix == ".zst":
        return _zstd().ZstdFile(stored)  # type: ignore[no-any-return]
    return stored


def decompression_error(error: Exception, path: str) -> StagingError | None:
    """Return the error that names the file for an error of a decompressor; None for any other error."""
    if isinstance(error, EOFError):
        return StagingError(f"{path} is cut off: its compressed stream has no end. Stage it again, whole.")
    if isinstance(error, (gzip.BadGzipFile, zlib.error)) or type(error).__name__ == "ZstdError":
        return StagingError(f"{path} can't be unpacked: {error}. Stage it again, or under the right ending.")
    return None


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise MissingExtraError(
            "Reading .zst files needs a library: pip install 'airflow-provider-s3dest[zstd]'."
        ) from error
    return zstd
