"""Staged files that are deleted after their load: whenever an attempt dies or is superseded, each is loaded once."""

from __future__ import annotations

import json
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.report import LoadReport
from tests.chaos.loads import sample
from tests.chaos.staged_attempt import StagedLoad
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

FILES = {name: [{"file": name, "n": n} for n in range(3)] for name in ("a.json", "b.json", "c.json")}
LATER = {name: [{"file": name, "n": n, "later": True} for n in range(3)] for name in FILES}

BAD = b"no record\n"

Files = Mapping[str, Sequence[Mapping[str, object]]]


class Staging(ABC):
    """A folder of staged files."""

    path: str

    def stage(self, files: Files, *, bad: bool = False) -> None:
        """Write files, in place of those of the same names.

        :param bad: whether each ends with a bad record.
        """
        for name, records in files.items():
            self._write(name, "".join(json.dumps(record) + "\n" for record in records).encode() + BAD * bad)

    @abstractmethod
    def _write(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def names(self) -> list[str]:
        """List the files that are there."""


class OnS3(Staging):
    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._bucket, self._prefix = bucket, f"staging/{uuid4()}/"
        self.path = f"s3://{bucket.name}/{self._prefix}"

    def _write(self, name: str, content: bytes) -> None:
        self._bucket.write(self._prefix + name, content)

    def names(self) -> list[str]:
        return [key.removeprefix(self._prefix) for key in self._bucket.keys(self._prefix)]


class OnDisk(Staging):
    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self._folder = folder / "staging"
        self._folder.mkdir()
        self.path = f"{self._folder}/"

    def _write(self, name: str, content: bytes) -> None:
        written = self._folder / f".{name}"
        written.write_bytes(content)
        written.replace(self._folder / name)

    def names(self) -> list[str]:
        return sorted(file.name for file in self._folder.iterdir())


PLACES: list[Callable[[Bucket, Path], Staging]] = [OnS3, OnDisk]


@pytest.fixture(autouse=True)
def connected(shared_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the attempts of this process reach S3."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", shared_bucket.server.connection())


def killed(load: StagedLoad, bucket: Bucket, dies_after: int) -> None:
    """Run the first attempt, which is killed after its commit, when it has deleted so many files."""
    assert load.start(1, bucket.server, dies_after).wait() == -signal.SIGKILL


def assert_exact(bucket: Bucket, load: StagedLoad, report: LoadReport, files: Files) -> None:
    """Check that the bucket holds each record of the files once, in the objects that the report names."""
    objects = bucket.objects(f"{load.folder}t/")
    assert sorted(report.uris or ()) == [f"s3://{bucket.name}/{key}" for key in objects]
    lines = [json.loads(line) for body in objects.values() for line in body.splitlines()]
    assert lines == [record for records in files.values() for record in records]
    assert report.records == len(lines)
    beside = {key: body for key, body in bucket.objects(load.folder).items() if key not in objects}
    aside = [json.loads(line) for key, body in beside.items() if "/_quarantine/" in key for line in body.splitlines()]
    listed = [json.loads(body)["tables"]["t"]["objects"] for key, body in beside.items() if "/_manifest/" in key]
    assert sorted(line["file"].rpartition("/")[2] for line in aside) == (sorted(files) if load.full else [])
    assert [[one["uri"] for one in own] for own in listed] == ([report.uris] if load.full else [])
    assert sum("/_ddl/" in key for key in beside) == load.full


@pytest.mark.parametrize(
    ("full", "place", "deleted", "replaced"),
    sample(list(product((False, True), PLACES, (0, 1), (False, True))), 3),
)
def test_an_attempt_after_one_that_was_killed_deletes_the_rest_and_reads_nothing(
    shared_bucket: Bucket,
    tmp_path: Path,
    full: bool,
    place: Callable[[Bucket, Path], Staging],
    deleted: int,
    replaced: bool,
) -> None:
    staging = place(shared_bucket, tmp_path)
    staging.stage(FILES, bad=full)
    load = StagedLoad(str(uuid4()), shared_bucket.name, staging.path, full)
    killed(load, shared_bucket, deleted)
    assert staging.names() == list(FILES)[deleted:]
    if replaced:
        staging.stage({"c.json": LATER["c.json"]})
    written = shared_bucket.objects(load.folder)

    reports = [load.attempt(number) for number in (2, 3)]

    assert staging.names() == (["c.json"] if replaced else [])
    assert shared_bucket.objects(load.folder) == written
    for report in reports:
        assert_exact(shared_bucket, load, report, FILES)


@contextmanager
def paused_at_commit(load: StagedLoad, proxy: FaultProxy, when: str) -> Iterator[Callable[[], object]]:
    """Hold the first attempt where it commits, before the server gets that or before the attempt learns of it.

    Gives what lets it go on, and tells its error.
    """
    reached, going_on = threading.Event(), threading.Event()

    def hold(request: Request, send: Send) -> Answer:
        if not _commits(request, load):
            return send(request)
        answer = send(request) if when == "after" else None
        reached.set()
        assert going_on.wait(120)
        return answer or send(request)

    proxy.on_each(hold)
    older = load.start(1, proxy)

    def go_on() -> object:
        going_on.set()
        return older.outcome()

    try:
        assert reached.wait(60)
        yield go_on
    finally:
        going_on.set()
        older.kill()


def _commits(request: Request, load: StagedLoad) -> bool:
    if request.operation != "PutObject" or not request.key.startswith(load.state_folder):
        return False
    consumed = LoadState.from_text(json.loads(request.body)["record"]).staged
    return consumed is not None and bool(consumed.files)


@pytest.mark.parametrize(
    ("full", "place", "when"), sample(list(product((False, True), PLACES, ("before", "after"))), 3)
)
def test_a_superseded_attempt_deletes_nothing_that_was_staged_since(
    shared_bucket: Bucket,
    proxy: FaultProxy,
    tmp_path: Path,
    full: bool,
    place: Callable[[Bucket, Path], Staging],
    when: str,
) -> None:
    staging = place(shared_bucket, tmp_path)
    staging.stage(FILES, bad=full)
    load = StagedLoad(str(uuid4()), shared_bucket.name, staging.path, full)
    with paused_at_commit(load, proxy, when) as go_on:
        report = load.attempt(2)
        assert staging.names() == []
        staging.stage(LATER)

        # The first attempt succeeded if the server got its commit; even then it learns that a newer one has taken over.
        assert go_on() == "SupersededError"

    assert staging.names() == list(LATER)
    assert_exact(shared_bucket, load, report, FILES)
