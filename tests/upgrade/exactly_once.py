"""Checks what a bucket holds after the last attempt of a load: each record once, and nothing that is surplus."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers import Bucket
from tests.upgrade import world_snapshot
from tests.upgrade.world_recorder import BYSTANDER
from tests.upgrade.worlds import Attempt, Record, World

_STATE = "state/"
_STAGED = "staging/"


def check(bucket: Bucket, world: World, report: Mapping[str, Any], task_state: Mapping[str, Any]) -> None:
    """Check that the bucket holds each record of the last attempt once, and that its record says so."""
    attempt, there = world.next, bucket.objects()
    good = {table: [one for one in own if one["n"] != "bad"] for table, own in attempt.records.items()}
    bad = [one for own in attempt.records.values() for one in own if one["n"] == "bad"]
    everything = {**world.arguments, **attempt.also}

    assert there.pop(BYSTANDER) == b"not ours"
    staged = {key: there.pop(key) for key in list(there) if key.startswith(_STAGED)}
    states = {key: there.pop(key) for key in list(there) if key.startswith(_STATE)}
    beside = {key: there.pop(key) for key in list(there) if key.startswith("raw/_")}

    assert sorted(report["uris"]) == [f"s3://{bucket.name}/{key}" for key in there]
    assert report["records"] == sum(map(len, good.values()))
    for table, records in good.items():
        found = [one for key, body in there.items() if key.startswith(f"raw/{table}/") for one in _records(key, body)]
        assert _sorted(found) == _sorted(records)
    assert {key.split("/")[1] for key in there} <= good.keys()
    assert staged == (world.replaced if everything.get("delete_staging") else {})
    assert world_snapshot.open_uploads(bucket) == []

    sidecars = [key for key in beside if not key.startswith("raw/_quarantine/")]
    aside = [json.loads(line) for key in beside if key not in sidecars for line in beside[key].splitlines()]
    assert _sorted([_as_read(line["record"]) for line in aside]) == _sorted(bad)
    _check_sidecars({key: beside[key] for key in sidecars}, everything, attempt, report)
    record = _record(states, task_state)
    _check_record(record, len(there) + len(beside) - len(sidecars))
    assert sorted(key for _, key in record["sidecars"]) == sorted(sidecars)


def describe(bucket: Bucket, task_state: Mapping[str, Any], *, by_clock: bool) -> dict[str, Any]:
    """Describe the end of the last attempt: the keys of all objects, and the record of the load."""
    keys = bucket.keys()
    states = {key: bucket.read(key) for key in keys if key.startswith(_STATE)}
    record = _record(states, task_state)
    if by_clock:
        for names in record["live"]:
            names["naming"][3] = "(clock)"
    return {"keys": keys, "record": record}


def _check_sidecars(
    sidecars: Mapping[str, bytes], arguments: Mapping[str, Any], attempt: Attempt, report: Mapping[str, Any]
) -> None:
    """Check that there is the one manifest, if any, which lists what is there, and a definition for each dialect."""
    manifests = [key for key in sidecars if "/_manifest/" in key]
    assert len(manifests) == ("manifest" in arguments)
    for key in manifests:
        listed = [one["uri"] for table in json.loads(sidecars[key])["tables"].values() for one in table["objects"]]
        assert sorted(listed) == sorted(report["uris"])
    dialects = arguments.get("spec", {}).get("ddl", [])
    assert len(sidecars) == len(manifests) + len(dialects) * len(attempt.records)


def _check_record(record: Mapping[str, Any], objects: int) -> None:
    """Check that the record of the load names what is there, and nothing else."""
    assert [record[name] for name in ("pending", "doomed", "uploads", "old_sidecars")] == [[], [], [], []]
    assert all(names["committed"] for names in record["live"])
    assert sum(end - begin for names in record["live"] for *_, begin, end in names["spans"]) == objects
    assert record["consumed"] is None or record["consumed"][0] == []


def _record(states: Mapping[str, bytes], task_state: Mapping[str, Any]) -> dict[str, Any]:
    if task_state:
        root = task_state["s3dest"]
        text = root.get("text") or "".join(task_state[name] for name in root["chunks"])
    else:
        [body] = states.values()
        text = json.loads(body)["record"]
    record: dict[str, Any] = json.loads(text)
    return record


def _records(key: str, body: bytes) -> list[Record]:
    text = (gzip.decompress(body) if key.endswith(".gz") else body).decode()
    if ".csv" in key:
        return [{**row, "n": int(row["n"])} for row in csv.DictReader(io.StringIO(text))]
    return [json.loads(line) for line in text.splitlines()]


def _as_read(bad: Any) -> Any:
    """Read a bad record of a staged file, which is set aside as the text that it was there."""
    return json.loads(bad) if type(bad) is str else bad


def _sorted(records: Sequence[Record]) -> list[str]:
    return sorted(json.dumps(record) for record in records)
