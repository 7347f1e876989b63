"""Records what the loads store, by `python -m tests.upgrade.record` at the commit whose stored form is to be held.

The committed files were written so by version 0.1.0, at commit ee1c1d0. Whoever adds a load or a world checks that
commit out, lays this folder over it, and names what is new: `python -m tests.upgrade.record csv_by_default`. Which
requests were under way when a process was killed differs from one recording of a world to the next.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import isolation

if __name__ == "__main__":
    isolation.begin()  # before Airflow is imported: it reads its settings at import

from tests.servers import Bucket, MotoServer, S3Endpoint, SeaweedFS, service_models
from tests.upgrade import attempt, exactly_once, stored, world_recorder, world_snapshot
from tests.upgrade.loads import LOADS, Load
from tests.upgrade.worlds import WORLDS, run

RECORDED_LOADS = Path(__file__).parent / "recorded_loads.json"
WORLDS_FOLDER = Path(__file__).parent / "recorded_worlds"


def run_load(name: str, load: Load, bucket: Bucket) -> dict[str, Any]:
    """Make all attempts of a load in an empty bucket, and describe what they leave."""
    for key, body in load.staged.items():
        bucket.write(key, body)
    store = attempt.TaskStateStore() if load.by_airflow else None
    reports = []
    for number, arguments in enumerate(load.attempts, 1):
        if load.by_hook:
            reports.append(attempt.run_hook(name, arguments))
        else:
            reports.append(attempt.run_task(name, arguments, number=number, map_index=load.map_index, store=store))
    objects = stored.describe_objects(bucket)
    described: dict[str, Any] = {
        "objects": {key: one for key, one in objects.items() if load.staged.get(key) is None},
        "states": stored.describe_states(bucket, by_clock=load.by_hook),
        "reports": [stored.shortened(report) for report in reports],
    }
    if store is not None:
        described["task_state"] = stored.describe_task_state(store.values)
    staged_left = [key for key in load.staged if key in objects]
    return {**described, **({"staged_left": staged_left} if load.staged else {})}


def _record_loads(wanted: Collection[str]) -> None:
    document = json.loads(RECORDED_LOADS.read_text()) if RECORDED_LOADS.exists() else {"loads": {}}
    document["versions"] = stored.library_versions()
    with MotoServer.running() as server:
        attempt.connect(server)
        for name in wanted:
            with _empty_bucket(server) as bucket:
                document["loads"][name] = run_load(name, LOADS[name](), bucket)
    document["loads"] = {name: document["loads"][name] for name in LOADS}
    _write(RECORDED_LOADS, document)


def run_next_attempt(name: str, snapshot: Mapping[str, Any], bucket: Bucket) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put a world into an empty bucket and make the next attempt there.

    :return: its report, and what Airflow's task state store holds then.
    """
    world = WORLDS[name]()
    store = attempt.TaskStateStore(world_snapshot.restore(snapshot, bucket))
    for key, body in world.replaced.items():
        bucket.write(key, body)
    report = run(name, world, world.next, len(world.earlier) + 1, store if world.by_airflow else None)
    return report, store.values


def _record_worlds(wanted: Collection[str], folder: Path) -> dict[str, Exception]:
    """Record worlds, and return why some could not be, by their names."""
    folder.mkdir(exist_ok=True)
    failed = {}
    with SeaweedFS.running() as server:
        attempt.connect(server)
        for name in wanted:
            try:
                _write(folder / f"{name}.json", _recorded_world(name, server))
            except Exception as error:
                failed[name] = error
    return failed


def _recorded_world(name: str, server: S3Endpoint) -> dict[str, Any]:
    world = WORLDS[name]()
    with _empty_bucket(server) as bucket:
        snapshot = world_recorder.record(name, bucket)
    with _empty_bucket(server) as bucket:
        report, task_state = run_next_attempt(name, snapshot, bucket)
        exactly_once.check(bucket, world, report, task_state)
        then = exactly_once.describe(bucket, task_state, by_clock=world.by_hook)
    return {**snapshot, "then": then}


@contextmanager
def _empty_bucket(server: S3Endpoint) -> Iterator[Bucket]:
    server.client().create_bucket(Bucket=attempt.BUCKET)
    bucket = Bucket(attempt.BUCKET, server)
    try:
        yield bucket
    finally:
        bucket.remove()


def _write(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of loads and worlds; by default all")
    parser.add_argument("--worlds", type=Path, default=WORLDS_FOLDER, help="folder of the worlds")
    arguments = parser.parse_args()
    names = arguments.names or [*LOADS, *WORLDS]
    with service_models.read_once():
        if loads := [name for name in names if name in LOADS]:
            _record_loads(loads)
        failed = _record_worlds([name for name in names if name in WORLDS], arguments.worlds)
    if failed:
        sys.exit("\n".join(f"{name}: {error!r}" for name, error in failed.items()))


if __name__ == "__main__":
    try:
        _main()
    finally:
        isolation.end()
