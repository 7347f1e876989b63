"""Writes the objects of a load: reserves each batch, builds its key, and opens the object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.load_state import StagedToDelete
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.spec import DestinationSpec

Writes = Sequence[tuple[str, Callable[[], None]]]
"""For each sidecar its key, and the function that writes it."""


class ObjectSinks(Protocol):
    """Opens a sink for each object of a load."""

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectSink:
        """Begin an object that holds the records of a batch.

        :param spec: compression, headers, metadata and tags of the object; None: the spec of the load.
        """
        ...

    def finish(self) -> list[StoredObject]:
        """Wait until every byte is sent, and return the objects in the order in which they were opened."""
        ...

    def complete(self) -> None:
        """Complete the objects that were held back."""
        ...

    def prepare(self, key: str, content: bytes, content_type: str) -> Callable[[], None] | None:
        """Return a function that stores an object that is not a batch; None if nothing is stored.

        With ``atomic`` its bytes are sent now, so that storing it later needs only one request.
        """
        ...

    def tick(self) -> None:
        """End the load if it was told to stop; called often, from the thread that encodes."""
        ...


class ObjectWriter:
    """Writes the objects of one attempt of a load.

    :param keys: builds their keys.
    :param delivery: the attempt of the load, which is claimed unless nothing is stored.
    :param sinks: take their contents.
    """

    def __init__(self, keys: KeyBuilder, delivery: Delivery, sinks: ObjectSinks) -> None:
        self._keys, self._delivery, self._sinks = keys, delivery, sinks

    def open(self, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectSink:
        """Begin the object of a batch.

        :param spec: compression, headers, metadata and tags of the object; None: the spec of the load.
        :raises SupersededError: if a newer attempt owns the load.
        """
        self._delivery.reserve(batch)
        return self._sinks.open(self._keys.key(batch, generation=self._delivery.generation), batch, spec)

    def reserve(self, batches: Iterable[BatchId]) -> None:
        """Reserve several batches that are about to begin, with one write of the state."""
        self._delivery.reserve(*batches)

    def check_key(self, table: str, partition: str) -> None:
        """Check that a partition can be part of a key, and that no other partition has the same key.

        :raises SpecError: if not.
        """
        self._keys.key(BatchId(table, partition, 0))

    def tick(self) -> None:
        """End the load if it was told to stop; called often, from the thread that encodes."""
        self._sinks.tick()

    def finish(self) -> list[StoredObject]:
        """Wait until every byte is sent, and return the objects in the order in which they were opened."""
        return self._sinks.finish()

    def publish(self, objects: Sequence[StoredObject], sidecars: Iterable[tuple[str, bytes, str]]) -> Writes:
        """Make all objects visible, and return the writes of the sidecars, which :meth:`commit` does.

        :param objects: all objects of the load.
        :param sidecars: key, content and Content-Type of each manifest and table definition.
        """
        writes = [(sidecar[0], write) for sidecar in sidecars if (write := self._sinks.prepare(*sidecar))]
        self._delivery.publish(objects, self._sinks.complete)
        return writes

    def commit(self, objects: Sequence[StoredObject], staged: StagedToDelete | None, writes: Writes) -> None:
        """Note that the load is complete, write the sidecars, and remove what earlier attempts left.

        :param staged: staged files to delete from now on; None: no file is deleted.
        :param writes: what :meth:`publish` returned.
        """
        self._delivery.commit(objects, staged, writes)
