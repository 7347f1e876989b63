"""The quarantine of a load: where its bad records go, and how many there may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.object_writer import ObjectWriter
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId
from airflow_provider_s3dest.errors import BadRecordsError, SpecError
from airflow_provider_s3dest.formats.batching import BatchWriter, Limits, ObjectSink
from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.load.quarantine_rules import default_path, faults_inside
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.report import TableReport
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.destination import SENT_ALONG

log = safe_logger(__name__)

_SHARED_FIELDS = (*SENT_ALONG, "bucket", "part_size", "batch_size", "batch_size_bytes")
"""Fields of the spec that hold for the objects of bad records too."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where the bad records of a load go.

    :param spec: the spec of their objects.
    :param limit: how many bad records there may be: a number, or a share of all records between 0 and 1; None: any
        number.
    """

    spec: DestinationSpec
    limit: float | None = None

    @classmethod
    def of(cls, spec: DestinationSpec, path: str | None = None, limit: float | None = None) -> Quarantine:
        """Make the quarantine of a load.

        :param spec: the spec of the load.
        :param path: template of the keys; None: ``_quarantine/{{TABLE}}/{{UUID}}.json`` below the fixed part of the
            load's path.
        """
        path = path or default_path(spec.path)
        shared = {name: value for name, value in spec.given().items() if name in _SHARED_FIELDS}
        return cls(DestinationSpec(**shared, path=path, format="json"), limit)

    def check_place(self, keys: KeyBuilder, tables: Collection[str]) -> None:
        """Check that no table's folder contains the quarantine, where readers would take bad records for data.

        :raises SpecError: if one does.
        """
        folders = {keys.prefix(table) for table in tables}
        for table in tables:
            key = keys.key(BatchId(table, QUARANTINE, 0))
            if faults := [fault for folder in folders for fault in faults_inside(key, folder)]:
                raise SpecError(faults[:1])

    def check(self, bad: BadRecords, good: int) -> None:
        """Check that there are not too many bad records.

        :param good: number of the other records.
        :raises BadRecordsError: if there are.
        """
        count, limit = bad.counts.total(), self.limit
        if not count or limit is None or (count if isinstance(limit, int) else count / (good + count)) <= limit:
            return
        most = f"{limit:,}" if isinstance(limit, int) else f"a share of {limit}"
        listed = [*map(str, bad.first), *[f"and {count - len(bad.first):,} more"] * (count > len(bad.first))]
        raise BadRecordsError(
            f"{count:,} of {good + count:,} records are bad, and `max_bad_records` allows {most}. "
            "Correct them upstream, or allow more:",
            [f"  - {line}" for line in listed],
        )

    def log_bad_records(self, tables: Mapping[str, TableReport], keys: KeyBuilder, verb: str) -> None:
        """Log how many bad records each table has, and where they are.

        :param verb: what was done with them, such as ``Quarantined``.
        """
        for name, table in tables.items():
            if table.bad_records:
                log.warning(
                    "%s %s bad record%s of table %s, with the reason, in s3://%s/%s",
                    verb,
                    f"{table.bad_records:,}",
                    "s" * (table.bad_records != 1),
                    name,
                    self.spec.bucket,
                    keys.quarantine_prefix(name),
                )


class QuarantineWriter:
    """Writes bad records, those of each table into separate batches.

    The batches have the same limits as batches of good records, but are cut independently of them: bad records don't
    change where good records are cut.
    """

    def __init__(self, quarantine: Quarantine, objects: ObjectWriter) -> None:
        self._spec, self._objects = quarantine.spec, objects
        self._writers: dict[str, BatchWriter] = {}

    def add(self, table: str, line: bytes) -> None:
        """Write a bad record of a table.

        :param line: the record and what is wrong with it, as a line of JSON.
        """
        if table not in self._writers:
            limits = Limits(self._spec.batch_size, self._spec.batch_size_bytes)
            self._writers[table] = BatchWriter(limits, b"", partial(self._open, table))
        self._writers[table].add(Encoded(line, 1, lambda: (len(line),)))

    def close(self, table: str) -> None:
        """End the last batch of a table."""
        if table in self._writers:
            self._writers.pop(table).close()

    def _open(self, table: str, number: int) -> ObjectSink:
        return self._objects.open(BatchId(table, QUARANTINE, number), self._spec)
