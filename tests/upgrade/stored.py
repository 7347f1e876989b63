"""Describes what a bucket holds, as JSON that can be compared and that a person can read."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any

from pyarrow import parquet

from tests.servers import Bucket

CHECKSUM = "s3dest-checksum"
"""Name of the metadata that tells a later attempt what an object holds."""

OWNER = "s3dest-load"
"""Name of the metadata that tells whose an object is, where its key does not."""

CHUNK = 30_000
"""The most characters of a value of Airflow's task state store."""

READABLE_BYTES = 2_000
"""Size up to which the text of an object is part of its description."""

_HEADERS = ("ContentType", "ContentEncoding", "StorageClass", "ServerSideEncryption", "Metadata", "ETag")
_RANDOM = ("owner", "token")
_CLOCK = re.compile(r'(?<=")20\d\d-\d\d-\d\dT[^"\\]*(?=")')


def library_versions() -> dict[str, str]:
    """Name the libraries that stored bytes depend on, beside the package."""
    of_packages = {name: importlib.metadata.version(name) for name in ("isal", "pyarrow")}
    return {**of_packages, "zlib": zlib.ZLIB_RUNTIME_VERSION}


def describe_objects(bucket: Bucket, prefix: str = "") -> dict[str, Any]:
    """Describe all objects under a prefix by their keys, but the records of loads."""
    client = bucket.server.client()
    keys = [key for key in bucket.keys(prefix) if not key.startswith("state/")]
    return {key: _describe(client.get_object(Bucket=bucket.name, Key=key), _tags(client, bucket, key)) for key in keys}


def describe_task_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what lies in Airflow's task state store, without what is random; long values by their sums."""
    root = values["s3dest"]
    text = without_notes(root.get("text") or "".join(values[name] for name in root["chunks"]))
    if len(text) <= CHUNK:
        return {"s3dest": {"text": text}}
    chunks = [text[begin : begin + CHUNK] for begin in range(0, len(text), CHUNK)]
    names = [f"s3dest-{sha256(chunk.encode()).hexdigest()[:32]}" for chunk in chunks]
    assert len(root["chunks"]) == len(names) == len(values) - 1
    return {"s3dest": {"chunks": names}, **{name: shortened(chunk) for name, chunk in zip(names, chunks, strict=True)}}


def shortened(value: Any) -> Any:
    """Return a value of JSON, or what its text sums up to if that is too long to read."""
    text = json.dumps(value)
    return value if len(text) <= 5 * READABLE_BYTES else sha256(text.encode()).hexdigest()


def describe_states(bucket: Bucket, *, by_clock: bool = False) -> dict[str, Any]:
    """Describe the objects that keep the records of loads, without what is random.

    :param by_clock: whether the dates in them are those of the clock, and so are left out.
    """
    states = {}
    for key in bucket.keys("state/"):
        body = json.loads(bucket.read(key))
        head, record = bucket.head(key), without_notes(body["record"])
        states[key] = {
            "content_type": head["ContentType"],
            "metadata": head["Metadata"],
            "names": list(body),
            "attempt": body["attempt"],
            "record": _CLOCK.sub("(clock)", record) if by_clock else record,
        }
        assert all(body[name] for name in _RANDOM)
    return states


def without_compressed_bytes(described: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a recorded load all that depends on how a library compresses: bytes, their sums and their number."""
    left = json.loads(_without_sizes(json.dumps({**described, "objects": {}})))
    return {**left, "objects": {key: _without_bytes(one) for key, one in described["objects"].items()}}


def without_marks(described: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what tells whose an object is if its key does not: version 0.1.0 did not say it."""
    objects = {}
    for key, one in described["objects"].items():
        metadata = {name: value for name, value in one.get("Metadata", {}).items() if name != OWNER}
        objects[key] = {name: value for name, value in one.items() if name != "Metadata"}
        objects[key] |= {"Metadata": metadata} if metadata else {}
    states = {key: {**one, "record": state_without_marks(one["record"])} for key, one in described["states"].items()}
    return {**described, "objects": objects, "states": states}


def state_without_marks(text: str) -> str:
    """Leave out of a state what says that objects of shared keys carry the identity of their load."""
    state = json.loads(without_notes(text))
    state.pop("owned_sidecars", None)
    for several in (state["live"], state["pending"], state["doomed"]):
        for ranges in several:
            ranges.pop("owned", None)
    return json.dumps(state, separators=(",", ":"))


def without_notes(text: str) -> str:
    """Leave out of a state what version 0.1.0 did not note: the path as it was written, and what keys are made of."""
    state = json.loads(text)
    for name in ("written_path", "used"):
        state.pop(name, None)
    return json.dumps(state, separators=(",", ":"))


def without_wording(described: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a recorded load what only people read: the reasons in bad records, the comments in definitions."""
    objects = {key: _without_wording(key, one) for key, one in described["objects"].items()}
    return {**described, "objects": objects}


def _tags(client: Any, bucket: Bucket, key: str) -> list[dict[str, str]]:
    tags: list[dict[str, str]] = client.get_object_tagging(Bucket=bucket.name, Key=key)["TagSet"]
    return tags


def _describe(found: Mapping[str, Any], tags: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    body = found["Body"].read()
    described: dict[str, Any] = {name: found[name] for name in _HEADERS if found.get(name)}
    described |= {"Tags": tags} if tags else {}
    described |= {"bytes": len(body), "sha256": sha256(body).hexdigest()}
    if body[:4] == b"PAR1":
        described["parquet"] = _describe_parquet(body)
        return described
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
        described["unzipped"] = {"bytes": len(body), "sha256": sha256(body).hexdigest()}
    if len(body) <= READABLE_BYTES:
        described["text"] = body.decode()
    return described


def _describe_parquet(body: bytes) -> dict[str, Any]:
    file = parquet.ParquetFile(BytesIO(body))
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    return {
        "schema": [f"{field.name}: {field.type}" for field in file.schema_arrow],
        "row_groups": [group.num_rows for group in groups],
        "compression": sorted({group.column(n).compression for group in groups for n in range(group.num_columns)}),
        "format_version": file.metadata.format_version,
        "rows": [json.dumps(row, default=str, ensure_ascii=False) for row in file.read().to_pylist()],
    }


def _without_bytes(described: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: value for name, value in described.items() if name not in ("bytes", "sha256", "ETag")}
    if "Metadata" in left:
        left["Metadata"] = {name: value for name, value in left["Metadata"].items() if name != CHECKSUM}
    if "text" in left:  # a manifest tells the sizes and sums of others
        left["text"] = _without_sizes(left["text"])
    return left


def _without_sizes(text: str) -> str:
    text = re.sub(r'(\\*"(?:bytes|content_length)\\*": ?)\d+', r"\1 0", text)
    return re.sub(r'(\\*"crc32\\*": ?)\\*"[^"\\]*\\*"', r"\1 0", text)


def _without_wording(key: str, described: Mapping[str, Any]) -> dict[str, Any]:
    text = described.get("text", "")
    if key.endswith(".sql"):
        silent = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--"))
    elif '"error": ' in text:
        silent = "".join(json.dumps({**json.loads(line), "error": "(reason)"}) + "\n" for line in text.splitlines())
    else:
        return dict(described)
    return {**_without_bytes(described), "text": silent}
