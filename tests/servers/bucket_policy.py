"""Takes rights away from everybody, as both servers obey it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.endpoint import Bucket


def deny(bucket: Bucket, *actions: str, prefix: str = "") -> None:
    """Forbid actions on all objects of a bucket whose keys begin so, to everybody; takes the place of what was."""
    objects = [action for action in _spelt(actions) if not action.startswith("s3:List")]
    lists = [action for action in actions if action not in objects]
    name = f"arn:aws:s3:::{bucket.name}"
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": resource}
        for denied, resource in ((objects, f"{name}/{prefix}*"), (lists, name))
        if denied
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    bucket.server.client().put_bucket_policy(Bucket=bucket.name, Policy=policy)


RIGHTS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
LISTS = ("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")


def allow_only(bucket: Bucket, statements: Sequence[Mapping[str, Any]]) -> None:
    """Forbid all but what the statements of a policy allow, on the folders that they name and on the bucket."""
    name = f"arn:aws:s3:::{bucket.name}"
    allowed: dict[str, set[str]] = {name: set()}
    for statement in statements:
        allowed.setdefault(statement["Resource"], set()).update(statement["Action"])
    denied = [
        {"Effect": "Deny", "Principal": "*", "Action": rest, "Resource": resource}
        for resource, actions in allowed.items()
        if (rest := _spelt([one for one in (LISTS if resource == name else RIGHTS) if one not in actions]))
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": denied})
    bucket.server.client().put_bucket_policy(Bucket=bucket.name, Policy=policy)


def _spelt(actions: Sequence[str]) -> list[str]:
    """Name actions as both servers do: moto knows one of its own for HeadObject, which is part of s3:GetObject."""
    return [*actions, *(["s3:HeadObject"] if "s3:GetObject" in actions else [])]


def allow_all(bucket: Bucket) -> None:
    """Give back what was forbidden."""
    bucket.server.client().delete_bucket_policy(Bucket=bucket.name)
