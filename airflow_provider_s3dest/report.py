"""What a load did: the report that the operator pushes to XCom."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError

log = logging.getLogger(__name__)

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
    :param bad_records: number of the records that were set aside instead; none of the other numbers count them.
    """

    records: int
    objects: int
    bytes: int
    columns: Sequence[str]
    prefix: str
    bad_records: int = 0


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
    :param bad_records: number of the records of all tables that were set aside instead.
    """

    records: int
    objects: int
    bytes: int
    bucket: str
    tables: Mapping[str, TableReport]
    uris: Sequence[str] | None
    manifest: str | None = None
    bad_records: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give the report as JSON types: what the operator returns."""
        return {
            **asdict(self),
            "tables": {name: {**asdict(table), "columns": list(table.columns)} for name, table in self.tables.items()},
            "uris": None if self.uris is None else list(self.uris),
        }

    @classmethod
    def merged(cls, reports: Iterable[LoadReport | Mapping[str, Any]]) -> LoadReport:
        """Make one report of those of several loads, such as the mapped instances of one task.

        :param reports: reports, or what :meth:`as_dict` gave, in order.
        :raises SpecError: if there are none, or they are of more than one bucket.
        """
        parts = [report if isinstance(report, LoadReport) else cls.from_dict(report) for report in reports]
        buckets = sorted({part.bucket for part in parts})
        if len(buckets) != 1:
            problem = f"are of the buckets {buckets}." if buckets else "are none."
            raise SpecError([Fault("reports", problem, "Give the reports of loads to one bucket.")])
        of_table: dict[str, list[TableReport]] = {}
        for part in parts:
            for name, table in part.tables.items():
                of_table.setdefault(name, []).append(table)
        objects = sum(part.objects for part in parts)
        return cls(
            records=sum(part.records for part in parts),
            objects=objects,
            bytes=sum(part.bytes for part in parts),
            bucket=buckets[0],
            tables={name: _merged(name, own) for name, own in of_table.items()},
            uris=[uri for part in parts for uri in part.uris or ()] if objects <= MAX_URIS else None,
            bad_records=sum(part.bad_records for part in parts),
        )

    @classmethod
    def from_dict(cls, report: Mapping[str, Any]) -> LoadReport:
        """Read a report from what :meth:`as_dict` gave."""
        tables = {name: TableReport(**table) for name, table in report["tables"].items()}
        return cls(**{**report, "tables": tables})


def _merged(name: str, parts: Sequence[TableReport]) -> TableReport:
    if len({tuple(part.columns) for part in parts}) > 1:
        log.warning("Table %s: its loads wrote different columns. Give `columns`, and all objects have the same.", name)
    shared = posixpath.commonpath([part.prefix for part in parts])
    return TableReport(
        records=sum(part.records for part in parts),
        objects=sum(part.objects for part in parts),
        bytes=sum(part.bytes for part in parts),
        columns=list(dict.fromkeys(column for part in parts for column in part.columns)),
        prefix=shared and f"{shared}/",
        bad_records=sum(part.bad_records for part in parts),
    )
