"""The arguments of a load, and every rule about them; the rules of the destination spec are in ``spec.rules``."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.load import quarantine_rules, schema, state_path
from airflow_provider_s3dest.load.columns import check_columns, columns_faults
from airflow_provider_s3dest.load.sidecars import manifest
from airflow_provider_s3dest.load.sidecars.ddl import rules as ddl_rules
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources import staging_format
from airflow_provider_s3dest.sources.input_kinds import is_arrow, is_records
from airflow_provider_s3dest.sources.staging_path import check_staging_path, staging_path_faults
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.fields import REFUSED
from airflow_provider_s3dest.spec.nested_texts import variable_faults
from airflow_provider_s3dest.spec.rules import faults as spec_faults
from airflow_provider_s3dest.spec.sentinels import NOT_GIVEN, UNKNOWN, is_given
from airflow_provider_s3dest.spec.typed_texts import typed

log = safe_logger(__name__)

_TEXTS = (
    "staging_path",
    "table",
    "columns",
    "schema",
    "staging_format",
    "state_path",
    "quarantine_path",
    "s3_destination_conn_id",
    "aws_conn_id",
)
"""Arguments that hold texts, besides the fields of the spec."""

_NAMES = frozenset({"columns", "schema"})
"""Arguments that name the columns of a table."""

_SWITCHES = ("atomic", "delete_staging", "dry_run", "shard")


@dataclass(frozen=True, slots=True)
class LoadArguments:
    """The arguments of a load, as the operator and the hook take them.

    :param fields: fields of the destination spec, merged from all their sources; ``UNKNOWN`` where a value is not
        known.
    :param keeps_state: whether the state of the load is kept even without ``state_path``.
    :param staging_format: options of :class:`~airflow_provider_s3dest.sources.staging_format.StagingFormat`; None: the
        default form.
    :param shard: whether the staged files are one of several shards, each of which has the columns of all.
    :param manifest: kind of the manifest, or None.
    :param on_bad_record: ``fail`` or ``quarantine``.
    :param max_bad_records: a number, or a share of all records; None: any number.
    :param quarantine_path: template of the keys of bad records; None: the default path.
    :param written_path: the path before its Jinja was rendered; None: the same as in ``fields``.
    :param by_xcom: whether the records came through Airflow's XCom.
    :param sources: ids of the tasks that the records come from, by table; None is the key of the only table.
    :param found: faults that were found while the arguments were collected.
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
    staging_format: Any = None
    shard: bool = False
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
    by_xcom: bool = False
    found: Sequence[Fault] = ()

    def __post_init__(self) -> None:
        # Jinja gives texts.
        for name in _SWITCHES:
            object.__setattr__(self, name, typed(getattr(self, name), {bool}))
        object.__setattr__(self, "max_bad_records", typed(self.max_bad_records, {int, float}))

    def warn(self) -> None:
        """Log a warning about what is allowed but rarely intended."""
        path = self.written_path or self.fields["path"]
        if self.fields.get("no_rotate") and not path_template.names_a_run(path):
            log.warning(
                "The path %s names neither a date nor a run: with `no_rotate` the next run overwrites the objects of "
                "this run. To keep them, put {{YEAR}}/{{MONTH}}/{{DAY}} or {{SYNC_ID}} into the path.",
                path,
            )

    def faults(self, unknown: Collection[str] = ()) -> Iterator[Fault]:
        """Yield everything that is wrong.

        :param unknown: names of arguments, and of fields of the spec, whose value is not known yet;
            ``records.orders`` stands for the records of one table of a mapping.
        """
        unknown = {*unknown, *(name for name, value in self.fields.items() if value is UNKNOWN)}
        yield from self.found
        yield from self._field_faults(unknown)
        variables = list(self._variable_faults(unknown))
        yield from variables
        # A text with a variable in it is reported once: no other rule judges it.
        unknown |= {fault.key for fault in variables}
        yield from self._switch_faults(unknown)
        yield from self._state_path_faults(unknown)
        yield from self._connection_faults(unknown)
        if "manifest" not in unknown:
            yield from manifest.faults(self.manifest)
        yield from self._quarantine_faults(unknown)
        yield from self._input_faults(unknown)
        yield from self._column_faults(unknown)

    def state_faults(self, folders: Iterable[str]) -> Iterator[Fault]:
        """Yield a fault if the state of the load would lie in a folder of the data."""
        if self.state_path is not None:
            yield from state_path.faults_inside(self.state_path, self.fields.get("bucket"), folders)

    def columns_of(self, table: str) -> tuple[str, ...] | None:
        """Return the columns of a table that are written: ``columns``, else those of ``schema``; None: all columns."""
        types = schema.of_table(self.schema, table)
        return check_columns(self.columns) or (None if types is None else tuple(types))

    @property
    def _unrendered_path(self) -> Any:
        """The path with its Jinja not rendered; None if there is no path."""
        return self.written_path or self.fields.get("path")

    def _field_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        fields = {name: value for name, value in self.fields.items() if name not in unknown}
        faults = list(spec_faults(fields, elsewhere=unknown))
        yield from faults
        # The rules of table definitions take a spec without faults.
        if not faults and {*ddl_rules.NEEDED, "manifest"}.isdisjoint(unknown):
            copies_manifest = self.manifest == "redshift"
            yield from ddl_rules.faults(fields, copies_manifest=copies_manifest)
            if self.on_bad_record == "quarantine" and {"on_bad_record", "quarantine_path"}.isdisjoint(unknown):
                path = str(self.quarantine_path or quarantine_rules.default_path(fields["path"]))
                yield from ddl_rules.quarantine_faults(fields, path, copies_manifest=copies_manifest)

    def _variable_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        for name in _TEXTS:
            if name not in unknown:
                yield from variable_faults(getattr(self, name), name)

    def _switch_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        for name in _SWITCHES:
            value = getattr(self, name)
            if name in unknown:
                continue
            if not isinstance(value, bool):
                yield Fault(name, f"is {short(value)}.", "Give True or False.")
            elif name in ("delete_staging", "shard") and value and not is_given(self.staging_path):
                yield Fault(name, "has no effect without `staging_path`.", "Leave it out, or give `staging_path`.")
            elif name in ("atomic", "delete_staging") and value and self.state_path is None and not self.keeps_state:
                yield Fault(
                    name,
                    "needs the state of earlier attempts, which Airflow itself keeps for a task only from 3.3 on.",
                    "Give `state_path`, a folder of S3 for the state.",
                )

    def _state_path_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        if self.state_path is None or "state_path" in unknown:
            return
        faults = list(state_path.faults(self.state_path))
        yield from faults
        path = self._unrendered_path
        if not faults and isinstance(path, str):
            yield from self.state_faults([path_template.prefix_of_text(path)])

    def _connection_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        for name, remedy in (("s3_destination_conn_id", "leave it out"), ("aws_conn_id", "None for boto3's own chain")):
            conn_id = getattr(self, name)
            if name in unknown or conn_id is None or not is_given(conn_id):
                continue
            if not isinstance(conn_id, str) or not conn_id:
                yield Fault(name, f"is {short(conn_id)}.", f"Give the id of a connection, or {remedy}.")
            else:
                yield from path_template.refused_placeholders(conn_id, name)

    def _quarantine_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        limit = UNKNOWN if "max_bad_records" in unknown else self.max_bad_records
        if "on_bad_record" not in unknown:
            yield from quarantine_rules.faults(self.on_bad_record, self.quarantine_path, limit)
        if self.quarantine_path is not None and "quarantine_path" not in unknown:
            yield from quarantine_rules.path_faults(self.quarantine_path, self._unrendered_path)

    def _column_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        if "columns" not in unknown:
            yield from columns_faults(self.columns)
        if "schema" not in unknown:
            yield from schema.faults(self.schema, None if "columns" in unknown else self.columns)

    def _input_faults(self, unknown: Collection[str]) -> Iterator[Fault]:
        has_records, has_path = is_given(self.records), is_given(self.staging_path)
        if has_records and has_path:
            yield Fault("records", "is given together with `staging_path`.", "Give only one of the two.")
        elif not has_records and not has_path:
            yield Fault("records", "is missing, and so is `staging_path`.", "Give one of the two.")
        table_known = "table" not in unknown
        if table_known and self.table is not None and (fault := table_fault(self.table)):
            yield fault
            table_known = False  # no other rule judges it
        if "staging_format" not in unknown:
            names_columns = self.columns is not None or self.schema is not None or not _NAMES.isdisjoint(unknown)
            yield from staging_format.faults(self.staging_format, has_columns=names_columns)
            if self.staging_format is not None and not has_path:
                problem, remedy = "has no effect without `staging_path`.", "Leave it out, or give `staging_path`."
                yield Fault("staging_format", problem, remedy)
        if has_path and "staging_path" not in unknown:
            if table_known and not has_records:
                yield from check_staging_path(self.staging_path, self.table)
            else:
                yield from staging_path_faults(self.staging_path)
        if has_records and "records" not in unknown:
            table_matters = table_known and not has_path
            if isinstance(self.records, Mapping) and not is_arrow(self.records):
                yield from self._tables_faults(unknown, table_matters)
            else:
                yield from self._records_faults(table_known=table_matters)

    def _records_faults(self, *, table_known: bool) -> Iterator[Fault]:
        """Yield what is wrong with the records of the only table."""
        if self._holds_none(self.records, None):
            yield self._none_fault(self.table if table_known else None)
        elif not is_records(self.records):
            yield Fault("records", f"is {short(self.records)}.", "Give a list of mappings, or the output of a task.")
        if table_known and self.table is None:
            yield Fault("table", "is missing.", "Name the table of the records.")

    def _tables_faults(self, unknown: Collection[str], table_known: bool) -> Iterator[Fault]:
        """Yield what is wrong with a mapping of tables to their records."""
        tables = {table: records for table, records in self.records.items() if f"records.{table}" not in unknown}
        missing = [table for table, records in tables.items() if self._holds_none(records, table)]
        yield from map(self._none_fault, missing)
        wrong = {
            table: records for table, records in tables.items() if table not in missing and not is_records(records)
        }
        if wrong:
            examples = ", ".join(f"{short(value)} under {short(name)}" for name, value in islice(wrong.items(), 3))
            yield Fault(
                "records",
                f"is a mapping with {examples}{', ...' * (len(wrong) > 3)}.",
                "A mapping maps each table name to a list of records; put a single record into a list.",
            )
        elif table_known and self.table is not None:
            # `sources.python_records` says the same of a mapping that a task returned.
            yield Fault("table", f"is {short(self.table)} beside a mapping of tables.", "Leave one of the two out.")
        yield from filter(None, (table_fault(table) for table in self.records if table not in wrong))
        path = self.fields.get("path")
        if isinstance(path, str) and "path" not in unknown:
            yield from table_faults(path, self.records)
        template = self.fields.get("manifest_path")
        yield from manifest.table_faults(self.manifest, template if isinstance(template, str) else "", self.records)
        yield from ddl_rules.table_faults(self.fields, self.records)

    def _holds_none(self, records: Any, table: str | None) -> bool:
        """Return whether the records of a table are None, or one of the task outputs that they consist of is."""
        is_list_of_outputs = isinstance(records, list) and bool(self._tasks(table))
        return records is None or (is_list_of_outputs and any(output is None for output in records))

    def _none_fault(self, table: str | None) -> Fault:
        of_table = "" if table is None else f" for table {table!r}"
        tasks = ", ".join(map(repr, self._tasks(table)))
        reason = f": {tasks} returned nothing, failed, was skipped, or pushed under another key" if tasks else ""
        return Fault("records", f"is None{of_table}{reason}.", "Return a list; it may be empty.")

    def _tasks(self, table: str | None) -> Sequence[str]:
        return self.sources.get(table) or self.sources.get(None) or ()


def misspelt_faults(names: Iterable[str], known: Collection[str]) -> Iterator[Fault]:
    """Yield a fault for each name that is no argument, with the argument that was probably meant.

    :param known: the names of the arguments.
    """
    for name in names:
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"Did you mean `{near[0]}`?" if near else "Leave it out; the reference has all arguments."
        yield Fault(name, "is no argument.", REFUSED.get(name) or guess)


def table_fault(table: Any) -> Fault | None:
    """Return what keeps a table's name from being part of a key; None if nothing does."""
    if not isinstance(table, str) or table in ("", ".", "..") or not path_template.can_be_in_key(table):
        return Fault("table", f"is {short(table)}.", "Give a name that can be part of a key.")
    if path_template.placeholders(table):
        return Fault("table", f"holds braces: {table!r}.", "Placeholders work in paths only.")
    return None


def table_faults(path: str, tables: Collection[str]) -> Iterator[Fault]:
    """Yield a fault if a path does not keep the tables of a load apart."""
    if len(tables) > 1 and not {"TABLE", "TABLE_HYPHEN"} & path_template.placeholders(path):
        yield Fault("path", f"has no {{{{TABLE}}}}, but the load has {len(tables)} tables.", "Put {{TABLE}} in.")
