"""SIGKILL at a random moment of a load, and an attempt or two after it, with the same input or another."""

from __future__ import annotations

import random
import signal
import threading
from concurrent.futures import Future
from itertools import product

import pytest

from tests.chaos.full_loads import DIALECTS, KINDS, FullLoad
from tests.chaos.loads import BATCH_SIZE, Load, sample
from tests.chaos.one_attempt import Input, start
from tests.chaos.started_attempt import StartedAttempt
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send

pytestmark = pytest.mark.usefixtures("small_puts", "short_waits", "none_lives")

STORE = ("PutObject", "CompleteMultipartUpload")
WITH_BAD = [
    Input("first", bad=5),
    Input("first", bad=2),
    Input("other", bad=3),
    Input("grown", small=17, large=5, bad=9),
    Input("shrunk", small=5, large=0),
]
INPUTS = {
    "data": [Input("first"), Input("other"), Input("grown", small=17, large=5), Input("shrunk", small=5, large=1)],
    "json": WITH_BAD,
    "parquet": WITH_BAD,
}


@pytest.mark.parametrize(("kind", "seed"), sample(list(product(KINDS, range(80))), 19))
def test_a_load_that_was_killed_is_whole_after_the_next_attempt(
    shared_bucket: Bucket, proxy: FaultProxy, kind: str, seed: int
) -> None:
    chance = random.Random(seed)
    inputs = INPUTS[kind]
    load = KINDS[kind](shared_bucket, atomic=chance.random() < 0.5)
    number = 1
    if chance.random() < 0.5:
        load.attempt(number, chance.choice(inputs).tables())
        number += 1
    known: set[str] = set()
    for _ in range(chance.choice([1, 1, 2])):
        given = chance.choice(inputs)
        requests = _requests(load, given)
        killed_at = chance.choice([chance.randrange(requests), requests - 1 - chance.randrange(12)])
        _killed(proxy, load, number, given, killed_at, late=chance.random() < 0.5)
        known |= {upload.upload_id for upload in load.load_state().uploads}
        number += 1

    wanted = chance.choice([given, chance.choice(inputs)]).tables()
    report = load.attempt(number, wanted)

    left = _open_uploads(load)
    # A kill leaves the uploads that were not yet in the state; what was in it is gone.
    assert not set(left) & known
    load.assert_exact(wanted, report, sorted(left.values()))


def _requests(load: Load, given: Input) -> int:
    """Tell how many requests an attempt sends at least."""
    small, large, of_state = given.small, given.large, 3
    if isinstance(load, FullLoad):
        sidecars = len(given.tables()) * len(DIALECTS) + 1
        small, of_state = small + -(-given.bad // BATCH_SIZE) + sidecars, 4
        if load.format == "parquet":
            small, large = small + large, 0  # compressed, none is sent in parts
    return small * (3 if load.atomic else 1) + large * 3 + of_state


def _killed(proxy: FaultProxy, load: Load, number: int, given: Input, at: int, *, late: bool) -> None:
    """Run an attempt that is killed at one of its requests, before the server gets it or before the answer comes."""
    started: Future[StartedAttempt] = Future()
    first = threading.Lock()
    seen = len(proxy.requests)

    def kill(request: Request, send: Send) -> Answer:
        if len(proxy.requests) - seen <= at:
            return send(request)
        answer = send(request) if late else None
        if first.acquire(blocking=False):  # the others come from a process that is gone, or about to be
            started.result().signal(signal.SIGKILL)
        return answer or Answer(0, {}, b"", sent=-1)

    proxy.on_each(kill)
    started.set_result(start(load, number, given, proxy))
    assert started.result().wait() == -signal.SIGKILL
    proxy.wait_until_idle()  # a request under way would be that of a second attempt that lives
    proxy.on_each(None)
    if isinstance(load, FullLoad):
        sent = {request.key for request in proxy.requests[seen:] if request.operation in STORE} - {load.bystander}
        load.assert_sound(written=any(key.startswith(load.folder) for key in sent))


def _open_uploads(load: Load) -> dict[str, str]:
    """Return the keys of the open uploads by id."""
    answer = load.bucket.server.client().list_multipart_uploads(Bucket=load.bucket.name, Prefix=load.folder)
    return {upload["UploadId"]: upload["Key"] for upload in answer.get("Uploads", [])}
