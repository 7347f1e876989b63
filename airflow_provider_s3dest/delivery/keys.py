"""Names the objects of a load from its identity, so that a retry writes the same names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid5

from airflow_provider_s3dest.delivery.objects import QUARANTINE
from airflow_provider_s3dest.delivery.partitions import partition_of, values_in
from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.path_template import (
    DATE_FORMATS,
    PathTemplate,
    escape,
    field_of,
    folder_of,
    is_unicode,
)

_NAMESPACE = UUID("6f1c2f0e-5a0b-5d3c-9a53-1f6f5a9d7c11")
"""The namespace of all our version 5 UUIDs; a change of it would make every retry a duplicate."""


@dataclass(frozen=True, slots=True)
class LoadIdentity:
    """What stays the same over all tries of a load.

    :param load: parts that name the load; of a task instance dag_id, run_id, task_id and map_index.
    :param sync: parts that name the run of the task, one for all its mapped instances.
    """

    load: tuple[str | int, ...]
    sync: tuple[str | int, ...]

    @classmethod
    def of_task_instance(cls, dag_id: str, run_id: str, task_id: str, map_index: int) -> LoadIdentity:
        """Name the load of a task instance."""
        return cls((dag_id, run_id, task_id, map_index), (dag_id, run_id, task_id))

    @classmethod
    def of_load_id(cls, load_id: str) -> LoadIdentity:
        """Name a load by an id of the caller's."""
        return cls((load_id,), (load_id,))

    @property
    def load_uuid(self) -> str:
        """A UUID that names the load."""
        return _uuid(*self.load)

    @property
    def sync_id(self) -> str:
        """The text of ``{{SYNC_ID}}``."""
        return _uuid(*self.sync)


class KeyBuilder:
    """Makes the keys of a load.

    :param template: the path.
    :param file_format: the text of ``{{FORMAT}}``.
    :param identity: what the load is.
    :param moment: the run's logical date, or when it was due; None if it has neither.
    :param quarantine: the path of bad records, if they are set aside.
    :param field: the argument or field of the spec that gives the template, for the errors.

    ``fields`` are the columns whose values are part of the keys, and so name partitions.
    """

    def __init__(
        self,
        template: PathTemplate,
        file_format: str,
        identity: LoadIdentity,
        moment: datetime | None,
        quarantine: PathTemplate | None = None,
        field: str = "path",
    ) -> None:
        self._template, self._identity, self._field = template, identity, field
        self._quarantine = None
        if quarantine is not None:
            self._quarantine = KeyBuilder(quarantine, "json", identity, moment, field="quarantine_path")
        self._values = {"FORMAT": file_format, "SYNC_ID": identity.sync_id, **_date_values(moment)}
        needed = template.names & set(DATE_FORMATS)
        if needed and moment is None:
            problem = f"has {{{{{min(needed)}}}}}, and the run has neither a logical date nor a run_after."
            raise SpecError([Fault(field, problem, "Use {{SYNC_ID}}, or trigger the run with a date.")])
        self.fields = template.fields
        self._kept_free: dict[str, str] = {}
        self._keys: dict[str, tuple[str, str]] = {}

    def key(self, table: str, batch: int, *, partition: str = "", generation: int = 0) -> str:
        """Give the key of the object of one batch.

        :param table: name of the table.
        :param batch: number of the batch within its table and partition, from 0.
        :param partition: name of the partition; empty without.
        :param generation: what the delivery claimed; grows when names of earlier tries must not be used again.
        :raises SpecError: if two tables or partitions would share a key, or a name can't be part of one.
        """
        if self._quarantine is not None and partition == QUARANTINE:
            return self._quarantine.key(table, batch, partition=partition, generation=generation)
        values = {**self._of_table(table), **self._of_partition(partition)}
        if "UUID" in self._template.names:
            parts = (*self._identity.load, generation, table, partition, batch)
            return self._template.render({**values, "BATCH": f"{batch:06d}", "UUID": _uuid(*parts)})
        key = self._template.render({**values, "BATCH": f"{batch:06d}"})
        if key in self._kept_free:
            raise SpecError([Fault(self._kept_free[key], f"gives the key of an object: {key!r}.", "Give another.")])
        other, part = self._keys.setdefault(key, (table, partition))
        if other != table:
            problem = f"gives the tables {other!r} and {table!r} the same key {key!r}."
            raise SpecError([Fault(self._field, problem, "Put {{TABLE}} in.")])
        if part != partition:
            problem = f"gives the partitions {part!r} and {partition!r} the same key {key!r}."
            raise SpecError([Fault("path", problem, "Put something between the fields.")])
        return key

    def keep_free(self, key: str, field: str) -> None:
        """Let no object have a key that a field of the spec gave away."""
        self._kept_free[key] = field

    def check(self, tables: Iterable[str]) -> None:
        """See, before anything is written, that every table can be part of a key, and that none shares another's.

        :raises SpecError: if not.
        """
        for table in tables:
            self.key(table, 0, partition=partition_of(self.fields, [None] * len(self.fields)))

    def prefix(self, table: str) -> str:
        """Give the folder that all objects of a table share, with its slash; empty if they share none."""
        return self._template.prefix(self._of_table(table))

    def quarantine_prefix(self, table: str) -> str:
        """Give the folder of a table's bad records, with its slash; empty if there is none."""
        return "" if self._quarantine is None else self._quarantine.prefix(table)

    def _of_table(self, table: Any) -> Mapping[str, str]:
        if not isinstance(table, str) or table in ("", ".", "..") or not is_unicode(table):
            raise SpecError([Fault("table", f"{short(table)} can't be part of a key.", "Name the table otherwise.")])
        return {**self._values, **_table_values(table)}

    def _of_partition(self, partition: str) -> Mapping[str, str]:
        if not self.fields:
            return {}
        values = values_in(partition, self.fields)
        return {name: values[field] for name in self._template.names if (field := field_of(name)) is not None}


def stable_prefix(path: str, table: str) -> str:
    """Give the folder that the objects of a table share in all runs, with its slash; empty if they share none.

    :param path: the template as it was written, Jinja in it not rendered.

    Example::

        >>> stable_prefix("raw/{{TABLE}}/{{ ds }}/{{UUID}}.csv", "planes")
        'raw/planes/'
    """
    return folder_of(path, _table_values(table))


def _table_values(table: str) -> dict[str, str]:
    return {"TABLE": escape(table), "TABLE_HYPHEN": escape(table.replace("_", "-"))}


def _date_values(moment: datetime | None) -> dict[str, str]:
    if moment is None:
        return {}
    in_utc = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    # strftime pads the year on some platforms only.
    return {name: in_utc.strftime(form).zfill(4 if name == "YEAR" else 2) for name, form in DATE_FORMATS.items()}


def _uuid(*parts: str | int) -> str:
    # JSON keeps ("a", "b") and ("a,b",) apart.
    return str(uuid5(_NAMESPACE, json.dumps(parts)))
