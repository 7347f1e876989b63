"""SIGKILL at a random moment of a load, and a try or two after it, with the same input or another."""

from __future__ import annotations

import random
import signal
from subprocess import Popen

import pytest

from airflow_provider_s3dest.delivery.record import LoadRecord
from tests.chaos.loads import Load, sample
from tests.chaos.one_try import Input, start
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("small_puts", "short_waits", "none_lives")

FIRST = Input("first", small=12, large=3)
LATER = [FIRST, Input("other"), Input("grown", small=17, large=5), Input("shrunk", small=5, large=1)]


@pytest.mark.parametrize("seed", sample(range(120), 17))
def test_a_load_that_was_killed_is_whole_after_the_next_try(
    shared_bucket: Bucket, proxy: FaultProxy, seed: int
) -> None:
    chance = random.Random(seed)
    load = Load(shared_bucket, atomic=chance.random() < 0.5)
    number = 1
    if chance.random() < 0.5:
        load.attempt(number, chance.choice(LATER).tables())
        number += 1
    known: set[str] = set()
    for _ in range(chance.choice([1, 1, 2])):
        given = chance.choice(LATER)
        killed_at = chance.randrange(_requests(given, load.atomic))
        _killed(proxy, load, number, given, killed_at, late=chance.random() < 0.5)
        known |= _recorded_uploads(load)
        number += 1

    wanted = chance.choice(LATER).tables()
    report = load.attempt(number, wanted)

    left = _open_uploads(load)
    # A kill leaves the uploads that were not yet in the record; what was in it is gone.
    assert not set(left) & known
    load.assert_exact(wanted, report, sorted(left.values()))


def _requests(given: Input, atomic: bool) -> int:
    """Tell how many requests a try sends at least."""
    of_small = 3 if atomic else 1
    return given.small * of_small + given.large * 3 + 3


def _killed(proxy: FaultProxy, load: Load, number: int, given: Input, at: int, *, late: bool) -> None:
    """Run a try that is killed at one of its requests, before the server gets it or before the try learns of it."""
    process: list[Popen[bytes]] = []
    seen = len(proxy.requests)

    def kill(request: Request, send: Send) -> Answer:
        if len(proxy.requests) - seen <= at:
            return send(request)
        answer = send(request) if late else None
        process[0].send_signal(signal.SIGKILL)
        return answer or Answer(0, {}, b"", sent=-1)

    proxy.on_each(kill)
    process.append(start(load, number, given, proxy))
    process[0].communicate(timeout=120)
    assert process[0].returncode == -signal.SIGKILL
    proxy.wait_until_idle()  # a request under way would be that of a second try that lives
    proxy.on_each(None)


def _recorded_uploads(load: Load) -> set[str]:
    """Tell the ids of the uploads that the record holds."""
    if load.state_key not in load.bucket.keys("state/"):
        return set()
    client = load.bucket.server.client()
    state = load.state(client, 0)
    assert state is not None
    return {upload.upload_id for upload in LoadRecord.from_text(state.peek()).uploads}


def _open_uploads(load: Load) -> dict[str, str]:
    """Give the keys of the open uploads by id."""
    answer = load.bucket.server.client().list_multipart_uploads(Bucket=load.bucket.name, Prefix=load.folder)
    return {upload["UploadId"]: upload["Key"] for upload in answer.get("Uploads", [])}
