"""Records what the loads store, by `python -m tests.upgrade.record` at the commit whose stored form is to be held.

The committed files were written so by version 0.1.0, at commit ee1c1d0. Whoever adds a load or a world checks that
commit out, lays this folder over it, and names what is new: `python -m tests.upgrade.record csv_by_default`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests import isolation

if __name__ == "__main__":
    isolation.begin()  # before Airflow is imported: it reads its settings at import

from tests.servers import Bucket, MotoServer, service_models
from tests.upgrade import attempt, stored
from tests.upgrade.loads import LOADS, Load

RECORDED_LOADS = Path(__file__).parent / "recorded_loads.json"


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
    with service_models.read_once(), MotoServer.running() as server:
        attempt.connect(server)
        for name, make in LOADS.items():
            if name not in wanted and wanted:
                continue
            server.client().create_bucket(Bucket=attempt.BUCKET)
            bucket = Bucket(attempt.BUCKET, server)
            document["loads"][name] = run_load(name, make(), bucket)
            bucket.remove()
    RECORDED_LOADS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    try:
        _record_loads(sys.argv[1:])
    finally:
        isolation.end()
