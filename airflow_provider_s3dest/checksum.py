"""Tells the content of an object by few characters."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any


def checksum_of(content: bytes, arguments: Mapping[str, Any]) -> str:
    """Give a checksum of an object's content and of what is sent along with it.

    :param content: the bytes as they are stored.
    :param arguments: headers, metadata and tags, by boto3's names.

    Example::

        >>> checksum_of(b"a,b", {})
        'a7d6d0a0024600e3-99914b93'
    """
    # Two sums of 32 bits of different kinds, since one alone is met by chance in one of four billion changes.
    along = json.dumps(arguments, sort_keys=True).encode()
    return f"{zlib.crc32(content):08x}{zlib.adler32(content):08x}-{zlib.crc32(along):08x}"


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
