"""Holds the outcome of a load: what asset events and lineage report of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from airflow_provider_s3dest.delivery.keys import stable_prefix
from airflow_provider_s3dest.report import LoadReport


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load wrote, and the path that it was written to.

    :param report: what was written.
    :param path: the path as it stands in the DAG file, before Jinja was rendered.
    """

    report: LoadReport
    path: str

    def stable_prefixes(self) -> Mapping[str, str]:
        """Return for each table the folder that its objects share in all runs, with its slash."""
        return {table: stable_prefix(self.path, table) for table in self.report.tables}

    def part(self, tables: Sequence[str]) -> LoadReport:
        """Return the report of some of the tables alone."""
        reports = {name: table for name, table in self.report.tables.items() if name in tables}
        uris = None if self.report.uris is None else self._uris(self.report.uris, tables)
        return LoadReport.of_tables(self.report.bucket, reports, uris, self.report.manifest)

    def _uris(self, uris: Sequence[str], tables: Sequence[str]) -> list[str]:
        remaining = iter(uris)  # those of the first table come first
        by_table = {name: list(islice(remaining, table.objects)) for name, table in self.report.tables.items()}
        return [uri for name in by_table if name in tables for uri in by_table[name]]
