"""Keeps the state of a load in Airflow's task state store (Airflow 3.3 and later)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec

from airflow_provider_s3dest.delivery.daemon_threads import DaemonThreads
from airflow_provider_s3dest.errors import StateError, StoreError, SupersededError

KEY = "s3dest"

CHUNK = 30_000
"""The most characters of a value. The store warns of values over 65,535 bytes, and some databases take no more."""


class _Root(msgspec.Struct):
    """The value of the key: the owner, and the text or the keys of its chunks."""

    owner: str
    text: str | None = None
    chunks: list[str] = []


class TaskStateStore:
    """Keep the text of a load's state: one key holds the owner of the load, and the text or the keys of its chunks.

    All attempts of a task instance share the store, but each reaches it by the id of its own attempt. That id changes
    before every new attempt. From then on Airflow refuses what the earlier attempt sets, and returns nothing to it. So
    an attempt that finds nothing is the first one only if it can also set something.

    The key of a chunk follows from its content, and the key that names the chunks is set last. So a reader finds the
    text as it was before a write or after it.

    :param store: ``context["task_state_store"]``.
    """

    durable = follows = True
    is_open = False
    where = f"The key {KEY!r} in Airflow's task state store"
    remedy = (
        "Delete it by Airflow's REST API (DELETE .../taskInstances/<task_id>/state-store/s3dest), delete what earlier "
        "attempts left, and clear the task."
    )
    in_order = False  # a write is a plain overwrite, and a request that timed out here can still take effect

    def __init__(self, store: Any) -> None:
        self._store = store
        self._owner = str(uuid4())
        self._chunks: frozenset[str] = frozenset()
        self._unsure: set[str] = set()
        # A timeout of the task raises in the main thread, at any point. If it interrupted a call to Airflow there,
        # Airflow would take the late answer to that call for the answer to the next one. So another thread calls.
        self._calls = DaemonThreads(1, "s3dest-state")

    def peek(self) -> str | None:
        root = self._get(KEY)
        if root is None:
            return None
        try:
            stored = msgspec.convert(root, _Root)
            if stored.text is not None:
                return stored.text
            pieces = msgspec.convert([self._get(name) for name in stored.chunks], list[str])
        except msgspec.MsgspecError as error:
            raise StateError(self.where, f"does not hold the state of a load: {error}.", self.remedy) from error
        self._chunks = frozenset(stored.chunks)
        return "".join(pieces)

    def update(self, change: Callable[[str | None], str]) -> None:
        self._put(change(self.peek()))

    def write(self, text: str) -> None:
        # A custom backend of the store may save a value before the store refuses it. So verify first.
        self.verify()
        self._put(text)

    def verify(self) -> None:
        root = self._get(KEY)
        if not isinstance(root, dict) or root.get("owner") != self._owner:
            raise _superseded()

    def _put(self, text: str) -> None:
        pieces: dict[str, str] = {}
        if len(text) <= CHUNK:
            self._set(KEY, {"owner": self._owner, "text": text})
        else:
            chunks = [text[begin : begin + CHUNK] for begin in range(0, len(text), CHUNK)]
            names = [f"{KEY}-{sha256(chunk.encode()).hexdigest()[:32]}" for chunk in chunks]
            pieces = dict(zip(names, chunks, strict=True))
            for name in pieces.keys() - self._chunks:
                self._set(name, pieces[name])
            try:
                self._set(KEY, {"owner": self._owner, "chunks": names})  # a chunk that occurs twice is named twice
            except StoreError:
                self._unsure |= pieces.keys()  # the write may still take effect, even after the next one
                raise
        gone, self._chunks = self._chunks - pieces.keys() - self._unsure, frozenset(pieces)
        for name in gone:
            with suppress(_runtime_error()):
                self._call(self._store.delete, name)

    def _get(self, key: str) -> Any:
        try:
            return self._call(self._store.get, key)
        except _runtime_error() as error:
            raise _failed(error) from error

    def _set(self, key: str, value: Any) -> None:
        from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined,unused-ignore]

        try:
            self._call(self._store.set, key, value, retention=NEVER_EXPIRE)
        except _runtime_error() as error:
            if (error.error.detail or {}).get("status_code") == 404:
                raise _superseded() from error
            raise _failed(error) from error

    def _call(self, method: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        return self._calls.submit(method, *arguments, **keywords).result()


def _runtime_error() -> Any:
    from airflow.sdk.exceptions import AirflowRuntimeError

    return AirflowRuntimeError


def _failed(error: Exception) -> StoreError:
    return StoreError(f"Airflow's task state store failed: {error}. Another attempt may succeed.", final=False)


def _superseded() -> SupersededError:
    return SupersededError(
        "A newer attempt owns this load, says Airflow's task state store: this attempt stops and changes nothing more."
    )
