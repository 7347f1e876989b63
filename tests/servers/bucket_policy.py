"""Takes rights away from everybody, as both servers obey it."""

from __future__ import annotations

import json

from tests.servers.endpoint import Bucket


def deny(bucket: Bucket, *actions: str, prefix: str = "") -> None:
    """Forbid actions on all objects of a bucket whose keys begin so, to everybody; takes the place of what was."""
    objects = [action for action in actions if not action.startswith("s3:List")]
    lists = [action for action in actions if action not in objects]
    name = f"arn:aws:s3:::{bucket.name}"
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": resource}
        for denied, resource in ((objects, f"{name}/{prefix}*"), (lists, name))
        if denied
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    bucket.server.client().put_bucket_policy(Bucket=bucket.name, Policy=policy)


def allow_all(bucket: Bucket) -> None:
    """Give back what was forbidden."""
    bucket.server.client().delete_bucket_policy(Bucket=bucket.name)
