"""Where the objects of a dry run go: nowhere."""

from __future__ import annotations

from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.formats.compression import compressor_for
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.spec import DestinationSpec


class DryRun:
    """Takes objects and stores nothing: compresses them to know their sizes."""

    def __init__(self, spec: DestinationSpec, progress: Progress) -> None:
        self._spec, self._progress = spec, progress
        self._objects: list[_Measured] = []

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectSink:
        measured = _Measured(key, batch, spec or self._spec, self._progress)
        self._objects.append(measured)
        return measured

    def finish(self) -> list[StoredObject]:
        return [StoredObject(one.key, one.batch, one.records, one.bytes) for one in self._objects]

    def complete(self) -> None:
        """Nothing is held back."""

    def prepare(self, key: str, content: bytes, content_type: str) -> None:
        """Nothing is stored."""

    def tick(self) -> None:
        """Nothing is open."""


class _Measured:
    def __init__(self, key: str, batch: BatchId, spec: DestinationSpec, progress: Progress) -> None:
        self.key, self.batch, self._progress = key, batch, progress
        self._compressor = compressor_for(spec)
        self.records = self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(self._compressor.compress(data))

    def close(self, records: int) -> None:
        self.records = records
        self.bytes += len(self._compressor.flush())
        self._progress.stored(self.bytes)
