"""Each record once, with a real scheduler: tasks killed, frozen, marked, out of time, cleared, two attempts at once."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]  # comes with Airflow
import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.worker_pool import WORKERS
from tests.integration.loading import records_in
from tests.servers import Bucket
from tests.servers.fault_proxy import FaultProxy
from tests.system.airflow_server import AirflowServer, Run, wait_for
from tests.system.gate import Gate

pytestmark = pytest.mark.slow

CHAOS = bool(os.environ.get("S3DEST_CHAOS"))

CHUNK, BATCH = 1 + 10 + 100 + 1000, 100
"""For the streamed DAGs: records before the first attempt waits, in growing chunks, and records of an object."""

both_modes = pytest.mark.parametrize("mode", ["plain", "atomic"])
SENT_WITH = {"plain": "PutObject", "atomic": "UploadPart"}
"""The request that an object's content goes with."""


class Input:
    """What the upstream gives; every input of a test differs in all its records."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.records: list[dict[str, Any]] = []

    def gives(self, count: int, name: str = "first") -> None:
        """Let it give so many records from now on."""
        self.records = [{"id": number, "input": name} for number in range(count)]
        # In one step, as a task may read at any time.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(self.records))
        fresh.replace(self.file)

    def let_stream_go_on(self) -> None:
        """Let a first attempt go on that waits after the first chunk."""
        self.file.with_suffix(".go").touch()


@pytest.fixture
def upstream(tmp_path: Path) -> Input:
    """The input of the test's run."""
    return Input(tmp_path / "input.json")


def start(airflow: AirflowServer, dag_id: str, lake: Bucket, upstream: Input) -> Run:
    """Start a run that loads the input into the bucket."""
    return airflow.trigger(dag_id, {"bucket": lake.name, "input": str(upstream.file)})


def assert_exact(lake: Bucket, run: Run, upstream: Input) -> None:
    """Check that the bucket holds each record once, in the objects that the report names, and nothing else."""
    assert sorted(records_in(lake), key=lambda record: int(record["id"])) == upstream.records
    assert sorted(run.xcom("load")["uris"]) == [f"s3://{lake.name}/{key}" for key in lake.objects()]
    assert lake.open_uploads() == []


def wait_until_noted(lake: Bucket, run: Run) -> None:
    """Wait until the state names every open upload: one that is opened is noted some moments later."""

    def look() -> bool:
        (entry,) = run.state_store("load").values()
        noted = {upload.key for upload in LoadState.from_text(entry["value"]["text"]).uploads}
        return noted >= set(lake.open_uploads())

    wait_for(look, "the state with the open uploads")


class RunningAttempt:
    """The two processes of an attempt: the supervisor, and the task itself."""

    def __init__(self, run: Run) -> None:
        self.task = psutil.Process(run.wait_for_task("load", "running")["pid"])
        self.supervisor = self.task.parent()
        assert "LocalExecutor" in self.supervisor.name() + "".join(self.supervisor.cmdline()), self.supervisor

    def stop(self) -> None:
        """Stop both, as a machine that is frozen."""
        for process in (self.supervisor, self.task):
            process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let both go on, and wait until the task has ended."""
        for process in (self.task, self.supervisor):
            process.send_signal(signal.SIGCONT)
        self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait until the task has ended, by itself or killed."""
        wait_for(lambda: not self.lives(), f"the end of {self.task}")

    def lives(self) -> bool:
        """Return whether the task is there."""
        with suppress(psutil.NoSuchProcess):
            return bool(self.task.is_running() and self.task.status() != psutil.STATUS_ZOMBIE)
        return False


@both_modes
def test_a_task_killed_in_mid_load_is_retried_and_a_clear_that_gets_fewer_records_leaves_no_others(
    airflow: AirflowServer, lake: Bucket, proxy: FaultProxy, upstream: Input, mode: str
) -> None:
    upstream.gives(60)
    gate = Gate(proxy, SENT_WITH[mode], after=10)
    run = start(airflow, f"handed_over_{mode}", lake, upstream)
    gate.wait_for(WORKERS)
    wait_until_noted(lake, run)
    RunningAttempt(run).task.kill()
    gate.open()

    assert run.wait() == "success"
    assert run.task("load")["try_number"] == 2
    assert len(lake.keys()) == 30
    assert_exact(lake, run, upstream)

    upstream.gives(7, "fewer")
    run.clear()
    assert run.wait() == "success"
    assert run.task("load")["try_number"] == 3
    assert len(lake.keys()) == 4
    assert_exact(lake, run, upstream)


OVERLAPS = [
    pytest.param("plain", "grown", "PutObject", id="plain, grown input, uploads under way"),
    pytest.param("plain", "changed", None, id="plain, changed input, no request under way"),
    pytest.param("atomic", "changed", "UploadPart", id="atomic, changed input, uploads under way"),
    pytest.param("atomic", "grown", "CompleteMultipartUpload", id="atomic, grown input, objects about to appear"),
]
MORE_OVERLAPS = [
    pytest.param("plain", "grown", None, id="plain, grown input, no request under way"),
    pytest.param("atomic", "changed", "CompleteMultipartUpload", id="atomic, changed input, objects about to appear"),
    pytest.param("atomic", "grown", "UploadPart", id="atomic, grown input, uploads under way"),
]


@pytest.mark.parametrize(("mode", "later_input", "held"), OVERLAPS + MORE_OVERLAPS if CHAOS else OVERLAPS)
def test_an_attempt_that_was_found_dead_and_goes_on_undoes_nothing_of_the_next(
    airflow: AirflowServer,
    lake: Bucket,
    proxy: FaultProxy,
    upstream: Input,
    mode: str,
    later_input: str,
    held: str | None,
) -> None:
    upstream.gives(2 * CHUNK)
    if held:
        upstream.let_stream_go_on()
        gate = Gate(proxy, held, after=3)
    run = start(airflow, f"streamed_{mode}", lake, upstream)
    if held:
        gate.wait_for(WORKERS)
    else:
        wait_for(lambda: len(lake.keys()) == CHUNK // BATCH, "the first chunk to be stored")
    wait_until_noted(lake, run)
    first = RunningAttempt(run)
    first.stop()
    if held:
        gate.let_pass()

    if later_input == "grown":
        upstream.gives(2 * CHUNK + 50)
    else:
        upstream.gives(CHUNK + 50, "changed")
    assert run.wait() == "success"
    assert run.task("load")["try_number"] == 2
    assert first.lives()
    written = lake.objects()
    assert_exact(lake, run, upstream)

    if held:
        gate.open()
    upstream.let_stream_go_on()
    first.go_on()

    assert lake.objects() == written
    assert_exact(lake, run, upstream)
    run.wait_for_log("load", "A newer attempt owns this load", "shouldn't be running anymore")
    assert run.state == "success"


MANY = 100
"""Objects of a load that is to stop: a load that goes on is seen by their number."""


@both_modes
def test_a_task_marked_failed_stops_by_itself_and_a_clear_repairs(
    airflow: AirflowServer, lake: Bucket, proxy: FaultProxy, upstream: Input, mode: str
) -> None:
    upstream.gives(2 * MANY)
    gate = Gate(proxy, SENT_WITH[mode], after=10)
    run = start(airflow, f"handed_over_{mode}", lake, upstream)
    gate.wait_for(WORKERS)
    wait_until_noted(lake, run)
    marked = RunningAttempt(run)
    run.set_task_state("load", "failed")
    run.wait_for_log("load", "Terminating process")
    gate.open()
    marked.wait_for_end()

    assert run.wait() == "failed"
    run.wait_for_log("load", "The load was stopped")
    assert_stopped(lake, proxy, mode)

    upstream.gives(7, "fewer")
    run.clear()
    assert run.wait() == "success"
    assert_exact(lake, run, upstream)


@both_modes
def test_a_task_out_of_time_stops_by_itself_and_its_retry_repairs(
    airflow: AirflowServer, lake: Bucket, proxy: FaultProxy, upstream: Input, mode: str
) -> None:
    upstream.gives(2 * MANY)
    gate = Gate(proxy, SENT_WITH[mode], after=10)
    run = start(airflow, f"timed_{mode}", lake, upstream)
    gate.wait_for(WORKERS)
    wait_until_noted(lake, run)
    late = RunningAttempt(run)
    run.wait_for_log("load", "Process timed out")
    gate.open()
    late.wait_for_end()
    run.wait_for_log("load", "AirflowTaskTimeout")
    assert_stopped(lake, proxy, mode)

    assert run.wait() == "success"
    assert run.task("load")["try_number"] == 2
    assert_exact(lake, run, upstream)


def assert_stopped(lake: Bucket, proxy: FaultProxy, mode: str) -> None:
    """Check that most of the objects were never sent, and that none is visible before all are complete."""
    assert len(proxy.seen(SENT_WITH[mode])) < MANY // 2
    if mode == "atomic":
        assert lake.keys() == []
