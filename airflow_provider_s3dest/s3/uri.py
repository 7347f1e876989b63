"""Splits the URI of an object into its bucket and its key."""

from __future__ import annotations

import re

_ACCESS_POINT = re.compile(r"arn:[^:/]+:[^:/]+:[^:/]*:[^:/]*:(?:outpost[/:][^/:]+[/:])?accesspoint[/:][^/]+")
"""The ARN of an access point, which may stand for a bucket and holds slashes of its own.

Amazon S3 User Guide, "Referencing access points"; for Outposts "Referencing an access point for your S3 on Outposts
bucket".
"""


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of a URI.

    Example::

        >>> split_uri("s3://arn:aws:s3:eu-central-1:123456789012:accesspoint/one/raw/a.csv")
        ('arn:aws:s3:eu-central-1:123456789012:accesspoint/one', 'raw/a.csv')
    """
    path = uri.removeprefix("s3://")
    access_point = _ACCESS_POINT.match(path)
    end = access_point.end() if access_point else 0
    bucket, _, key = path[end:].partition("/")
    return path[:end] + bucket, key
