"""Checksums of the content of an object, and the text that identifies the object."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any

from isal import isal_zlib

_CACHED_BYTES = 2**18
"""Bytes that stay in a processor core's cache from one sum to the next."""


def crc32_text(crc32: int) -> str:
    """Format a CRC32 as the header ``x-amz-checksum-crc32`` takes it: in base64.

    Example::

        >>> crc32_text(isal_zlib.crc32(b"a,b"))
        'p9bQoA=='
    """
    return b64encode(crc32.to_bytes(4, "big")).decode()


def sums(content: bytes) -> tuple[int, int]:
    """Return the CRC32 and the Adler-32 of a content."""
    crc32, adler32, view = 0, 1, memoryview(content)
    # In pieces, so that the second sum finds the bytes in the processor's cache.
    for start in range(0, len(content), _CACHED_BYTES):
        piece = view[start : start + _CACHED_BYTES]
        crc32, adler32 = isal_zlib.crc32(piece, crc32), isal_zlib.adler32(piece, adler32)
    return crc32, adler32


def fingerprint(crc32: int, adler32: int, arguments: Mapping[str, Any]) -> str:
    """Return a short text that identifies the content of an object and what is sent along with it.

    It is stored as metadata of the object, so that a later attempt can compare without reading the content.

    :param crc32: CRC32 of the bytes as they are stored.
    :param adler32: Adler-32 of the same bytes.
    :param arguments: headers, metadata and tags, by boto3's names.

    Example::

        >>> fingerprint(*sums(b"a,b"), {})
        'a7d6d0a0024600e3-99914b93'
    """
    # Two different sums of 32 bits, since one alone stays the same by chance in one of four billion changes.
    along = json.dumps(arguments, sort_keys=True).encode()
    return f"{crc32:08x}{adler32:08x}-{isal_zlib.crc32(along):08x}"


def multipart_etag(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the ETag, in quotes, that a multipart upload has once it is complete; empty if it can't be known.

    It follows from the ETags of the parts if these are MD5 sums. They are not for objects that are encrypted with a
    KMS key or with a customer's key (Amazon S3 User Guide, "Checking object integrity").
    """
    md5s = [str(part["ETag"]).strip('"') for part in parts]
    try:
        together = b"".join(map(bytes.fromhex, md5s))
    except ValueError:
        return ""
    return f'"{md5(together, usedforsecurity=False).hexdigest()}-{len(md5s)}"'
