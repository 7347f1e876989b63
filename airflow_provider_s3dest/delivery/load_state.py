"""The state of a load: the objects that it may have written, as ranges of batches, and open multipart uploads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Any

from msgspec.structs import astuple

from airflow_provider_s3dest.delivery import state_json
from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.objects import BatchId
from airflow_provider_s3dest.spec.path_template import PathTemplate


@dataclass(frozen=True, slots=True)
class KeySettings:
    """All that a key derives from, besides the identity of the load and the batch.

    :param bucket: name of the bucket.
    :param path: template of the keys, with Jinja rendered.
    :param file_format: the text of ``{{FORMAT}}``.
    :param run_date: date of the run, from which the dates in keys derive, in ISO 8601; None if the run has no date.
    :param generation: grows when names of earlier attempts must not be used again.
    :param quarantine: template of the keys of bad records; None if bad records fail the load.
    :param namespace: ``uuid_namespace`` of the spec.
    """

    bucket: str
    path: str
    file_format: str
    run_date: str | None
    generation: int = 0
    quarantine: str | None = None
    namespace: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether another load can have the same keys, since they do not hold the identity of the load."""
        return "UUID" not in PathTemplate.parse(self.path).names

    @property
    def is_partitioned(self) -> bool:
        """Whether values of records are part of the keys, so that no key is known before the records are read."""
        return bool(PathTemplate.parse(self.path).fields)

    def builder(self, identity: LoadIdentity) -> KeyBuilder:
        """Return the builder of the keys of a load."""
        run_date = None if self.run_date is None else datetime.fromisoformat(self.run_date)
        quarantine = None if self.quarantine is None else PathTemplate.parse(self.quarantine)
        identity = replace(identity, namespace=self.namespace)
        return KeyBuilder(PathTemplate.parse(self.path), self.file_format, identity, run_date, quarantine)

    def as_json(self) -> list[Any]:
        """Return the settings as the JSON of a state has them. What has its default at the end is left out."""
        values = [self.bucket, self.path, self.file_format, self.run_date, self.generation]
        if self.namespace:
            # Version 0.1.0 knows no namespaces. It refuses a seventh value instead of missing the objects.
            return [*values, self.quarantine, self.namespace]
        return values if self.quarantine is None else [*values, self.quarantine]


@dataclass(frozen=True, slots=True)
class BatchRanges:
    """Some objects of a load, as one range of batch numbers for each table and partition.

    :param settings: what the keys of the objects derive from.
    :param ranges: for each (table, partition) the first number, and the number after the last.
    :param committed: whether an attempt succeeded with these objects.
    :param owned: whether objects whose keys do not identify the load carry its identity in their metadata. They do not
        where version 0.1.0 wrote them.
    """

    settings: KeySettings
    ranges: Mapping[tuple[str, str], tuple[int, int]]
    committed: bool = False
    owned: bool = True

    @classmethod
    def of(cls, settings: KeySettings, batches: Iterable[BatchId], *, committed: bool = False) -> BatchRanges:
        """Return ranges from batch 0 to the last one in ``batches``, for each table and partition."""
        ranges: dict[tuple[str, str], tuple[int, int]] = {}
        for table, partition, number in batches:
            _, stop = ranges.get((table, partition), (0, 0))
            ranges[table, partition] = 0, max(stop, number + 1)
        return cls(settings, ranges, committed)

    def minus(self, other: BatchRanges) -> BatchRanges:
        """Return these ranges without the batches that ``other`` covers.

        Ranges with other key settings have other keys and are kept whole.
        """
        if self.settings != other.settings:
            return self
        left = {}
        for partition, (start, stop) in self.ranges.items():
            start = max(start, other.ranges.get(partition, (0, 0))[1])
            if start < stop:
                left[partition] = start, stop
        return replace(self, ranges=left)

    def __contains__(self, batch: BatchId) -> bool:
        start, stop = self.ranges.get(batch[:2], (0, 0))
        return start <= batch.number < stop

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def last_batches(self) -> list[BatchId]:
        """Return the last batch of each table and partition."""
        return [BatchId(table, partition, stop - 1) for (table, partition), (_, stop) in self.ranges.items()]

    def check(self) -> None:
        """Check that keys can be made.

        :raises ValueError: if not.
        """
        settings = self.settings
        # Bad records are deleted by name. So their keys must hold the identity of the load.
        if settings.quarantine is not None and "UUID" not in PathTemplate.parse(settings.quarantine).names:
            raise ValueError("the path of bad records has no {{UUID}}")
        builder = settings.builder(LoadIdentity((), ()))
        for batch in self.last_batches():
            try:
                builder.key(batch, generation=settings.generation)
            except KeyError as error:  # the partition is one of other fields
                raise ValueError(f"{batch.partition!r} is no partition of the path {settings.path!r}") from error

    def keys(self, identity: LoadIdentity) -> Iterator[tuple[str, str]]:
        """Yield bucket and key of every object."""
        return self._keys(identity, self.ranges)

    def shared_keys(self, identity: LoadIdentity) -> Iterator[tuple[str, str]]:
        """Yield bucket and key of every object whose key another load can have too."""
        builder = self.settings.builder(identity)
        return self._keys(identity, [place for place in self.ranges if not builder.identifies(place[1])])

    def _keys(self, identity: LoadIdentity, places: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        builder, settings = self.settings.builder(identity), self.settings
        for place in places:
            for number in range(*self.ranges[place]):
                yield settings.bucket, builder.key(BatchId(*place, number), generation=settings.generation)

    def as_json(self) -> dict[str, Any]:
        """Return the ranges as the JSON of a state has them."""
        return {
            "naming": self.settings.as_json(),
            "spans": [[*partition, *numbers] for partition, numbers in self.ranges.items()],
            "committed": self.committed,
            **({"owned": True} if self.owned and self.settings.is_shared else {}),
        }

    @classmethod
    def from_json(cls, value: state_json.Ranges) -> BatchRanges:
        """Return the ranges that the JSON of a state has.

        :raises ValueError: if no keys can be made of them.
        """
        ranges = {(table, partition): (start, stop) for table, partition, start, stop in value.spans}
        settings = KeySettings(*astuple(value.naming))
        several = cls(settings, ranges, value.committed)
        several.check()
        return replace(several, owned=not settings.is_shared if value.owned is None else value.owned)


def with_batches(
    several: Sequence[BatchRanges], settings: KeySettings, batches: Iterable[BatchId]
) -> list[BatchRanges]:
    """Add batches to the ranges with these settings; return all ranges."""
    same = [ranges for ranges in several if ranges.settings == settings]
    others = [ranges for ranges in several if ranges.settings != settings]
    joined = BatchRanges.of(settings, [*(last for ranges in same for last in ranges.last_batches()), *batches])
    return [*others, replace(joined, owned=all(ranges.owned for ranges in same))]


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that may be open."""

    bucket: str
    key: str
    upload_id: str


@dataclass(slots=True)
class StagedToDelete:
    """The staged files that a successful load has read and is to delete.

    :param files: path and version of each file; emptied once the files are deleted.
    :param report: the report of the load, which a later attempt returns again.
    """

    files: list[tuple[str, str]]
    report: dict[str, Any]


@dataclass(slots=True)
class UsedNames:
    """What the keys of the attempts since the last clean-up may be made of.

    :param tables: names of tables.
    :param templates: templates of keys: of objects, bad records, manifest and table definitions.
    :param namespaces: values of ``uuid_namespace``.
    """

    tables: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)

    def joined(self, other: UsedNames) -> UsedNames:
        """Return the names of both, each once."""
        return UsedNames(
            list(dict.fromkeys([*self.tables, *other.tables])),
            list(dict.fromkeys([*self.templates, *other.templates])),
            list(dict.fromkeys([*self.namespaces, *other.namespaces])),
        )


@dataclass(slots=True)
class LoadState:
    """What a load may have written, over all its attempts.

    :param generation: generation of the names that are used by the attempt that wrote the state.
    :param atomic: whether that attempt keeps its objects invisible until the end.
    :param live: objects of the last attempt that succeeded.
    :param pending: objects that later attempts may have written, and that are not part of a success yet.
    :param doomed: objects to delete; their names are never used again.
    :param uploads: multipart uploads that may be open.
    :param staged: the staged files that the last success is to delete; None if it deletes none.
    :param sidecars: bucket and key of each manifest and table definition of the last success.
    :param owned_sidecars: sidecars whose keys do not identify the load, and that carry its identity in their metadata.
    :param old_sidecars: sidecars of earlier successes; they are removed before any object that they list.
    :param written_path: the path as it was written, before Jinja was rendered; None if version 0.1.0 wrote the state.
    :param used: what keys of manifests, table definitions and open uploads may be made of.
    """

    generation: int = 0
    atomic: bool = False
    live: list[BatchRanges] = field(default_factory=list)
    pending: list[BatchRanges] = field(default_factory=list)
    doomed: list[BatchRanges] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    staged: StagedToDelete | None = None
    sidecars: list[tuple[str, str]] = field(default_factory=list)
    old_sidecars: list[tuple[str, str]] = field(default_factory=list)
    owned_sidecars: list[tuple[str, str]] = field(default_factory=list)
    written_path: str | None = None
    used: UsedNames = field(default_factory=UsedNames)

    @property
    def ranges(self) -> list[BatchRanges]:
        """All ranges of batches."""
        return [*self.live, *self.pending, *self.doomed]

    def all_used(self) -> UsedNames:
        """Return all names that keys may be made of, those of the ranges included."""
        of_ranges = [
            UsedNames(
                [table for table, _ in ranges.ranges],
                [path for path in (ranges.settings.path, ranges.settings.quarantine) if path is not None],
                [ranges.settings.namespace],
            )
            for ranges in self.ranges
        ]
        return reduce(UsedNames.joined, of_ranges, self.used)

    def leaves_late_requests(self, *, before_atomic: bool) -> bool:
        """Return whether an attempt of this state that is still alive may send a request that no abort calls back.

        :param before_atomic: whether the attempt that takes over is atomic.
        """
        puts = not self.atomic and bool(self.pending)
        puts_sidecars = not (before_atomic and self.atomic) and bool(self.sidecars)
        deletes = bool(self.old_sidecars) or any(ranges.settings.is_shared for ranges in self.doomed)
        return puts or puts_sidecars or deletes

    def to_text(self) -> str:
        """Return the state as JSON text.

        The uploads come first, because their list grows only at its end while a load runs. So the beginning of a long
        text stays the same from one write to the next, and a store that keeps the text in chunks need not write it.
        """
        document = {
            "uploads": [[one.bucket, one.key, one.upload_id] for one in self.uploads],
            "version": state_json.VERSION,
            "generation": self.generation,
            "atomic": self.atomic,
            "live": [ranges.as_json() for ranges in self.live],
            "pending": [ranges.as_json() for ranges in self.pending],
            "doomed": [ranges.as_json() for ranges in self.doomed],
            "consumed": None if self.staged is None else [self.staged.files, self.staged.report],
            "sidecars": self.sidecars,
            "old_sidecars": self.old_sidecars,
            **({"owned_sidecars": self.owned_sidecars} if self.owned_sidecars else {}),
            **({} if self.written_path is None else {"written_path": self.written_path, "used": self._used_as_json()}),
        }
        return json.dumps(document, separators=(",", ":"))

    def _used_as_json(self) -> dict[str, list[str]]:
        """Return the used names as the JSON of a state has them, without those that its ranges have too."""
        of_ranges, used = replace(self, used=UsedNames()).all_used(), self.used
        tables = {*of_ranges.tables}
        return {
            "tables": [table for table in used.tables if table not in tables],
            "templates": [template for template in used.templates if template not in of_ranges.templates],
            "namespaces": [namespace for namespace in used.namespaces if namespace not in of_ranges.namespaces],
        }

    @classmethod
    def from_text(cls, text: str | None) -> LoadState:
        """Return the state that a JSON text holds; None stands for a load that never began.

        :raises ValueError: if the text does not hold a state, with the reason.
        """
        if text is None:
            return cls()
        document = state_json.parse(text)
        consumed = document.consumed
        return cls(
            generation=document.generation,
            atomic=document.atomic,
            live=[BatchRanges.from_json(value) for value in document.live],
            pending=[BatchRanges.from_json(value) for value in document.pending],
            doomed=[BatchRanges.from_json(value) for value in document.doomed],
            uploads=[Upload(*value) for value in document.uploads],
            staged=StagedToDelete(list(consumed[0]), dict(consumed[1])) if consumed else None,
            sidecars=document.sidecars,
            old_sidecars=document.old_sidecars,
            owned_sidecars=document.owned_sidecars,
            written_path=document.written_path,
            used=UsedNames(*astuple(document.used)),
        )
