"""Limits of S3, and what the provider adds to the metadata of each object."""

from __future__ import annotations

MAX_KEY_BYTES = 1024
"""The longest key, in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects")."""

MAX_PARTS = 10_000
"""Parts of a multipart upload (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""

MIN_PART_SIZE, MAX_PART_SIZE = 5 * 2**20, 5 * 2**30
"""Bytes of a part of a multipart upload; the last part may be smaller (ibid.)."""

MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 10, 128, 256
"""Tags of an object, and characters of their keys and values (S3 User Guide, "Categorizing objects using tags")."""

MAX_METADATA_BYTES = 2048
"""User metadata of an object, keys and values together (Amazon S3 User Guide, "Working with object metadata")."""

CHECKSUM = "s3dest-checksum"
"""Name of the metadata that holds an object's checksum. By it, a later attempt sees whether it would send the same."""

OWNER = "s3dest-load"
"""Name of the metadata that holds the identity of the load, for objects whose keys do not hold it as ``{{UUID}}``."""

OWN_METADATA_BYTES = 87
"""Bytes of the metadata that the checksum and the identity take, with their names."""
