"""Loads whose outcome is known to the byte, and what must be true of the bucket at their end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

import pytest

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.report import LoadReport
from tests.integration.loading import MIB, load
from tests.servers import Bucket, S3Endpoint

LONG = os.environ.get("S3DEST_CHAOS") == "1"
"""Whether all cases run, and not only the fixed sample."""

BATCH_SIZE = 2
PUT_BYTES = 50_000
"""Objects over this size are sent in parts, so that tests of parts need few bytes."""

PART_SIZE = 5 * MIB

BAD = "no number"
"""Stands for the number in a bad record."""

Tables = Mapping[str, Sequence[Mapping[str, Any]]]
T = TypeVar("T")

both_modes = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])

attempts = count()
"""Counts all attempts of all loads."""


def sample(cases: Sequence[T], every: int) -> Sequence[T]:
    """Return all cases in the long form, else every so many; with a prime all values of all parameters come up."""
    return cases if LONG else cases[::every]


def tables(version: str, *, small: int = 12, large: int = 3, huge: int = 0, bad: int = 0) -> Tables:
    """Make records that fill so many objects: small ones, ones over `PUT_BYTES`, and ones of three parts.

    :param bad: how many bad records stand among the small ones.
    """

    def records(objects: int, size: int) -> list[dict[str, Any]]:
        return [{"n": n, "text": (version + "é") * (size // len(version + "é"))} for n in range(objects * BATCH_SIZE)]

    made = {"small": records(small, 20), "large": records(large, PUT_BYTES), "huge": records(huge, 6 * MIB)}
    for number in range(bad):
        made["small"].insert(3 * number, {"n": BAD, "text": version})
    return {name: own for name, own in made.items() if own}


def is_bad(record: Mapping[str, Any]) -> bool:
    """Return whether a record is one of the bad ones."""
    return record["n"] is BAD


def bodies(wanted: Tables) -> dict[str, list[bytes]]:
    """Tell what the objects of each table must hold, in their order."""

    def line(record: Mapping[str, Any]) -> bytes:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    return {
        name: [b"".join(map(line, records[begin : begin + BATCH_SIZE])) for begin in range(0, len(records), BATCH_SIZE)]
        for name, records in wanted.items()
    }


@dataclass(frozen=True)
class Load:
    """A load in a folder of its own, beside an object there that is none of its business.

    :param keeps_state: whether the state is kept under `state_path`.
    """

    bucket: Bucket
    atomic: bool
    keeps_state: bool = True
    name: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        self.bucket.write(self.bystander, b"not ours")

    @property
    def kind(self) -> str:
        """Its name in `full_loads.KINDS`."""
        return "data"

    @property
    def folder(self) -> str:
        """What the keys of the objects begin with."""
        return f"out/{self.name}/"

    @property
    def state_key(self) -> str:
        """Key of the object that keeps the state."""
        return f"state/{self.name}.json"

    @property
    def bystander(self) -> str:
        """Key of the object that is none of its business."""
        return f"{self.folder}small/000000-not-ours.json"

    def settings(self) -> dict[str, Any]:
        """Return what every attempt of the load is told."""
        return {
            "load_id": self.name,
            "atomic": self.atomic,
            "path": self.folder + "{{TABLE}}/{{BATCH}}-{{UUID}}.json",
            "batch_size": BATCH_SIZE,
            "batch_size_bytes": 64 * MIB,
            "part_size": PART_SIZE,
        }

    def state(self, client: Any, number: int) -> StateStore | None:
        """Return what keeps the state for an attempt."""
        return S3StateStore(client, self.bucket.name, self.state_key, Attempt("", number)) if self.keeps_state else None

    def attempt(
        self,
        number: int,
        wanted: Mapping[str, Iterable[Mapping[str, Any]]],
        server: S3Endpoint | None = None,
        *,
        client: Any = None,
        **how: Any,
    ) -> LoadReport:
        """Run an attempt.

        :param number: number of the attempt.
        :param server: the way to S3; by default the server itself.
        :param how: as for `loading.run`.
        """
        next(attempts)
        client = client or (server or self.bucket.server).client()
        state = self.state(client, number)
        return load(self.bucket, wanted, None, client=client, **{"state": state, **self.settings(), **how})

    def load_state(self) -> LoadState:
        """Read the state as it is kept now."""
        if self.state_key not in self.bucket.keys("state/"):
            return LoadState()
        return LoadState.from_text(json.loads(self.bucket.read(self.state_key))["record"])

    def keys(self) -> list[str]:
        """List the keys of all objects of the load."""
        return [key for key in self.bucket.keys(self.folder) if key != self.bystander]

    def found(self) -> dict[str, list[bytes]]:
        """Read what the objects of each folder hold, in the order of their keys; that of a table has its name."""
        found: dict[str, list[bytes]] = {}
        for key in self.keys():
            found.setdefault(key.removeprefix(self.folder).rpartition("/")[0], []).append(self.bucket.read(key))
        return found

    def expected(self, wanted: Tables) -> dict[str, list[bytes]]:
        """Tell what the objects of each folder must hold."""
        return bodies(wanted)

    def holds(self, wanted: Tables) -> bool:
        """Return whether exactly these objects are there."""
        return self.found() == self.expected(wanted)

    def assert_exact(self, wanted: Tables, report: LoadReport, open_uploads: Sequence[str] = ()) -> None:
        """Check that each record is there once, under the names that the report tells, and that nothing else is.

        :param open_uploads: keys of the multipart uploads that nobody can know of.
        """
        assert self.bucket.read(self.bystander) == b"not ours"
        data = [key for key in self.keys() if not key.removeprefix(self.folder).startswith("_")]
        assert sorted(report.uris or ()) == [f"s3://{self.bucket.name}/{key}" for key in data]
        found, expected = self.found(), self.expected(wanted)
        assert _sizes(found) == _sizes(expected)
        assert found == expected
        assert self.open_uploads() == sorted(open_uploads)

    def open_uploads(self) -> list[str]:
        """List the keys of the load's multipart uploads that are open."""
        return sorted(key for key in self.bucket.open_uploads() if key.startswith(self.folder))


def _sizes(found: Mapping[str, Sequence[bytes]]) -> dict[str, list[int]]:
    return {name: [len(body) for body in own] for name, own in found.items()}
