"""Limits of S3, and what we put into the metadata of an object."""

from __future__ import annotations

MAX_PARTS = 10_000
"""Parts of a multipart upload (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""

MIN_PART_SIZE, MAX_PART_SIZE = 5 * 2**20, 5 * 2**30
"""Bytes of a part of a multipart upload, the last one aside (ibid.)."""

CHECKSUM = "s3dest-checksum"
"""Name of the metadata of an object that tells a later try whether it would send the same again."""
