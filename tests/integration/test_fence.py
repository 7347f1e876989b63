"""A load that keeps a record sees before its requests whether it still owns the load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.errors import SupersededError
from tests.integration.loading import Watched, load, records_in, s3_state
from tests.servers import Bucket

RECORDS = [{"n": n} for n in range(20)]


@pytest.fixture(autouse=True)
def sign_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last sign that an attempt owns its load be too old before every request."""
    monkeypatch.setattr("airflow_provider_s3dest.delivery.fence.FENCE_SECONDS", 0.0)


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_it_looks_with_the_client_that_sends_the_objects(bucket: Bucket, atomic: bool) -> None:
    watched = Watched(bucket.server.client())
    # In a thread that the tests need not wait for: a load that waits for itself never ends.
    loading = threading.Thread(
        target=lambda: load(
            bucket,
            RECORDS,
            client=watched.client,
            state=s3_state(bucket, watched.client),
            atomic=atomic,
            batch_size=1,
        ),
        daemon=True,
    )
    loading.start()
    loading.join(60)

    assert not loading.is_alive(), watched
    assert watched.begun.count("HeadObject") >= len(RECORDS)
    assert sorted(record["n"] for record in records_in(bucket)) == list(range(20))


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_it_sends_nothing_more_once_a_newer_attempt_owns_the_load(bucket: Bucket, atomic: bool) -> None:
    watched = Watched(bucket.server.client())
    claimed = threading.Event()

    def records() -> Iterator[dict[str, Any]]:
        yield RECORDS[0]
        assert claimed.wait(30)
        load(bucket, [{"n": "new"}], state=s3_state(bucket, attempt=Attempt(number=2)), atomic=atomic)
        watched.begun.clear()
        yield from RECORDS[1:]

    watched.client.meta.events.register("after-call.s3", lambda **_: claimed.set())
    with pytest.raises(SupersededError, match="A newer attempt owns this load"):
        load(
            bucket,
            records(),
            columns=["n"],
            client=watched.client,
            state=s3_state(bucket, watched.client, attempt=Attempt(number=1)),
            atomic=atomic,
            batch_size=1,
        )

    assert records_in(bucket) == [{"n": "new"}]
    assert bucket.open_uploads() == []
