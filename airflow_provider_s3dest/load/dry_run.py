"""Measures the objects of a dry run, and stores nothing."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.formats.compression import compressor_for
from airflow_provider_s3dest.spec import DestinationSpec


class DryRun:
    """Opens sinks that compress their contents only to measure them.

    :param spec: says how objects are compressed.
    :param on_stored: called with the bytes of every object.
    """

    def __init__(self, spec: DestinationSpec, on_stored: Callable[[int], None] = lambda size: None) -> None:
        self._spec, self._on_stored = spec, on_stored
        self._objects: list[_Measured] = []

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectSink:
        measured = _Measured(key, batch, spec or self._spec, self._on_stored)
        self._objects.append(measured)
        return measured

    def finish(self) -> list[StoredObject]:
        return [StoredObject(one.key, one.batch, one.records, one.bytes) for one in self._objects]

    def complete(self) -> None:
        """Do nothing: no object is held back."""

    def prepare(self, key: str, content: bytes, content_type: str) -> None:
        """Store nothing."""

    def tick(self) -> None:
        """Do nothing: no request is under way."""


class _Measured:
    def __init__(self, key: str, batch: BatchId, spec: DestinationSpec, on_stored: Callable[[int], None]) -> None:
        self.key, self.batch, self._on_stored = key, batch, on_stored
        self._compressor = compressor_for(spec)
        self.records = self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(self._compressor.compress(data))

    def close(self, records: int) -> None:
        self.records = records
        self.bytes += len(self._compressor.flush())
        self._on_stored(self.bytes)
