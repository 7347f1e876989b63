"""What a load is asked to do, and every rule about that beyond the destination spec's own."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest import path_template, state_path
from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.not_given import NOT_GIVEN, is_given
from airflow_provider_s3dest.sources.arrow import is_arrow
from airflow_provider_s3dest.sources.staging import check_staging_path
from airflow_provider_s3dest.sources.table import check_columns, table_of_list
from airflow_provider_s3dest.spec_rules import faults as spec_faults

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """The arguments of a load, as the operator and the hook take them.

    :param fields: fields of the destination spec, already laid over one another.
    :param keeps_state: whether a record of what is written is kept even without ``state_path``.
    :param written_path: the path before Jinja was rendered in it, if that differs from the one in ``fields``.
    """

    fields: Mapping[str, Any]
    records: Any = NOT_GIVEN
    staging_path: Any = NOT_GIVEN
    table: Any = None
    columns: Any = None
    atomic: bool = False
    state_path: Any = None
    delete_staging: bool = False
    keeps_state: bool = True
    written_path: str | None = None

    def warn(self) -> None:
        """Say in the log what is allowed and yet seldom meant."""
        path = self.written_path or self.fields["path"]
        if self.fields.get("no_rotate") and not path_template.names_a_run(path):
            log.warning(
                "The path %s names neither a date nor a run: with `no_rotate` the next run overwrites "
                "this one's objects. "
                "Put {{YEAR}}/{{MONTH}}/{{DAY}} or {{SYNC_ID}} in to keep them.",
                path,
            )

    def faults(self, unknown: Collection[str] = ()) -> Iterator[Fault]:
        """Find everything that is wrong.

        :param unknown: names of arguments, and of fields of the spec, whose value is not known yet.
        """
        yield from spec_faults({k: v for k, v in self.fields.items() if k not in unknown}, elsewhere=unknown)
        yield from self._delivery_faults(unknown)
        yield from self._input_faults(unknown)
        if "columns" not in unknown:
            try:
                check_columns(self.columns)
            except SpecError as error:
                yield from error.faults

    def _delivery_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        for name in ("atomic", "delete_staging"):
            if getattr(self, name) not in (True, False):
                yield Fault(name, f"is {short(getattr(self, name))}.", "Give True or False.")
            elif name == "delete_staging" and self.delete_staging and not is_given(self.staging_path):
                yield Fault(name, "is given without `staging_path`.", "Leave it out.")
            elif getattr(self, name) and self.state_path is None and not self.keeps_state:
                yield Fault(
                    name,
                    "needs a record of what is written, which Airflow itself keeps for a task from 3.3 on.",
                    "Give `state_path`, a folder of S3 for it.",
                )
        if self.state_path is not None and "state_path" not in unknown:
            yield from state_path.faults(self.state_path)

    def _input_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        has_records, has_path = is_given(self.records), is_given(self.staging_path)
        if has_records == has_path:
            yield Fault(
                "records", f"and `staging_path` are {'both' if has_path else 'not'} given.", "Give exactly one."
            )
            return
        if "table" not in unknown and self.table is not None and (fault := table_fault(self.table)):
            yield fault
            return
        if has_path:
            if not {"staging_path", "table"} & set(unknown):
                yield from check_staging_path(self.staging_path, self.table)
        elif "records" not in unknown:
            yield from self._records_faults(unknown)

    def _records_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        records = self.records
        if not (is_arrow(records) or isinstance(records, Iterable)) or isinstance(records, (str, bytes, bytearray)):
            yield Fault("records", f"is {short(records)}.", "Give a list of mappings, or the output of a task.")
        elif isinstance(records, Mapping) and not is_arrow(records):
            if self.table is not None and "table" not in unknown:
                yield Fault("table", f"is {short(self.table)} beside a mapping of tables.", "Leave one of the two out.")
            yield from filter(None, map(table_fault, records))
            yield from self._several_tables(records, unknown)
        elif self.table is None and "table" not in unknown:
            yield Fault("table", "is missing.", "Name the table of the records.")

    def _several_tables(self, tables: Collection[str], unknown: Collection[str]) -> Iterator[Fault]:
        path = self.fields.get("path")
        if len(tables) > 1 and isinstance(path, str) and "path" not in unknown:
            yield from table_faults(path, tables)


def table_fault(table: Any) -> Fault | None:
    """Find whether a table's name can be part of a key."""
    if not isinstance(table, str) or table in ("", ".", "..") or not path_template.is_unicode(table):
        return Fault("table", f"is {short(table)}.", "Give a name that can be part of a key.")
    if path_template.placeholders(table):
        return Fault("table", f"holds braces: {table!r}.", "Placeholders work in paths only.")
    return None


def table_faults(path: str, tables: Collection[str]) -> Iterator[Fault]:
    """Find whether a path keeps the tables of a load apart."""
    if len(tables) > 1 and not {"TABLE", "TABLE_HYPHEN"} & path_template.placeholders(path):
        yield Fault("path", f"has no {{{{TABLE}}}}, and the load has {len(tables)} tables.", "Put {{TABLE}} in.")


def check_literal_records(records: Any, table: str | None) -> None:
    """Look literal records through for what can be seen without writing them.

    :raises RecordError: at a record that is no mapping, or a key that is no string.
    """
    if isinstance(records, Mapping) and not is_arrow(records):
        for name, own in records.items():
            check_literal_records(own, str(name))
    elif isinstance(records, (list, tuple)):
        table_of_list(table or "", records, None)
