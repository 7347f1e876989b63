"""Tells the content of an object by few characters."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any

from isal import isal_zlib

_CACHED_BYTES = 2**18
"""Bytes that a processor's own cache holds from one sum to the other."""


def crc32_text(crc32: int) -> str:
    """Spell a CRC32 as S3 takes it in ``x-amz-checksum-crc32``: in base64.

    Example::

        >>> crc32_text(isal_zlib.crc32(b"a,b"))
        'p9bQoA=='
    """
    return b64encode(crc32.to_bytes(4, "big")).decode()


def sums(content: bytes) -> tuple[int, int]:
    """Give the CRC32 and the Adler-32 of a content."""
    crc32, adler32, view = 0, 1, memoryview(content)
    # In pieces, so that the second sum finds the bytes in the processor's cache.
    for start in range(0, len(content), _CACHED_BYTES):
        piece = view[start : start + _CACHED_BYTES]
        crc32, adler32 = isal_zlib.crc32(piece, crc32), isal_zlib.adler32(piece, adler32)
    return crc32, adler32


def fingerprint(crc32: int, adler32: int, arguments: Mapping[str, Any]) -> str:
    """Tell an object's content, and what is sent along with it, by few characters.

    :param crc32: of the bytes as they are stored.
    :param adler32: of the same.
    :param arguments: headers, metadata and tags, by boto3's names.

    Example::

        >>> fingerprint(*sums(b"a,b"), {})
        'a7d6d0a0024600e3-99914b93'
    """
    # Two sums of 32 bits of different kinds, since one alone is met by chance in one of four billion changes.
    along = json.dumps(arguments, sort_keys=True).encode()
    return f"{crc32:08x}{adler32:08x}-{isal_zlib.crc32(along):08x}"


def multipart_etag(parts: Iterable[Mapping[str, Any]]) -> str:
    """Give the ETag that a complete multipart upload has, in quotes, where those of its parts are MD5 sums.

    Amazon S3 User Guide, "Checking object integrity": not so where a key of KMS or of the customer encrypts it.
    """
    md5s = [str(part["ETag"]).strip('"') for part in parts]
    try:
        together = b"".join(map(bytes.fromhex, md5s))
    except ValueError:
        return ""
    return f'"{md5(together, usedforsecurity=False).hexdigest()}-{len(md5s)}"'
