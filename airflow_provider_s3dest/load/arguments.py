"""What a load is asked to do, and every rule about that beyond the destination spec's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.load import quarantine_rules, schema, state_path
from airflow_provider_s3dest.load.columns import check_columns, columns_faults
from airflow_provider_s3dest.load.sidecars import manifest
from airflow_provider_s3dest.load.sidecars.ddl import rules as layout
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources.input_kinds import is_arrow, is_records
from airflow_provider_s3dest.sources.staging_path import check_staging_path, staging_path_faults
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.nested_texts import variable_faults
from airflow_provider_s3dest.spec.rules import faults as spec_faults
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, UNKNOWN, is_given

log = safe_logger(__name__)


_TEXTS = (
    "staging_path",
    "table",
    "columns",
    "schema",
    "state_path",
    "quarantine_path",
    "s3_destination_conn_id",
    "aws_conn_id",
)
"""Arguments that hold texts, beside the fields of the spec."""


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """The arguments of a load, as the operator and the hook take them.

    :param fields: fields of the destination spec, already laid over one another; ``UNKNOWN`` where the value of one is
        not known.
    :param keeps_state: whether a record of what is written is kept even without ``state_path``.
    :param manifest: kind of the manifest, or None.
    :param on_bad_record: ``fail`` or ``quarantine``.
    :param max_bad_records: a number, or a share of all records; None: any.
    :param quarantine_path: template of the keys of bad records; None: the default.
    :param written_path: the path before Jinja was rendered in it, if that differs from the one in ``fields``.
    :param sources: ids of the tasks that the records come from, by table; None stands for the only table.
    :param found: what was found wrong already, while the arguments were collected.
    """

    fields: Mapping[str, Any]
    records: Any = NOT_GIVEN
    staging_path: Any = NOT_GIVEN
    table: Any = None
    columns: Any = None
    schema: Any = None
    atomic: bool = False
    state_path: Any = None
    delete_staging: bool = False
    dry_run: bool = False
    s3_destination_conn_id: Any = None
    aws_conn_id: Any = NOT_GIVEN
    keeps_state: bool = True
    manifest: Any = None
    on_bad_record: Any = "fail"
    max_bad_records: Any = None
    quarantine_path: Any = None
    written_path: str | None = None
    sources: Mapping[str | None, Sequence[str]] = field(default_factory=dict)
    found: Sequence[Fault] = ()

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

        :param unknown: names of arguments, and of fields of the spec, whose value is not known yet;
            ``records.orders`` for the records of one table among others.
        """
        unknown = {*unknown, *(name for name, value in self.fields.items() if value is UNKNOWN)}
        yield from self.found
        known = {name: value for name, value in self.fields.items() if name not in unknown}
        of_spec = list(spec_faults(known, elsewhere=unknown))
        yield from of_spec
        if not of_spec and unknown.isdisjoint(layout.NEEDED):
            copies_manifest = self.manifest == "redshift"
            yield from layout.faults(known, copies_manifest=copies_manifest)
            if self.on_bad_record == "quarantine" and "quarantine_path" not in unknown:
                quarantine = str(self.quarantine_path or quarantine_rules.default_path(known["path"]))
                yield from layout.quarantine_faults(known, quarantine, copies_manifest=copies_manifest)
        replaced = [f for name in _TEXTS if name not in unknown for f in variable_faults(getattr(self, name), name)]
        yield from replaced
        unknown |= {fault.key for fault in replaced}
        yield from self._switch_faults()
        if self.state_path is not None and "state_path" not in unknown:
            yield from self._state_faults()
        yield from self._connection_faults(unknown)
        yield from manifest.faults(self.manifest)
        yield from quarantine_rules.faults(self.on_bad_record, self.quarantine_path, self.max_bad_records)
        if self.quarantine_path is not None and "quarantine_path" not in unknown:
            yield from quarantine_rules.path_faults(self.quarantine_path, self.written_path or self.fields.get("path"))
        yield from self._input_faults(unknown)
        if "columns" not in unknown:
            yield from columns_faults(self.columns)
        if "schema" not in unknown:
            yield from schema.faults(self.schema, None if "columns" in unknown else self.columns)

    def columns_of(self, table: str) -> tuple[str, ...] | None:
        """Give the columns of a table that are written: those named, else those of the schema; None: all."""
        own = schema.of_table(self.schema, table)
        return check_columns(self.columns) or (None if own is None else tuple(own))

    def _switch_faults(self) -> Iterator[Fault]:
        for name in ("atomic", "delete_staging", "dry_run"):
            if not isinstance(getattr(self, name), bool):
                yield Fault(name, f"is {short(getattr(self, name))}.", "Give True or False.")
            elif name == "delete_staging" and self.delete_staging and not is_given(self.staging_path):
                yield Fault(name, "is given without `staging_path`.", "Leave it out.")
            elif name != "dry_run" and getattr(self, name) and self.state_path is None and not self.keeps_state:
                yield Fault(
                    name,
                    "needs a record of what is written, which Airflow itself keeps for a task from 3.3 on.",
                    "Give `state_path`, a folder of S3 for it.",
                )

    def _connection_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        for name, remedy in (("s3_destination_conn_id", "leave it out"), ("aws_conn_id", "None for boto3's own chain")):
            conn_id = getattr(self, name)
            if name in unknown or conn_id is None or not is_given(conn_id):
                continue
            if not isinstance(conn_id, str) or not conn_id:
                yield Fault(name, f"is {short(conn_id)}.", f"Give the id of a connection, or {remedy}.")
            else:
                yield from path_template.refused_placeholders(conn_id, name)

    def _state_faults(self) -> Iterator[Fault]:
        found = list(state_path.faults(self.state_path))
        yield from found
        path = self.written_path or self.fields.get("path")
        if not found and isinstance(path, str):
            yield from self.state_faults([path_template.prefix_of_text(path)])

    def state_faults(self, folders: Iterable[str]) -> Iterator[Fault]:
        """Find whether the record of the load would lie in a folder of the data."""
        if self.state_path is not None:
            yield from state_path.faults_inside(self.state_path, self.fields.get("bucket"), folders)

    def _input_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        has_records, has_path = is_given(self.records), is_given(self.staging_path)
        if has_records == has_path:
            yield Fault(
                "records", f"and `staging_path` are {'both' if has_path else 'not'} given.", "Give exactly one."
            )
        table_known = "table" not in unknown
        if table_known and self.table is not None and (fault := table_fault(self.table)):
            yield fault
            table_known = False  # and no rule judges it further
        if has_path and "staging_path" not in unknown:
            if table_known and not has_records:
                yield from check_staging_path(self.staging_path, self.table)
            else:
                yield from staging_path_faults(self.staging_path)
        if has_records and "records" not in unknown:
            yield from self._records_faults(unknown, table_known and not has_path)

    def _records_faults(self, unknown: Collection[str], table_known: bool) -> Iterator[Fault]:
        records = self.records
        if not (isinstance(records, Mapping) and not is_arrow(records)):
            if self._holds_none(records, None):
                yield self._none_fault(self.table if table_known else None)
            elif not is_records(records):
                yield Fault("records", f"is {short(records)}.", "Give a list of mappings, or the output of a task.")
            if table_known and self.table is None:
                yield Fault("table", "is missing.", "Name the table of the records.")
            return
        known = {table: own for table, own in records.items() if f"records.{table}" not in unknown}
        none = [table for table, own in known.items() if self._holds_none(own, table)]
        yield from map(self._none_fault, none)
        wrong = {table: own for table, own in known.items() if table not in none and not is_records(own)}
        if wrong:
            shown = ", ".join(f"{short(own)} under {short(table)}" for table, own in islice(wrong.items(), 3))
            yield Fault(
                "records",
                f"is a mapping with {shown}{', ...' * (len(wrong) > 3)}.",
                "A mapping is of table name to list of records; put a single record into a list.",
            )
        elif table_known and self.table is not None:
            yield Fault("table", f"is {short(self.table)} beside a mapping of tables.", "Leave one of the two out.")
        yield from filter(None, (table_fault(table) for table in records if table not in wrong))
        path = self.fields.get("path")
        if isinstance(path, str) and "path" not in unknown:
            yield from table_faults(path, records)
        template = self.fields.get("manifest_path")
        yield from manifest.table_faults(self.manifest, template if isinstance(template, str) else "", records)
        yield from layout.table_faults(self.fields, records)

    def _holds_none(self, records: Any, table: str | None) -> bool:
        """Say whether the records of a table are None, or those of one of the tasks that make a list of them."""
        is_list_of_outputs = isinstance(records, list) and bool(self._tasks(table))
        return records is None or (is_list_of_outputs and any(one is None for one in records))

    def _none_fault(self, table: str | None) -> Fault:
        of_table = "" if table is None else f" for table {table!r}"
        tasks = ", ".join(map(repr, self._tasks(table)))
        reason = f": {tasks} returned nothing, failed, was skipped, or pushed under another key" if tasks else ""
        return Fault("records", f"is None{of_table}{reason}.", "Return a list, an empty one for no records.")

    def _tasks(self, table: str | None) -> Sequence[str]:
        return self.sources.get(table) or self.sources.get(None) or ()


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
