"""The record of what a load may have written: the names of its objects, by counts, and its open multipart uploads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.objects import BatchId
from airflow_provider_s3dest.spec.path_template import PathTemplate

VERSION = 1
"""Of the layout of the record; a later one must read the earlier."""


@dataclass(frozen=True, slots=True)
class KeySettings:
    """All that a key follows from, beside the load's identity and the batch.

    :param moment: what the dates in the path derive from, in ISO 8601; None if there is no such moment.
    :param generation: grows when names of earlier tries must not be used again.
    :param quarantine: the path of bad records, if they are set aside.
    """

    bucket: str
    path: str
    file_format: str
    moment: str | None
    generation: int = 0
    quarantine: str | None = None

    def names(self, identity: LoadIdentity) -> KeyBuilder:
        """Give what makes the keys."""
        moment = None if self.moment is None else datetime.fromisoformat(self.moment)
        quarantine = None if self.quarantine is None else PathTemplate.parse(self.quarantine)
        return KeyBuilder(PathTemplate.parse(self.path), self.file_format, identity, moment, quarantine)


@dataclass(frozen=True, slots=True)
class BatchRanges:
    """The names of some objects of a load: for each table and partition the batches from the first up to the second.

    :param committed: whether a try ended in success with these objects.
    """

    naming: KeySettings
    spans: Mapping[tuple[str, str], tuple[int, int]]
    committed: bool = False

    @classmethod
    def of(cls, naming: KeySettings, batches: Iterable[BatchId], *, committed: bool = False) -> BatchRanges:
        """Name all batches of each table and partition up to the last that is given."""
        spans: dict[tuple[str, str], tuple[int, int]] = {}
        for table, partition, number in batches:
            _, end = spans.get((table, partition), (0, 0))
            spans[table, partition] = 0, max(end, number + 1)
        return cls(naming, spans, committed)

    def minus(self, other: BatchRanges) -> BatchRanges:
        """Leave the names of other objects out, as far as counts can tell."""
        if self.naming != other.naming:
            return self
        left = {}
        for place, (begin, end) in self.spans.items():
            begin = max(begin, other.spans.get(place, (0, 0))[1])
            if begin < end:
                left[place] = begin, end
        return BatchRanges(self.naming, left, self.committed)

    def __contains__(self, batch: BatchId) -> bool:
        begin, end = self.spans.get(batch[:2], (0, 0))
        return begin <= batch.number < end

    def __bool__(self) -> bool:
        return bool(self.spans)

    def keys(self, identity: LoadIdentity) -> Iterator[tuple[str, str]]:
        """Give bucket and key of every object."""
        names = self.naming.names(identity)
        for (table, partition), (begin, end) in self.spans.items():
            for number in range(begin, end):
                yield (
                    self.naming.bucket,
                    names.key(table, number, partition=partition, generation=self.naming.generation),
                )

    def as_json(self) -> dict[str, Any]:
        spans = [[table, partition, begin, end] for (table, partition), (begin, end) in self.spans.items()]
        naming = self.naming
        quarantine = [] if naming.quarantine is None else [naming.quarantine]
        return {
            "naming": [naming.bucket, naming.path, naming.file_format, naming.moment, naming.generation, *quarantine],
            "spans": spans,
            "committed": self.committed,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BatchRanges:
        spans = {(table, partition): (begin, end) for table, partition, begin, end in value["spans"]}
        return cls(KeySettings(*value["naming"]), spans, value["committed"])


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that may be open."""

    bucket: str
    key: str
    upload_id: str


@dataclass(slots=True)
class StagedToDelete:
    """Staged files that a load has read and may delete, and its report, which a later try gives again.

    :param files: of each file its path and its version; emptied once they are deleted.
    """

    files: list[tuple[str, str]]
    report: dict[str, Any]


@dataclass(slots=True)
class LoadState:
    """What a load may have written, over all its tries.

    :param generation: that of the names that the try which wrote the record uses.
    :param atomic: whether that try keeps its objects invisible to the end.
    :param live: names of the last try that ended in success.
    :param pending: names that may exist since, not yet part of a success.
    :param doomed: names to delete, never to be used again.
    :param uploads: multipart uploads that may be open.
    :param consumed: the staged files of the last success, if they are to be deleted.
    :param sidecars: bucket and key of what the last success wrote about its objects: a manifest, table definitions.
    :param old_sidecars: those of successes before, to remove before any object that they tell of.
    """

    generation: int = 0
    atomic: bool = False
    live: list[BatchRanges] = field(default_factory=list)
    pending: list[BatchRanges] = field(default_factory=list)
    doomed: list[BatchRanges] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    consumed: StagedToDelete | None = None
    sidecars: list[tuple[str, str]] = field(default_factory=list)
    old_sidecars: list[tuple[str, str]] = field(default_factory=list)

    def to_text(self) -> str:
        """Spell the record. What only grows while a load runs comes first, so that most of the text stays the same."""
        document = {
            "uploads": [[one.bucket, one.key, one.upload_id] for one in self.uploads],
            "version": VERSION,
            "generation": self.generation,
            "atomic": self.atomic,
            "live": [names.as_json() for names in self.live],
            "pending": [names.as_json() for names in self.pending],
            "doomed": [names.as_json() for names in self.doomed],
            "consumed": None if self.consumed is None else [self.consumed.files, self.consumed.report],
            "sidecars": self.sidecars,
            "old_sidecars": self.old_sidecars,
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> LoadState:
        """Read a record; None is that of a load that never began."""
        if text is None:
            return cls()
        document = json.loads(text)
        consumed = document["consumed"]
        return cls(
            generation=document["generation"],
            atomic=document["atomic"],
            live=[BatchRanges.from_json(value) for value in document["live"]],
            pending=[BatchRanges.from_json(value) for value in document["pending"]],
            doomed=[BatchRanges.from_json(value) for value in document["doomed"]],
            uploads=[Upload(*value) for value in document["uploads"]],
            consumed=StagedToDelete([(path, version) for path, version in consumed[0]], consumed[1])
            if consumed
            else None,
            sidecars=[(bucket, key) for bucket, key in document.get("sidecars", ())],
            old_sidecars=[(bucket, key) for bucket, key in document.get("old_sidecars", ())],
        )
