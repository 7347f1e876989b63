"""Rights taken away one at a time: what works without them works, what can't fails for good and names them.

SeaweedFS does not look at s3:DeleteObject where a request deletes several objects, nor moto at s3:AbortMultipartUpload.
"""

from __future__ import annotations

import json
import re
from math import inf
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_s3dest.errors import LoadStoppedError, StoreError
from airflow_provider_s3dest.s3.stop import StopFlag
from tests.chaos.loads import Load, Tables, both_modes, tables
from tests.chaos.staged_attempt import StagedLoad
from tests.servers import Bucket
from tests.servers.bucket_policy import allow_all, allow_only, deny
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("small_puts", "short_waits", "none_lives")

OLD = tables("old", small=5, large=2)
NEW = tables("new", small=5, large=2)
SMALL = tables("small", small=6, large=0)
FEWER = tables("fewer", small=2, large=1)


def refusal(load: Load, number: int, wanted: Tables) -> str:
    """Run an attempt that S3 refuses, and give its error, which no other attempt can mend."""
    with pytest.raises(StoreError) as failure:
        load.attempt(number, wanted)
    assert failure.value.final
    return str(failure.value)


@both_modes
def test_list_bucket_is_never_needed(bucket: Bucket, atomic: bool) -> None:
    load = Load(bucket, atomic)
    deny(bucket, "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions")

    load.attempt(1, OLD)
    report = load.attempt(2, FEWER)

    allow_all(bucket)
    load.assert_exact(FEWER, report)


def test_put_object_is_all_that_a_plain_load_without_a_state_needs(bucket: Bucket) -> None:
    load = Load(bucket, atomic=False, keeps_state=False)
    deny(
        bucket,
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
    )

    load.attempt(1, OLD)
    report = load.attempt(2, NEW)

    allow_all(bucket)
    load.assert_exact(NEW, report)


@both_modes
@pytest.mark.parametrize("prefix", ["out/", "state/"])
def test_without_put_object_nothing_is_written(bucket: Bucket, atomic: bool, prefix: str) -> None:
    load = Load(bucket, atomic)
    deny(bucket, "s3:PutObject", prefix=prefix)

    error = refusal(load, 1, NEW)

    assert "The credentials need s3:PutObject there." in error
    assert f"s3://{bucket.name}/{prefix}" in error
    allow_all(bucket)
    assert load.found() == {}
    load.assert_exact(NEW, load.attempt(2, NEW))


@both_modes
def test_without_delete_object_a_load_that_leaves_nothing_works(moto_bucket: Bucket, atomic: bool) -> None:
    load = Load(moto_bucket, atomic)
    deny(moto_bucket, "s3:DeleteObject")

    report = load.attempt(1, NEW)
    if not atomic:  # an atomic load always writes under other names than the success before
        report = load.attempt(2, NEW)

    allow_all(moto_bucket)
    load.assert_exact(NEW, report)


@both_modes
@pytest.mark.parametrize("may_look", [True, False], ids=["may look", "may not look"])
def test_without_delete_object_surplus_fails_the_load_and_is_named(
    moto_bucket: Bucket, atomic: bool, may_look: bool
) -> None:
    load = Load(moto_bucket, atomic)
    surplus = set(load.attempt(1, OLD).uris or ())
    deny(moto_bucket, "s3:DeleteObject", *(() if may_look else ("s3:GetObject",)), prefix="out/")

    for number in (2, 3):
        error = refusal(load, number, FEWER)
        assert "The credentials need s3:DeleteObject" in error
        named = {uri for uri in surplus if uri in error}
        assert 1 <= len(named) <= 5

    allow_all(moto_bucket)
    load.assert_exact(FEWER, load.attempt(4, FEWER))


@pytest.mark.parametrize("may_look", [True, False], ids=["may look", "may not look"])
def test_without_delete_object_names_that_were_reserved_in_vain_are_looked_at(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, may_look: bool
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.delivery.RESERVED_SECONDS", inf)
    load = Load(moto_bucket, atomic=False)

    def lose_all(request: Request, send: Send) -> Answer:
        return send(request) if len(proxy.requests) < 8 else Answer(0, {}, b"", sent=-1)

    with FaultProxy.before(moto_bucket.server) as proxy:
        proxy.on_each(lose_all)  # as after a SIGKILL, what is not in the state by then never will be
        with pytest.raises(StoreError):
            load.attempt(1, SMALL, proxy)
        proxy.wait_until_idle()
    deny(moto_bucket, "s3:DeleteObject", *(() if may_look else ("s3:GetObject",)), prefix="out/")

    if may_look:
        report = load.attempt(2, SMALL)
    else:
        error = refusal(load, 2, SMALL)
        assert "Possible surplus objects of earlier attempts can't be removed" in error
        assert "The credentials need s3:DeleteObject, or s3:GetObject and s3:ListBucket to look" in error
        allow_all(moto_bucket)
        report = load.attempt(3, SMALL)

    allow_all(moto_bucket)
    load.assert_exact(SMALL, report)


def policies() -> dict[str, dict[str, Any]]:
    """Read the statements of the documents' policies by their ids, with the folders of the tests."""
    text = (Path(__file__).parents[2] / "docs/guarantees.md").read_text(encoding="utf-8")
    text = text.replace("/raw/*", "/out/*").replace("/_state/*", "/state/*")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    return {statement["Sid"]: statement for block in blocks for statement in block.get("Statement", ())}


def allow(bucket: Bucket, *sids: str) -> None:
    """Allow what these statements of the documents' policies allow, and nothing else."""
    found = policies()
    text = json.dumps([found[sid] for sid in sids]).replace("my-bucket", bucket.name)
    allow_only(bucket, json.loads(text))


@pytest.mark.parametrize(
    ("sid", "atomic", "second"),
    [("Plain", False, FEWER), ("PlainWithoutCleanUp", False, OLD), ("Atomic", True, FEWER)],
    ids=["plain", "plain without clean-up", "atomic"],
)
def test_the_policies_of_the_documents_are_enough(bucket: Bucket, sid: str, atomic: bool, second: Tables) -> None:
    load = Load(bucket, atomic)
    allow(bucket, sid, "StatePath")

    load.attempt(1, OLD)
    report = load.attempt(2, second)

    allow_all(bucket)
    load.assert_exact(second, report)


def test_the_policy_of_the_documents_is_enough_to_delete_staged_files(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", bucket.server.connection())
    bucket.write("staging/a.json", b'{"n":1}\n')
    load = StagedLoad("staged", bucket.name, f"s3://{bucket.name}/staging/")
    allow(bucket, "Plain", "StatePath", "DeleteStaging", "ListStaging")

    report = load.attempt(1)

    allow_all(bucket)
    assert report.records == 1
    assert bucket.keys("staging/") == []


@both_modes
def test_without_abort_multipart_upload_a_load_with_nothing_open_works(seaweedfs_bucket: Bucket, atomic: bool) -> None:
    load = Load(seaweedfs_bucket, atomic)
    deny(seaweedfs_bucket, "s3:AbortMultipartUpload")

    load.attempt(1, OLD)
    report = load.attempt(2, FEWER)

    allow_all(seaweedfs_bucket)
    load.assert_exact(FEWER, report)


@both_modes
def test_without_abort_multipart_upload_an_open_one_fails_the_load(seaweedfs_bucket: Bucket, atomic: bool) -> None:
    load = Load(seaweedfs_bucket, atomic)
    stop = StopFlag()

    def leave_open(request: Request, send: Send) -> Answer:
        if request.operation == "UploadPart":
            stop.set()
        return send(request)

    with FaultProxy.before(seaweedfs_bucket.server) as proxy:
        proxy.on_each(leave_open)
        with pytest.raises(LoadStoppedError):
            load.attempt(1, OLD, proxy, stop=stop)
        proxy.wait_until_idle()
    assert load.open_uploads()
    deny(seaweedfs_bucket, "s3:AbortMultipartUpload")

    for number in (2, 3):
        error = refusal(load, number, NEW)
        assert "The credentials need s3:AbortMultipartUpload there." in error

    allow_all(seaweedfs_bucket)
    load.assert_exact(NEW, load.attempt(4, NEW))


@both_modes
def test_without_get_object_all_is_sent_again(bucket: Bucket, atomic: bool) -> None:
    load = Load(bucket, atomic)
    load.attempt(1, OLD)
    deny(bucket, "s3:GetObject", prefix="out/")

    report = load.attempt(2, NEW)

    allow_all(bucket)
    load.assert_exact(NEW, report)


@both_modes
def test_without_get_object_on_the_state_no_later_attempt_begins(bucket: Bucket, atomic: bool) -> None:
    load = Load(bucket, atomic)
    load.attempt(1, OLD)
    deny(bucket, "s3:GetObject", prefix="state/")

    error = refusal(load, 2, NEW)

    assert "The credentials need s3:GetObject there" in error
    assert f"s3://{bucket.name}/{load.state_key}" in error
    allow_all(bucket)
    assert load.holds(OLD)
    load.assert_exact(NEW, load.attempt(3, NEW))
