"""The table definitions of a load: one object for each table and dialect, written as the manifest is."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.errors import Fault, MissingExtraError, SpecError
from airflow_provider_s3dest.load.sidecars.ddl import athena, redshift
from airflow_provider_s3dest.load.sidecars.ddl.sql_types import columns_of
from airflow_provider_s3dest.load.sidecars.ddl.table import TableData
from airflow_provider_s3dest.load.sidecars.manifest import Manifest
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import PathTemplate, prefix_of_text

log = logging.getLogger(__name__)

_STATEMENTS = {"athena": athena.statements, "redshift": redshift.statements}


class TableDefinitions:
    """What a load writes as its table definitions.

    :param names: of the objects of the load, none of which may have the key of a definition.
    :param tables: names of its tables.
    :param manifest: that of the load, if it has one.
    :raises SpecError: if the keys can't be made, two are one, or a definition or bad records would be read as data.

    ``keys`` are where they are written.
    """

    def __init__(
        self,
        spec: DestinationSpec,
        names: KeyBuilder,
        identity: LoadIdentity,
        moment: datetime | None,
        tables: Collection[str],
        manifest: Manifest | None = None,
    ) -> None:
        self._spec, self._names = spec, names
        self._copied = manifest.key if manifest and manifest.kind == "redshift" else None
        self._contents: dict[str, bytes] = {}
        self._keys: dict[tuple[str, str], str] = {}
        if not spec.ddl:
            return
        template = spec.ddl_path or f"{prefix_of_text(spec.path)}_ddl/{{{{TABLE}}}}-{{{{UUID}}}}.{{{{FORMAT}}}}"
        for dialect in spec.ddl:
            own = KeyBuilder(PathTemplate.parse(template), f"{dialect}.sql", identity, moment, field="ddl_path")
            for table in tables:
                key = self._keys[table, dialect] = own.key(table, 0, partition="ddl")
                names.keep_free(key, "ddl_path")
        beside = [manifest.key] if manifest else []
        _check_keys([*self.keys, *beside])
        self._check_folders(tables, [*self.keys, *beside])

    @property
    def keys(self) -> Sequence[str]:
        """Give the keys of all definitions."""
        return list(self._keys.values())

    def add(self, typed: Table, named: Table, columns: Sequence[str]) -> None:
        """Spell the definitions of a table; called before anything of it is written.

        :param typed: the table as it knows its types.
        :param named: the same with the names that its columns have in the end.
        :param columns: those of the objects.
        :raises SpecError: if a dialect can't say what the objects hold.
        """
        if not self._keys:
            return
        table = named.name
        known = {column.name: column for column in columns_of(named.columns, _kinds_of(typed))}
        inside = tuple(known[name] for name in columns)
        partitions = tuple(known[name] for name in self._spec.partition_fields if name in known)
        if not {*columns} - {*self._spec.partition_fields}:
            log.warning("Table %s: no definition is written, as no column beside those of the path is known.", table)
            return
        data = TableData(table, inside, partitions, self._spec, self._names.prefix(table), self._copied)
        for dialect in self._spec.ddl:
            self._contents[self._keys[table, dialect]] = _STATEMENTS[dialect](data).encode()

    def contents(self) -> Mapping[str, bytes]:
        """Give what is written, by key."""
        return self._contents

    def tell(self) -> None:
        """Say in the log where they are."""
        for key in self._contents:
            log.info("Table definition: s3://%s/%s", self._spec.bucket, key)

    def _check_folders(self, tables: Collection[str], beside: Collection[str]) -> None:
        folders: dict[str, str] = {}
        for table in tables:
            folder = self._names.prefix(table)
            other = folders.setdefault(folder, table)
            if other != table:
                raise _fault("ddl", f"needs a folder for each table, and {other!r} and {table!r} share {folder!r}.")
            if "athena" in self._spec.ddl and (seen := [key for key in beside if _is_read(key, folder)]):
                problem = f"makes data of {seen[0]!r} in Athena: it lies in the folder of table {table!r}."
                raise _fault("ddl_path", problem, "Let a name in it begin with `_`, or give another folder.")
            by_prefix = "redshift" in self._spec.ddl and self._copied is None
            if by_prefix and (inside := [key for key in beside if key.startswith(folder)]):
                problem = f"makes COPY load {inside[0]!r}, which lies in the folder of table {table!r}."
                raise _fault("ddl_path", problem, "Give another folder, or `manifest='redshift'`.")
            aside = [prefix for prefix in map(self._names.quarantine_prefix, tables) if prefix.startswith(folder)]
            if by_prefix and aside:
                problem = f"makes COPY load what lies in {aside[0]!r}, below the folder of table {table!r}."
                raise _fault("quarantine_path", problem, "Give another folder, or `manifest='redshift'`.")
        if "athena" in self._spec.ddl:
            named = [athena.table_name(table) for table in tables]
            if twice := sorted({name for name in named if named.count(name) > 1}):
                raise _fault("ddl", f"has two tables that are {twice[0]!r} in Athena.")


def _kinds_of(table: Table) -> Sequence[Any]:
    """Give the ``pyarrow.DataType`` of each column of a table; None where none is known."""
    if table.schema is not None:
        return [table.schema.field(column).type for column in table.columns]
    return [_told(table, column) for column in table.columns]


def _told(table: Table, column: str) -> Any:
    """Ask the source; where its files disagree, the column is text, as it is where there is no pyarrow."""
    try:
        return table.types([column]).get(column) if table.types else None
    except (SpecError, MissingExtraError):
        return None


def _check_keys(keys: Sequence[str]) -> None:
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise _fault("ddl_path", f"gives two objects the key {twice[0]!r}.", "Put {{TABLE}} and {{FORMAT}} in.")


def _is_read(key: str, folder: str) -> bool:
    """Say whether a query engine takes an object for data of a folder: hidden is what begins with ``_`` or ``.``."""
    return key.startswith(folder) and not any(name[:1] in ("_", ".") for name in key[len(folder) :].split("/"))


def _fault(key: str, problem: str, remedy: str = "Put {{TABLE}}/ into `path`.") -> SpecError:
    return SpecError([Fault(key, problem, remedy)])
