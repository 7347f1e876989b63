"""Whatever is loaded, however it is cut and wherever attempts die: after a success each record is there once.

Whole loads run here, with the encoders, the batching and the uploader's threads, one attempt after the other. Each but
the last may crash, fail or be stopped at one of its requests, and any may get other records or another spec.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import StringIO
from math import inf
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.delivery import delivery as steps
from airflow_provider_s3dest.delivery import fence as fencing
from airflow_provider_s3dest.delivery import object_upload, sweeper
from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.s3_state_store import S3StateStore
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.delivery.sweeper import Sweeper
from airflow_provider_s3dest.delivery.uploader import Uploader
from airflow_provider_s3dest.errors import LoadStoppedError, S3DestinationError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.load.inputs import FileStores, inputs_of
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.load.run import run
from airflow_provider_s3dest.operators import task_state_store
from airflow_provider_s3dest.operators.task_state_store import TaskStateStore
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.spec import DestinationSpec
from tests.model import CHAOS
from tests.model.memory_client import Fault, MemoryClient, Requests, TaskStateClient
from tests.model.memory_s3 import MemoryS3
from tests.model.memory_task_state import MemoryTaskState
from tests.model.world import BUCKET, IDENTITY, RUN_DATE, STATE, Befalls, CrashedError

EXAMPLES = 3_000 if CHAOS else 120
BYSTANDER = (BUCKET, "out/a/of-another-load.json")
COLUMNS = ("table", "n", "text")

Record = Mapping[str, Any]
Tables = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class LoadAttempt:
    """What one attempt is given, and what it meets."""

    tables: Tables
    spec: Mapping[str, Any]
    atomic: bool
    fault: Fault | None


TEXTS = st.text(st.sampled_from('ab",\né'), max_size=20)


@st.composite
def record_sets(draw: st.DrawFn) -> Tables:
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    return {
        name: [{"table": name, "n": n, "text": text} for n, text in enumerate(draw(st.lists(TEXTS, max_size=30)))]
        for name in names
    }


@st.composite
def specs(draw: st.DrawFn) -> Mapping[str, Any]:
    how = {"format": draw(st.sampled_from(["csv", "json"])), "compression": draw(st.sampled_from(["", "gzip"]))}
    if draw(st.integers(0, 4)) == 0:
        return {**how, "path": "out/{{TABLE}}.{{FORMAT}}", "no_rotate": True}
    paths = ["out/{{TABLE}}/{{UUID}}.{{FORMAT}}", "out/{{YEAR}}/{{TABLE}}-{{BATCH}}-{{UUID}}", "{{UUID}}/{{TABLE}}"]
    return {
        **how,
        "path": draw(st.sampled_from(paths)),
        "batch_size": draw(st.integers(1, 12)),
        "batch_size_bytes": draw(st.integers(1, 1000)),
    }


EVENTS = [event for event in Befalls if not event.flies]
FAULTS = st.builds(Fault, st.integers(0, 40), st.sampled_from(EVENTS))


@st.composite
def loads(draw: st.DrawFn) -> Sequence[LoadAttempt]:
    """Make the attempts of a load: each may get what the one before got, or something else."""
    made: list[LoadAttempt] = []
    for number in range(count := draw(st.integers(1, 4))):
        same = bool(made) and draw(st.booleans())
        made.append(
            LoadAttempt(
                made[-1].tables if same else draw(record_sets()),
                made[-1].spec if same or (made and draw(st.booleans())) else draw(specs()),
                draw(st.booleans()),
                None if number == count - 1 else draw(st.none() | FAULTS),
            )
        )
    return made


@dataclass
class Lake:
    """All that outlives an attempt."""

    keeps_task_state: bool
    s3: MemoryS3 = field(default_factory=MemoryS3)
    task_state: MemoryTaskState = field(default_factory=MemoryTaskState)
    begun: int = 0

    def run(self, one: LoadAttempt) -> None:
        """Run an attempt as the hook does; what it raises is raised."""
        self.begun += 1
        self.task_state.begin(self.begun)
        stop = StopFlag()
        requests = Requests(one.fault, stop)
        client: Any = MemoryClient(self.s3, requests)
        stop.guard(client)
        state: StateStore
        if self.keeps_task_state:
            state = TaskStateStore(TaskStateClient(self.task_state, self.begun, requests))
        else:
            state = S3StateStore(client, *STATE, Attempt("", self.begun))
        spec = DestinationSpec(**{"bucket": BUCKET, **one.spec})
        plan = LoadPlan.of(LoadArguments(spec.given(), one.tables, columns=COLUMNS), IDENTITY, RUN_DATE)
        inputs = inputs_of(plan, FileStores(client, LocalFiles))
        with Delivery(plan.settings, IDENTITY, state, Sweeper(client, stop), atomic=one.atomic) as delivery:
            delivery.claim(inputs.openers)
            with Uploader(client, spec, delivery, stop) as uploader:
                run(plan, inputs, [], ObjectWriter(plan.keys, delivery, uploader), Progress())

    def load_state(self) -> LoadState:
        """Read the state as it is kept now."""
        if self.keeps_task_state:
            text = TaskStateStore(TaskStateClient(self.task_state, self.begun, Requests(None, StopFlag()))).peek()
        else:
            text = json.loads(self.s3.objects[STATE].body)["record"] if STATE in self.s3.objects else None
        return LoadState.from_text(text)

    def visible(self) -> dict[str, bytes]:
        seen = {place: one.body for place, one in self.s3.objects.items() if "_s3dest-probe-" not in place[1]}
        return {key: body for (bucket, key), body in seen.items() if (bucket, key) not in (STATE, BYSTANDER)}


def records_of(body: bytes, spec: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Read the records of an object."""
    text = (gzip.decompress(body) if spec["compression"] else body).decode()
    if spec["format"] == "json":
        rows = [tuple(json.loads(line).values()) for line in text.split("\n")[:-1]]
    else:
        header, *rows = [tuple(row) for row in csv.reader(StringIO(text, newline=""))]
        assert header == COLUMNS
    return [(table, int(n), text) for table, n, text in rows]


def assert_exact(lake: Lake, one: LoadAttempt) -> None:
    """Check that each record of the attempt is there once, and nothing else."""
    found = Counter(record for body in lake.visible().values() for record in records_of(body, one.spec))
    assert found == Counter(tuple(record.values()) for own in one.tables.values() for record in own)
    assert lake.s3.objects[BYSTANDER].body == b"not ours"


@settings(derandomize=True, max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    several=loads(),
    keeps_task_state=st.booleans(),
    put_bytes=st.sampled_from([200, object_upload.PUT_BYTES]),
    reserved_seconds=st.sampled_from([0.0, inf]),
    keys_per_request=st.sampled_from([1, 1000]),
    chunk=st.sampled_from([300, task_state_store.CHUNK]),
)
def test_each_record_is_there_once_after_a_success(
    several: Sequence[LoadAttempt],
    keeps_task_state: bool,
    put_bytes: int,
    reserved_seconds: float,
    keys_per_request: int,
    chunk: int,
    met: Counter[str],
) -> None:
    met["SCHEDULES"] += 1
    with ExitStack() as stack:
        for module, name, value in [
            (object_upload, "PUT_BYTES", put_bytes),
            (steps, "RESERVED_SECONDS", reserved_seconds),
            (fencing, "QUIET_SECONDS", 0.0),
            (sweeper, "KEYS_PER_REQUEST", keys_per_request),
            (task_state_store, "CHUNK", chunk),
        ]:
            stack.enter_context(patch.object(module, name, value))
        lake = Lake(keeps_task_state)
        lake.s3.put_object(Bucket=BYSTANDER[0], Key=BYSTANDER[1], Body=b"not ours")
        settled, known = True, set[str]()
        for one in several:
            before, live = lake.visible(), lake.load_state().live
            try:
                lake.run(one)
            except (S3DestinationError, CrashedError) as error:
                note(f"{one.fault}: {error!r}")
                assert one.fault is not None
                orderly = not isinstance(error, (LoadStoppedError, CrashedError))
                if one.atomic and orderly and settled and "UUID" in one.spec["path"] and lake.load_state().live == live:
                    # Airflow's store may yet take a last note that failed, so that what it names is left.
                    assert (keeps_task_state and lake.load_state().pending) or lake.visible() == before
                settled = settled and one.atomic and orderly and not lake.load_state().pending
                known |= {one.upload_id for one in lake.load_state().uploads}
            else:
                settled = True
                assert_exact(lake, one)
                assert not known & lake.s3.uploads.keys()
