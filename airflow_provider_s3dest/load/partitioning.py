"""Sorts the records of a table into partitions, each with batches of its own, and bounds what is open at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from airflow_provider_s3dest.delivery.partitions import partition_of, partition_text, passes_for_null
from airflow_provider_s3dest.errors import RecordError, SpecError, short
from airflow_provider_s3dest.formats.batching import BatchWriter, EncodedRecords
from airflow_provider_s3dest.records.chunks import Chunk
from airflow_provider_s3dest.records.values import NoRuleError
from airflow_provider_s3dest.spec.path_template import can_be_in_key, is_unicode

MAX_PARTITIONS = 10_000
"""Partitions of a table in a load; each is at least one object, and one line in the state of the load."""

MAX_WHOLE_PARTITIONS = 100
"""The same where each partition is one object. All objects are then open to the end, and each holds up to 32 MiB in
memory, or 40 MiB of Parquet."""

MAX_OPEN = 1_000
"""Batches of a table that may be open at once."""

MAX_HELD_BYTES = 256 * 2**20
"""Bytes of open batches that may be held in memory, before compression."""

_TEXT_OR_NULL = frozenset({str, type(None)})

_ONE_TEXT_PER_VALUE = frozenset({int, bool, date})
"""Types whose equal values have equal texts. Floats have not (0.0 == -0.0), nor have timestamps (in two time zones)."""


class PartitionedWriter:
    """Writes the records of a table into the batches of their partitions.

    If more than :data:`MAX_OPEN` batches are open, or if they hold more than :data:`MAX_HELD_BYTES`, the batch that has
    waited longest for a record is closed. This is decided record by record. So the cuts depend only on the records,
    their order and the limits, as they do without partitions.

    :param table: name of the table, for errors.
    :param fields: the columns whose values name a partition.
    :param drops: whether these columns are left out of the objects, so that only the key holds their values.
    :param whole: whether each partition is one object.
    :param batches_of: makes the batches of a partition.
    :param reserve: called with the partition and number of each batch that is about to begin.
    :param held: the most bytes that an open batch holds in memory.
    """

    def __init__(
        self,
        table: str,
        fields: Sequence[str],
        *,
        drops: bool,
        whole: bool,
        batches_of: Callable[[str], BatchWriter],
        reserve: Callable[[Sequence[tuple[str, int]]], None],
        held: int,
    ) -> None:
        self._table, self._fields, self._drops, self._whole = table, fields, drops, whole
        self._batches_of, self._reserve, self._most_held = batches_of, reserve, held
        self._writers: dict[str, BatchWriter] = {}
        self._open: dict[str, BatchWriter] = {}
        self._held_bytes = 0
        self._partition_names: dict[tuple[str | None, ...], str] = {}
        self._texts: dict[tuple[type, Any], str | None] = {}

    def named(self, chunk: Chunk) -> Sequence[str]:
        """Return the name of each record's partition.

        :raises RecordError: at a record whose partition can't be named, or is one too many.
        """
        partitions = self._partitions_of(chunk)
        for partition in dict.fromkeys(partitions):
            if partition not in self._writers:
                self._writers[partition] = self._new_writer(partition, chunk, partitions.index(partition))
        return partitions

    def add(self, partitions: Sequence[str], encoded: EncodedRecords) -> None:
        """Add the records of a chunk.

        :param partitions: what :meth:`named` returned for the chunk.
        """
        last = {partition: position for position, partition in enumerate(partitions)}
        self._reserve([(one, self._writers[one].batches) for one in last if one not in self._open])
        if self._has_room(last, encoded.size):
            parts = _by_partition(partitions, encoded)
            # By their last records: so `_open` has the order that adding record by record would give it.
            for partition in sorted(parts, key=last.__getitem__):
                self._add_to(partition, parts[partition])
        else:
            for position, partition in enumerate(partitions):
                self._add_to(partition, encoded.take([position]))
                self._close_surplus()

    def close(self) -> None:
        """End the last batch of each partition."""
        for writer in self._open.values():
            writer.close()

    def _partitions_of(self, chunk: Chunk) -> list[str]:
        """Return the name of each record's partition."""
        names, partitions = self._partition_names, []
        for position, texts in enumerate(zip(*(self._texts_of(chunk, field) for field in self._fields), strict=True)):
            name = names.get(texts)
            if name is None:
                if self._drops:
                    self._refuse_lost(chunk, position, texts)
                name = names[texts] = partition_of(self._fields, texts)
            partitions.append(name)
        return partitions

    def _texts_of(self, chunk: Chunk, field: str) -> Sequence[str | None]:
        values = chunk.column(field)
        if set(map(type, values)) <= _TEXT_OR_NULL:
            return values
        texts = []
        for position, value in enumerate(values):
            same = (type(value), value) if type(value) in _ONE_TEXT_PER_VALUE else None
            if same is None or same not in self._texts:
                try:
                    text = partition_text(value)
                except NoRuleError as error:
                    remedy = "Partition by a column of plain values, or convert it upstream."
                    raise self._refusal(f"{error}: {short(value)}.", remedy, chunk, position, field) from error
                if same is not None:
                    self._texts[same] = text
            else:
                text = self._texts[same]
            texts.append(text)
        return texts

    def _new_writer(self, partition: str, chunk: Chunk, position: int) -> BatchWriter:
        most = MAX_WHOLE_PARTITIONS if self._whole else MAX_PARTITIONS
        if len(self._writers) == most:
            problem = f"the partition {short(partition)} is beyond the {most:,} that a table can have in a load"
            remedy = "Partition by a column of fewer values, or spread the records over several loads."
            # Which partition is one too many depends on the order of the records. So this is an error of the load,
            # not of a record that could be quarantined.
            problem += f"{' with `no_rotate`' * self._whole}."
            raise self._refusal(problem, remedy, chunk, position, separable=False)
        if not is_unicode(partition):
            problem = f"the partition {short(partition)} holds half of a surrogate pair and is not valid Unicode."
            raise self._refusal(problem, "Decode it properly upstream.", chunk, position)
        if not can_be_in_key(partition):
            problem = f"the partition {short(partition)} holds U+FFFE or U+FFFF: S3 could not delete its objects."
            raise self._refusal(problem, "Take the character out upstream.", chunk, position)
        try:
            return self._batches_of(partition)
        except SpecError as error:
            (fault,) = error.faults
            problem = f"the partition {short(partition)} {fault.problem}"
            raise self._refusal(problem, "Partition by a column of other values.", chunk, position) from error

    def _refuse_lost(self, chunk: Chunk, position: int, texts: Sequence[str | None]) -> None:
        for field, text in zip(self._fields, texts, strict=True):
            if passes_for_null(text):
                problem = f"{text!r} has the same partition as null, and the column is left out of the objects."
                raise self._refusal(problem, "Use `partition_columns: keep`.", chunk, position, field)

    def _refusal(
        self,
        problem: str,
        remedy: str,
        chunk: Chunk,
        position: int,
        column: str | None = None,
        *,
        separable: bool = True,
    ) -> RecordError:
        place = chunk.origins[position]
        return RecordError(problem, remedy, table=self._table, place=place, column=column, separable=separable)

    def _has_room(self, partitions: Mapping[str, object], size: int) -> bool:
        """Return whether this many more bytes fit, in any order, without closing a batch that is not full."""
        if self._whole:
            return True
        return len(self._open.keys() | partitions.keys()) <= MAX_OPEN and self._held_bytes + size <= MAX_HELD_BYTES

    def _add_to(self, partition: str, encoded: EncodedRecords) -> None:
        writer = self._writers[partition]
        self._held_bytes -= self._held_by(writer)
        writer.add(encoded)
        self._held_bytes += self._held_by(writer)
        self._open.pop(partition, None)
        if writer.is_open:
            self._open[partition] = writer

    def _close_surplus(self) -> None:
        while len(self._open) > MAX_OPEN or self._held_bytes > MAX_HELD_BYTES:
            writer = self._open.pop(next(iter(self._open)))
            self._held_bytes -= self._held_by(writer)
            writer.close()

    def _held_by(self, writer: BatchWriter) -> int:
        return min(writer.open_bytes, self._most_held)


def _by_partition(partitions: Sequence[str], encoded: EncodedRecords) -> dict[str, EncodedRecords]:
    """Sort encoded records by partition, in their order."""
    positions: dict[str, list[int]] = {partition: [] for partition in partitions}
    if len(positions) == 1:
        return dict.fromkeys(positions, encoded)
    for position, partition in enumerate(partitions):
        positions[partition].append(position)
    return {partition: encoded.take(indices) for partition, indices in positions.items()}
