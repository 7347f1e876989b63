"""The record of a load in Airflow's task state store; `tests/system` shows what the store does to several tries."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_s3dest.operators.task_state import CHUNK, TaskState
from tests.airflow import versions

pytestmark = pytest.mark.skipif(not versions.KEEPS_STATE, reason="this Airflow has no task state store")


class Store(dict[str, Any]):
    """A state store in memory."""

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.mark.parametrize("text", ["short", "x" * CHUNK, "x" * (CHUNK + 1), "once, " + "repeated, " * CHUNK])
def test_a_text_of_any_length_is_read_back_and_nothing_of_an_earlier_one_stays(text: str) -> None:
    store = Store()
    state = TaskState(store)
    state.update(lambda _: "earlier " * CHUNK)

    state.write(text)

    assert TaskState(store).peek() == state.peek() == text
    named = store["s3dest"].get("chunks", [])
    assert store.keys() == {"s3dest", *named}
