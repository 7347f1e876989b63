"""What a load did: the report that the operator pushes to XCom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAX_URIS = 1_000
"""Objects up to which a report lists their URIs; a longer list has no place in XCom."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """What a load wrote of one table.

    :param records: number of records.
    :param objects: number of objects.
    :param bytes: bytes as stored, after compression.
    :param columns: names of the columns, in order.
    :param prefix: the folder of the bucket that all objects of the table share, with its slash.
    """

    records: int
    objects: int
    bytes: int
    columns: Sequence[str]
    prefix: str


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load wrote.

    :param records: number of records of all tables.
    :param objects: number of objects.
    :param bytes: bytes as stored, after compression.
    :param bucket: name of the bucket.
    :param tables: a report of each table, by name.
    :param uris: URIs of all objects, in order, while they are at most 1,000; else None.
    :param manifest: URI of the manifest, where one was written; else None.
    """

    records: int
    objects: int
    bytes: int
    bucket: str
    tables: Mapping[str, TableReport]
    uris: Sequence[str] | None
    manifest: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the report as JSON types: what the operator returns."""
        return {
            **asdict(self),
            "tables": {name: {**asdict(table), "columns": list(table.columns)} for name, table in self.tables.items()},
            "uris": None if self.uris is None else list(self.uris),
        }

    @classmethod
    def from_dict(cls, report: Mapping[str, Any]) -> LoadReport:
        """Read a report from what :meth:`as_dict` gave."""
        tables = {name: TableReport(**table) for name, table in report["tables"].items()}
        return cls(**{**report, "tables": tables})
