"""The quarantine of a load: where its bad records go, in which objects, and how many there may be."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from airflow_provider_s3dest.delivery.attempt import Delivery
from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId
from airflow_provider_s3dest.delivery.uploader import ObjectSinks
from airflow_provider_s3dest.errors import BadRecordsError, SpecError
from airflow_provider_s3dest.formats.batching import BatchWriter, Limits, ObjectSink
from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.load.quarantine_rules import default_path, faults_inside
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.spec.destination import SENT_ALONG, DestinationSpec

log = logging.getLogger(__name__)

_SAME = (*SENT_ALONG, "bucket", "part_size", "batch_size", "batch_size_bytes")
"""Fields of the spec that hold for the objects of bad records too."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Where the bad records of a load go.

    :param spec: of their objects.
    :param limit: bad records that there may be: a number of them, or a share of all records between 0 and 1; None: any.
    """

    spec: DestinationSpec
    limit: float | None = None
    bad: BadRecords = field(default_factory=BadRecords)

    @classmethod
    def of(cls, spec: DestinationSpec, path: str | None = None, limit: float | None = None) -> Quarantine:
        """Make the quarantine of a load.

        :param spec: that of the load.
        :param path: template of the keys; None: ``_quarantine/{{TABLE}}/{{UUID}}.json`` below what is fixed of the
            load's path.
        """
        path = path or default_path(spec.path)
        same = {name: value for name, value in spec.given().items() if name in _SAME}
        return cls(DestinationSpec(**same, path=path, format="json"), limit)

    def check_place(self, names: KeyBuilder, tables: Collection[str]) -> None:
        """See that the bad records lie where no reader of the records of any of the tables finds them.

        :raises SpecError: if not.
        """
        folders = {names.prefix(table) for table in tables}
        for table in tables:
            key = names.key(table, 0, partition=QUARANTINE)
            if faults := [fault for folder in folders for fault in faults_inside(key, folder)]:
                raise SpecError(faults[:1])

    def check(self, good: int) -> None:
        """See that the bad records are not too many, beside so many good ones.

        :raises BadRecordsError: if they are.
        """
        bad, limit = self.bad.counts.total(), self.limit
        if not bad or limit is None or (bad if isinstance(limit, int) else bad / (good + bad)) <= limit:
            return
        most = f"{limit:,}" if isinstance(limit, int) else f"a share of {limit}"
        more = f"\n  - and {bad - len(self.bad.first):,} more" if bad > len(self.bad.first) else ""
        listed = "".join(f"\n  - {error}" for error in self.bad.first)
        raise BadRecordsError(
            f"{bad:,} of {good + bad:,} records are bad, and `max_bad_records` allows {most}. "
            f"Mend them upstream, or allow more:{listed}{more}"
        )

    def warn(self, names: KeyBuilder, verb: str) -> None:
        """Say in the log how many bad records there are, and where.

        :param verb: what was done with them, such as ``Set aside``.
        """
        for table, count in self.bad.counts.items():
            log.warning(
                "%s %s bad record%s of table %s, with the reason, in s3://%s/%s",
                verb,
                f"{count:,}",
                "s" * (count != 1),
                table,
                self.spec.bucket,
                names.quarantine_prefix(table),
            )


class QuarantineWriter:
    """The batches of bad records, a line of them for each table, on their way to the store.

    They are cut as those of good records are, and by themselves, so that the good ones are cut as without them.
    """

    def __init__(self, quarantine: Quarantine, names: KeyBuilder, delivery: Delivery, store: ObjectSinks) -> None:
        self._spec, self._names, self._delivery, self._store = quarantine.spec, names, delivery, store
        self._lines: dict[str, BatchWriter] = {}
        quarantine.bad.put = self._put

    def close(self, table: str) -> None:
        """End the last batch of a table."""
        if table in self._lines:
            self._lines.pop(table).close()

    def _put(self, table: str, line: bytes) -> None:
        if table not in self._lines:
            limits = Limits(self._spec.batch_size, self._spec.batch_size_bytes)
            self._lines[table] = BatchWriter(limits, b"", partial(self._open, table))
        self._lines[table].add(Encoded(line, 1, lambda: (len(line),)))

    def _open(self, table: str, number: int) -> ObjectSink:
        batch = BatchId(table, QUARANTINE, number)
        self._delivery.reserve(batch)
        key = self._names.key(table, number, partition=QUARANTINE, generation=self._delivery.generation)
        return self._store.open(key, batch, self._spec)
