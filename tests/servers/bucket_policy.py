"""Takes rights away from everybody, as both servers obey it."""

from __future__ import annotations

import json

from tests.servers.endpoint import Bucket


def deny(bucket: Bucket, action: str) -> None:
    """Forbid an action on all objects of a bucket, to everybody."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket.name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    bucket.server.client().put_bucket_policy(Bucket=bucket.name, Policy=policy)
