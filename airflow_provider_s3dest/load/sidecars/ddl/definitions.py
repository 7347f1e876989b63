"""The table definitions of a load: one object for each table and dialect, written when the manifest is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.objects import DDL, BatchId, StoredObject
from airflow_provider_s3dest.errors import Fault, MissingExtraError, SpecError
from airflow_provider_s3dest.load.sidecars.ddl import athena, redshift
from airflow_provider_s3dest.load.sidecars.ddl.sql_types import columns_of
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import prefix_of_text

if TYPE_CHECKING:
    from airflow_provider_s3dest.load.transforms import PreparedTable

log = safe_logger(__name__)

_STATEMENTS = {"athena": athena.statements, "redshift": redshift.statements}


class TableDefinitions:
    """The table definitions of a load.

    :param spec: the spec of the load.
    :param keys: builds the keys of the load, and keeps those of the definitions free.
    :param tables: names of the tables.
    :param manifest: the manifest of the load, if it has one.
    :raises SpecError: if the keys can't be made, two are the same, or a reader would take a definition or bad records
        for data.
    """

    def __init__(
        self, spec: DestinationSpec, keys: KeyBuilder, tables: Collection[str], manifest: Manifest | None = None
    ) -> None:
        self._spec, self._data_keys = spec, keys
        self._copied = manifest.key if manifest and manifest.kind == "redshift" else None
        self._texts: dict[str, str] = {}
        self._keys: dict[tuple[str, str], str] = {}
        template = template_of(spec)
        for dialect in spec.ddl:
            builder = keys.beside(template, f"{dialect}.sql", argument="ddl_path")
            for table in tables:
                key = self._keys[table, dialect] = builder.key(BatchId(table, DDL, 0))
                keys.keep_free(key, "ddl_path")
        sidecars = [*self.keys, *(manifest.keys if manifest else ())]
        _check_keys(sidecars)
        self._check_folders(tables, sidecars)

    @property
    def keys(self) -> Sequence[str]:
        return list(self._keys.values())

    def add(self, table: PreparedTable) -> None:
        name, columns = table.named.name, table.written.columns
        by_name = {column.name: column for column in columns_of(table.named.columns, _types_of(table.typed))}
        inside = tuple(by_name[column] for column in columns)
        partitions = tuple(by_name[field] for field in self._spec.partition_fields if field in by_name)
        if not {*columns} - {*self._spec.partition_fields}:
            log.warning(
                "Table %s: no definition is written, because no column is known besides those of the path.", name
            )
            return
        data = TableData(name, inside, partitions, self._spec, self._data_keys.prefix(name), self._copied)
        for dialect in self._spec.ddl:
            self._texts[self._keys[name, dialect]] = _STATEMENTS[dialect](data)

    def contents(
        self, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject]
    ) -> Iterator[tuple[str, bytes, str]]:
        for key, text in self._texts.items():
            yield key, text.encode(), "application/sql"

    def report_fields(self) -> Mapping[str, Any]:
        return {}

    def log_written(self) -> None:
        for key in self._texts:
            log.info("Table definition: s3://%s/%s", self._spec.bucket, key)

    def _check_folders(self, tables: Collection[str], sidecars: Collection[str]) -> None:
        folders: dict[str, str] = {}
        for table in tables:
            folder = self._data_keys.prefix(table)
            other = folders.setdefault(folder, table)
            if other != table:
                raise _fault("ddl", f"needs a folder for each table, but {other!r} and {table!r} share {folder!r}.")
            if "athena" in self._spec.ddl and (seen := [key for key in sidecars if _is_read(key, folder)]):
                problem = f"gives {seen[0]!r}, which Athena reads as data: it lies in the folder of table {table!r}."
                raise _fault("ddl_path", problem, "Let a name in it begin with `_`, or give another folder.")
            by_prefix = "redshift" in self._spec.ddl and self._copied is None
            if by_prefix and (inside := [key for key in sidecars if key.startswith(folder)]):
                problem = f"gives {inside[0]!r}, which COPY loads: it lies in the folder of table {table!r}."
                raise _fault("ddl_path", problem, "Give another folder, or `manifest='redshift'`.")
            quarantines = [
                prefix for prefix in map(self._data_keys.quarantine_prefix, tables) if prefix.startswith(folder)
            ]
            if by_prefix and quarantines:
                problem = f"gives {quarantines[0]!r}, which COPY loads: it lies in the folder of table {table!r}."
                raise _fault("quarantine_path", problem, "Give another folder, or `manifest='redshift'`.")
        if "athena" in self._spec.ddl:
            named = [athena.table_name(table) for table in tables]
            if twice := sorted({name for name in named if named.count(name) > 1}):
                raise _fault("ddl", f"gives two tables the name {twice[0]!r} in Athena.")


def template_of(spec: DestinationSpec) -> str:
    """Return the template of the definitions' keys."""
    return spec.ddl_path or f"{prefix_of_text(spec.path)}_ddl/{{{{TABLE}}}}-{{{{UUID}}}}.{{{{FORMAT}}}}"


def _types_of(table: Table) -> Sequence[Any]:
    """Return the ``pyarrow.DataType`` of each column of a table; None where no type is known."""
    if table.schema is not None:
        return [table.schema.field(column).type for column in table.columns]
    return [_type_in_source(table, column) for column in table.columns]


def _type_in_source(table: Table, column: str) -> Any:
    """Return the type that the source has for a column; None without pyarrow, and if its files disagree."""
    try:
        return table.types([column]).get(column) if table.types else None
    except (SpecError, MissingExtraError):
        return None


def _check_keys(keys: Sequence[str]) -> None:
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise _fault("ddl_path", f"gives two objects the key {twice[0]!r}.", "Put {{TABLE}} and {{FORMAT}} in.")


def _is_read(key: str, folder: str) -> bool:
    """Return whether query engines read an object of a folder; they skip names that begin with ``_`` or ``.``."""
    return key.startswith(folder) and not any(name[:1] in ("_", ".") for name in key[len(folder) :].split("/"))


def _fault(key: str, problem: str, remedy: str = "Put {{TABLE}}/ into `path`.") -> SpecError:
    return SpecError([Fault(key, problem, remedy)])
