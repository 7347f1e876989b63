"""Takes down all that a bucket holds, open multipart uploads included, as JSON, and puts it into another bucket."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.servers import Bucket, S3Endpoint

KEPT_BYTES = 10_000
"""Size up to which the bytes of a part are kept. Nothing ever reads a part of an upload that is not completed."""

Parts = Mapping[tuple[str, int], bytes]
"""The bytes of parts by upload id and number; a server tells their sizes only."""


def take(bucket: Bucket, parts: Parts) -> dict[str, Any]:
    """Return all objects and open uploads of a bucket."""
    keys = bucket.keys()
    return {"objects": {key: _object(bucket, key) for key in keys}, "uploads": _uploads(bucket, parts)}


def restore(snapshot: Mapping[str, Any], bucket: Bucket) -> dict[str, Any]:
    """Put objects and open uploads into an empty bucket, and return what the task state store holds.

    The uploads have other ids there, which take the place of the old ones in the record of the load.
    """
    client = _client(bucket.server)
    known = json.dumps([snapshot["objects"], snapshot.get("task_state")])
    assert all(upload["id"] in known for upload in snapshot["uploads"]), (
        "the record of the load knows of no such upload"
    )
    ids = {upload["id"]: _begin(client, bucket, upload) for upload in snapshot["uploads"]}
    for key, one in snapshot["objects"].items():
        body = _bytes_of(one["body"])
        if key.startswith("state/"):
            body = _with_ids(body.decode(), ids).encode()
        client.put_object(Bucket=bucket.name, Key=key, Body=body, **one["sent"])
    task_state: dict[str, Any] = json.loads(_with_ids(json.dumps(snapshot.get("task_state", {})), ids))
    return task_state


def open_uploads(bucket: Bucket) -> list[tuple[str, str]]:
    """List key and id of each open upload."""
    answer = _client(bucket.server).list_multipart_uploads(Bucket=bucket.name)
    return [(upload["Key"], upload["UploadId"]) for upload in answer.get("Uploads", [])]


@cache
def _client(server: S3Endpoint) -> Any:
    return server.client()


def _object(bucket: Bucket, key: str) -> dict[str, Any]:
    head = bucket.head(key)
    sent = {"ContentType": head["ContentType"], "Metadata": head["Metadata"]}
    return {"sent": sent, "body": _text_of(bucket.read(key))}


def _uploads(bucket: Bucket, parts: Parts) -> list[dict[str, Any]]:
    client = _client(bucket.server)
    found = []
    for key, upload_id in open_uploads(bucket):
        there = client.list_parts(Bucket=bucket.name, Key=key, UploadId=upload_id).get("Parts", [])
        bodies = {}
        for part in there:
            body = parts[upload_id, part["PartNumber"]]
            assert len(body) == part["Size"]
            bodies[part["PartNumber"]] = _text_of(body if len(body) <= KEPT_BYTES else body[:KEPT_BYTES])
        found.append({"key": key, "id": upload_id, "parts": bodies})
    return found


def _begin(client: Any, bucket: Bucket, upload: Mapping[str, Any]) -> str:
    target = {"Bucket": bucket.name, "Key": upload["key"]}
    upload_id: str = client.create_multipart_upload(**target)["UploadId"]
    for number, body in upload["parts"].items():
        client.upload_part(**target, UploadId=upload_id, PartNumber=int(number), Body=_bytes_of(body))
    return upload_id


def _with_ids(text: str, ids: Mapping[str, str]) -> str:
    for old, new in ids.items():
        text = text.replace(old, new)
    return text


def _text_of(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}


def _bytes_of(body: str | Mapping[str, str]) -> bytes:
    return body.encode() if isinstance(body, str) else b64decode(body["base64"])
