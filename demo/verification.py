"""Every object of the bucket read back, table by table and format by format, and held to the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from demo.comparison import Comparison
from demo.embedded_s3 import EmbeddedS3, StoredObject
from demo.places import BUCKET, BUCKET_COPY
from demo.source import SourceTable
from demo.stored_objects import CSV, JSON, NULL_AS, Damaged, Place, place, read_rows
from demo.tally import Tally


@dataclass
class StoredTable:
    """A table in one format: what lies in the bucket, and what reading it gave."""

    place: Place
    source: Tally
    stored: Tally
    objects: int = 0
    bytes: int = 0
    damages: list[str] = field(default_factory=list)

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison with the source, to be asked for once every object was read."""
        return Comparison(self.source, self.stored)

    @property
    def agrees(self) -> bool:
        """Whether all of it could be read, and every record is there once."""
        return not self.damages and self.comparison.agrees

    def faults(self) -> list[str]:
        """Say what is wrong, if anything."""
        return [*self.damages, *self.comparison.faults()]


@dataclass(frozen=True)
class Verification:
    """What came of the whole check."""

    tables: Sequence[StoredTable]
    strangers: Sequence[str]
    """Objects that belong to no table."""

    @property
    def passed(self) -> bool:
        return not self.strangers and all(table.agrees for table in self.tables)


def verify(s3: EmbeddedS3, sources: Mapping[SourceTable, Tally]) -> Verification:
    """Save every object under ``.demo/bucket``, read it from there, and compare."""
    # From the source and not from the bucket: a table that never arrived is missed.
    tables = {
        Place(source.name, format): StoredTable(Place(source.name, format), tally, Tally(tally.columns))
        for source, tally in sources.items()
        for format in (CSV, JSON)
    }
    typed = {source.name: not source.staged for source in sources}
    strangers = []
    for entry in s3.objects(BUCKET):
        try:
            table = tables[place(entry.key)]
        except (Damaged, KeyError):
            strangers.append(f"{entry.key} belongs to no table")
            continue
        _read(s3, entry, table, typed=typed[table.place.table])
    return Verification(list(tables.values()), strangers)


def _read(s3: EmbeddedS3, entry: StoredObject, table: StoredTable, *, typed: bool) -> None:
    """Add an object to its table."""
    file = s3.save(BUCKET, entry.key, BUCKET_COPY)
    table.objects += 1
    table.bytes += entry.size
    try:
        rows = read_rows(file, table.place.format, table.source.columns, typed=typed)
        table.stored.add(rows, null=NULL_AS[table.place.format])
    except (Damaged, ValueError) as error:
        table.damages.append(f"{entry.key}: {error}; the rest of this object does not count")
