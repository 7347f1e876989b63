"""A task that writes to its state store as a load does, and tells what becomes of that once it is superseded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_s3dest.errors import SupersededError
from airflow_provider_s3dest.operators.task_state_store import CHUNK, KEY, TaskStateStore

LONG = "long" * CHUNK
THREADS = 8


def outcome(action: Callable[[], Any]) -> Any:
    """Return what an action gives, or what it is refused with."""
    try:
        return action()
    except SupersededError:
        return "superseded"
    except AirflowRuntimeError as error:
        return (error.error.detail or {}).get("status_code")


def owning(store: Any) -> dict[str, Any]:
    """Write and read from several threads at once, as a load does."""
    state = TaskStateStore(store)
    found = state.peek()
    state.update(lambda text: f"after {text}")
    with ThreadPoolExecutor(THREADS) as threads:
        checks = [threads.submit(state.verify) for _ in range(10 * THREADS)]
        for number in range(10):
            state.write(f"{number} {LONG}")
        for check in checks:
            check.result()
    return {"found": found, "wrote": state.peek() == f"9 {LONG}"}


def superseded(store: Any, control: Path) -> None:
    """Own the load, wait until the test has cleared the task, and then try everything."""
    state = TaskStateStore(store)
    state.update(lambda _: "the first try's")
    control.with_suffix(".began").touch()
    while not control.with_suffix(".cleared").exists():
        time.sleep(0.02)
    outcomes = {
        "get": outcome(lambda: store.get(KEY, "default")),
        "set": outcome(lambda: store.set(KEY, "late")),
        "delete": outcome(lambda: store.delete(KEY)),
        "peek": outcome(state.peek),
        "verify": outcome(state.verify),
        "write": outcome(lambda: state.write("late")),
        "update": outcome(lambda: state.update(lambda _: "late")),
        "update of another": outcome(lambda: TaskStateStore(store).update(lambda _: "late")),
    }
    partial = control.with_suffix(".partial")
    partial.write_text(json.dumps(outcomes))
    partial.rename(control)


with DAG("owners", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):

    @task
    def own() -> Any:
        context = get_current_context()
        store = context["task_state_store"]
        if context["ti"].try_number == 1:
            superseded(store, Path((context["dag_run"].conf or {})["outcomes"]))
            time.sleep(60)  # until it is killed
        return owning(store)

    own()
