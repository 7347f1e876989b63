"""The report of what a load did, which the operator pushes to XCom."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.safe_text import safe_logger

log = safe_logger(__name__)

MAX_URIS = 1_000
"""Most objects whose URIs a report lists; a longer list is too large for XCom."""


@dataclass(frozen=True, slots=True)
class TableReport:
    """What a load wrote for one table.

    :param records: number of records that were written.
    :param objects: number of objects.
    :param bytes: bytes as stored, after compression.
    :param columns: names of the columns, in order.
    :param prefix: the folder in the bucket that all objects of the table share, with its slash.
    :param bad_records: number of records that were quarantined instead; no other number counts them.
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

    :param records: number of records that were written, of all tables.
    :param objects: number of objects.
    :param bytes: bytes as stored, after compression.
    :param bucket: name of the bucket.
    :param tables: a report of each table, by name.
    :param uris: URIs of all objects, in order; None if there are more than 1,000.
    :param manifest: URI of the manifest; None if none was written.
    :param bad_records: number of records that were quarantined instead, of all tables.
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
        """Return the report as JSON types, as the operator returns it."""
        return {
            **asdict(self),
            "tables": {name: {**asdict(table), "columns": list(table.columns)} for name, table in self.tables.items()},
            "uris": None if self.uris is None else list(self.uris),
        }

    @classmethod
    def of_tables(
        cls, bucket: str, tables: Mapping[str, TableReport], uris: Iterable[str] | None, manifest: str | None = None
    ) -> LoadReport:
        """Build the report of some tables; its numbers are the sums of theirs.

        :param bucket: name of the bucket.
        :param tables: a report of each table, by name.
        :param uris: URIs of all objects, in order; None if they are not known. Ignored if there are more objects than
            ``MAX_URIS``.
        :param manifest: URI of the manifest, if one was written.
        """
        objects = sum(table.objects for table in tables.values())
        return cls(
            records=sum(table.records for table in tables.values()),
            objects=objects,
            bytes=sum(table.bytes for table in tables.values()),
            bucket=bucket,
            tables=tables,
            uris=None if uris is None or objects > MAX_URIS else list(uris),
            manifest=manifest,
            bad_records=sum(table.bad_records for table in tables.values()),
        )

    @classmethod
    def merged(cls, reports: Iterable[LoadReport | Mapping[str, Any]]) -> LoadReport:
        """Merge the reports of several loads, such as those of the mapped instances of one task.

        :param reports: reports, or results of :meth:`as_dict`, in order.
        :raises SpecError: if there are no reports, or if they are about more than one bucket.
        """
        parts = [report if isinstance(report, LoadReport) else cls.from_dict(report) for report in reports]
        buckets = sorted({part.bucket for part in parts})
        if len(buckets) != 1:
            problem = f"are of the buckets {buckets}." if buckets else "is empty."
            raise SpecError([Fault("reports", problem, "Give the reports of loads to one bucket.")])
        by_table: dict[str, list[TableReport]] = {}
        for part in parts:
            for name, table in part.tables.items():
                by_table.setdefault(name, []).append(table)
        tables = {name: _merged(name, reports_of_table) for name, reports_of_table in by_table.items()}
        return cls.of_tables(buckets[0], tables, (uri for part in parts for uri in part.uris or ()))

    @classmethod
    def from_dict(cls, report: Mapping[str, Any]) -> LoadReport:
        """Build a report from a result of :meth:`as_dict`."""
        tables = {name: TableReport(**table) for name, table in report["tables"].items()}
        return cls(**{**report, "tables": tables})


def _merged(name: str, parts: Sequence[TableReport]) -> TableReport:
    """Merge the reports of several loads about one table."""
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
