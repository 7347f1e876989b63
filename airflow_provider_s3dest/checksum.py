"""Tells the content of an object by few characters."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any

from isal import isal_zlib

CHECKSUM = "s3dest-checksum"
"""Name of the metadata of an object that tells a later try whether it would send the same again."""


def crc32_header(content: bytes) -> str:
    """Give the CRC32 of a content as S3 takes it in ``x-amz-checksum-crc32``.

    Example::

        >>> crc32_header(b"a,b")
        'p9bQoA=='
    """
    return crc32_text(isal_zlib.crc32(content))


def crc32_text(crc32: int) -> str:
    """Spell a CRC32 as S3 does, in base64."""
    return b64encode(crc32.to_bytes(4, "big")).decode()


def fingerprint(content: bytes, arguments: Mapping[str, Any]) -> str:
    """Tell an object's content, and what is sent along with it, by few characters.

    :param content: the bytes as they are stored.
    :param arguments: headers, metadata and tags, by boto3's names.

    Example::

        >>> fingerprint(b"a,b", {})
        'a7d6d0a0024600e3-99914b93'
    """
    # Two sums of 32 bits of different kinds, since one alone is met by chance in one of four billion changes.
    along = json.dumps(arguments, sort_keys=True).encode()
    crc32, adler32 = isal_zlib.crc32(content), isal_zlib.adler32(content)
    return f"{crc32:08x}{adler32:08x}-{isal_zlib.crc32(along):08x}"


def multipart_etag(parts: Iterable[Mapping[str, Any]]) -> str:
    """Give the ETag that a complete multipart upload has, in quotes, where those of its parts are MD5 sums.

    Amazon S3 User Guide, "Checking object integrity": not so where a key of KMS or of the customer encrypts it.
    """
    sums = [str(part["ETag"]).strip('"') for part in parts]
    try:
        together = b"".join(map(bytes.fromhex, sums))
    except ValueError:
        return ""
    return f'"{md5(together, usedforsecurity=False).hexdigest()}-{len(sums)}"'
