"""Cuts the encoded records of a table into batches, one an object, by records and by bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class EncodedRecords(Protocol):
    """Consecutive records, encoded."""

    @property
    def records(self) -> int:
        """Number of records."""
        ...

    @property
    def size(self) -> int:
        """Bytes of all the records."""
        ...

    @property
    def ends(self) -> Sequence[int]:
        """Where each record ends, in bytes; computed only if a batch ends between these records."""
        ...

    def cut(self, start: int, stop: int) -> Any:
        """Return the records from ``start`` up to ``stop``, in the form that a sink writes."""
        ...

    def take(self, indices: Sequence[int]) -> EncodedRecords:
        """Return a copy of some of the records, so that the memory of the others can be freed."""
        ...


class ObjectSink(Protocol):
    """Receives the content of one object."""

    def write(self, data: Any) -> None:
        """Write the header, or a cut of encoded records."""
        ...

    def close(self, records: int) -> None:
        """End the object.

        :param records: number of records in it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of the largest batch; None means no limit."""

    records: int | None
    bytes: int | None
    """Bytes of an object before compression, header included."""


class BatchWriter:
    """Cuts the records of one table, or of one partition of it, into batches, and writes each batch as one object.

    Records keep their order, and each batch is as full as the limits allow: it ends when the next record would not
    fit. A record that alone exceeds the limit of bytes gets a batch of its own. The cuts depend on nothing but the
    records and the limits, not on the chunks in which the records come: a retry must write the same objects, since
    their keys follow from the numbers of the batches.

    :param limits: the size of the largest batch.
    :param header: the bytes that every object begins with.
    :param open_object: opens the object of a batch, given the number of the batch from 0.
    """

    def __init__(self, limits: Limits, header: bytes, open_object: Callable[[int], ObjectSink]) -> None:
        self._limits, self._header, self._open_object = limits, header, open_object
        self._sink: ObjectSink | None = None
        self._records = self._bytes = 0
        self.batches = 0

    @property
    def is_open(self) -> bool:
        """Whether a batch is open."""
        return self._sink is not None

    @property
    def open_bytes(self) -> int:
        """Bytes of the records in the open batch; 0 if none is open."""
        return self._bytes - len(self._header) if self.is_open else 0

    def add(self, encoded: EncodedRecords) -> None:
        """Add the records of a chunk."""
        done = begin = 0
        while done < encoded.records:
            if self._sink is None:
                self._open()
            if self._has_room(encoded.records - done, encoded.size - begin):
                fitting, end = encoded.records, encoded.size
            else:
                # Only here are the ends of the records needed: most chunks fit as a whole, and finding ends is slow.
                fitting = self._fitting(encoded.ends, done, begin)
                if fitting == done:
                    self._close()
                    continue
                end = encoded.ends[fitting - 1]
            assert self._sink is not None
            self._sink.write(encoded.cut(done, fitting))
            self._records += fitting - done
            self._bytes += end - begin
            done, begin = fitting, end
            if self._is_full():
                self._close()

    def close(self, *, empty: bool = False) -> None:
        """End the open batch, if there is one; records that are added later begin a new batch.

        :param empty: whether to write one batch without records if there were no records at all.
        """
        if empty and not self.batches:
            self._open()
        if self._sink is not None:
            self._close()

    def _has_room(self, records: int, size: int) -> bool:
        limits = self._limits
        return (limits.records is None or self._records + records <= limits.records) and (
            limits.bytes is None or self._bytes + size <= limits.bytes
        )

    def _fitting(self, ends: Sequence[int], done: int, begin: int) -> int:
        """Return up to which record of a chunk the open batch has room; an empty batch takes at least one record."""
        limits, fitting = self._limits, len(ends)
        if limits.bytes is not None:
            fitting = bisect_right(ends, begin + limits.bytes - self._bytes, done)
        if limits.records is not None:
            fitting = min(fitting, done + limits.records - self._records)
        return max(fitting, done + 1) if self._records == 0 else fitting

    def _is_full(self) -> bool:
        limits = self._limits
        return self._records == limits.records or (limits.bytes is not None and self._bytes >= limits.bytes)

    def _open(self) -> None:
        self._sink = self._open_object(self.batches)
        if self._header:
            self._sink.write(self._header)
        self._records, self._bytes = 0, len(self._header)
        self.batches += 1

    def _close(self) -> None:
        assert self._sink is not None
        self._sink.close(self._records)
        self._sink = None
