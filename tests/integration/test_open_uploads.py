"""The record of a load names the multipart uploads that are open, whatever the load waits for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from tests.integration.loading import load, records_in, s3_state
from tests.servers import Bucket

PATIENCE = 30.0


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_it_names_them_while_the_source_gives_nothing(
    seaweedfs_bucket: Bucket, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", 10)
    noted: list[str] = []

    def records() -> Iterator[dict[str, Any]]:
        # More than a stream is looked through for its columns, so that the first are on their way.
        yield from ({"n": n} for n in range(10_000))
        end = time.monotonic() + PATIENCE
        while not noted and time.monotonic() < end:
            noted.extend(one.upload_id for one in LoadState.from_text(s3_state(seaweedfs_bucket).peek()).uploads)
            time.sleep(0.05)
        yield {"n": 10_000}

    load(
        seaweedfs_bucket,
        records(),
        columns=["n"],
        state=s3_state(seaweedfs_bucket),
        atomic=atomic,
        batch_size=8_000 if atomic else 20_000,
        batch_size_bytes=2**20,
    )

    assert noted
    assert len(records_in(seaweedfs_bucket)) == 10_001
    assert seaweedfs_bucket.open_uploads() == []
