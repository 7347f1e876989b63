"""Builds the keys of a load from its identity, so that a retry writes the same keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any
from uuid import UUID, uuid5

from airflow_provider_s3dest.delivery.objects import QUARANTINE, BatchId
from airflow_provider_s3dest.delivery.partitions import partition_of, values_in
from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.path_template import (
    DATE_FORMATS,
    PathTemplate,
    can_be_in_key,
    escape,
    field_of,
    folder_of,
)

_NAMESPACE = UUID("6f1c2f0e-5a0b-5d3c-9a53-1f6f5a9d7c11")
"""The namespace of all our version 5 UUIDs; with another one, a retry after an upgrade would store records twice."""


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A version 5 UUID as text (RFC 9562)."""


@dataclass(frozen=True, slots=True)
class LoadIdentity:
    """The identity of a load, which is the same in all its attempts.

    :param load: parts that name the load; for a task instance dag_id, run_id, task_id and map_index.
    :param sync: parts that name the run of the task; all its mapped instances share them.
    :param namespace: ``uuid_namespace`` of the spec; it sets apart what has the same parts in another Airflow.
    """

    load: tuple[str | int, ...]
    sync: tuple[str | int, ...]
    namespace: str = ""

    @classmethod
    def of_task_instance(cls, dag_id: str, run_id: str, task_id: str, map_index: int) -> LoadIdentity:
        """Name the load of a task instance."""
        return cls((dag_id, run_id, task_id, map_index), (dag_id, run_id, task_id))

    @classmethod
    def of_load_id(cls, load_id: str) -> LoadIdentity:
        """Name a load by an id that the caller chose."""
        return cls((load_id,), (load_id,))

    @property
    def is_mapped(self) -> bool:
        """Whether the load is that of one instance of a mapped task."""
        return self.load[:-1] == self.sync and self.load[-1] != -1

    @property
    def is_chosen(self) -> bool:
        """Whether the caller of the hook chose it, as ``load_id``."""
        return len(self.load) == 1

    @property
    def load_uuid(self) -> str:
        """A UUID that names the load."""
        return self.uuid(*self.load)

    @property
    def state_uuid(self) -> str:
        """A UUID that names the load in every namespace, so that its state is found after the namespace has changed."""
        return replace(self, namespace="").load_uuid

    @property
    def sync_id(self) -> str:
        """The text of ``{{SYNC_ID}}``."""
        return self.uuid(*self.sync)

    def uuid(self, *parts: str | int) -> str:
        """Return the UUID of some parts in the namespace of the load."""
        within = uuid5(_NAMESPACE, self.namespace) if self.namespace else _NAMESPACE
        # JSON keeps ("a", "b") and ("a,b",) apart, which joining the parts would not.
        return str(uuid5(within, json.dumps(parts)))

    def batch_uuid(self, batch: BatchId, generation: int = 0) -> str:
        """Return the text of ``{{UUID}}`` for the object of one batch."""
        return self.uuid(*self.load, generation, *batch)


class KeyBuilder:
    """Builds the keys of a load.

    Its attribute ``fields`` holds the columns whose values are part of the keys, and so name partitions.

    :param template: the template of the keys.
    :param file_format: the text of ``{{FORMAT}}``.
    :param identity: names the load.
    :param run_date: the date that the run is about; None if it has none.
    :param quarantine: the template for bad records; None if bad records fail the load.
    :param argument: the argument or field of the spec that holds the template; errors name it.
    :raises SpecError: if the template needs a date and the run has none.
    """

    def __init__(
        self,
        template: PathTemplate,
        file_format: str,
        identity: LoadIdentity,
        run_date: datetime | None,
        quarantine: PathTemplate | None = None,
        argument: str = "path",
    ) -> None:
        self._template, self._identity, self._run_date, self._argument = template, identity, run_date, argument
        self._quarantine = None
        if quarantine is not None:
            self._quarantine = KeyBuilder(quarantine, "json", identity, run_date, argument="quarantine_path")
        self._values = {"FORMAT": file_format, "SYNC_ID": identity.sync_id, **_date_values(run_date)}
        needed = template.names & set(DATE_FORMATS)
        if needed and run_date is None:
            problem = f"has {{{{{min(needed)}}}}}, but the run has neither a logical date nor a run_after."
            raise SpecError([Fault(argument, problem, "Use {{SYNC_ID}}, or trigger the run with a date.")])
        self.fields = template.fields
        self._kept_free: dict[str, str] = {}
        self._owners: dict[str, tuple[str, str]] = {}

    def beside(self, template: str, file_format: str, *, argument: str) -> KeyBuilder:
        """Return a builder for other objects of the same load, such as its manifest.

        :param template: the template of their keys.
        :param file_format: the text of ``{{FORMAT}}`` in it.
        :param argument: the argument or field of the spec that holds the template; errors name it.
        """
        return KeyBuilder(PathTemplate.parse(template), file_format, self._identity, self._run_date, argument=argument)

    def key(self, batch: BatchId, *, generation: int = 0) -> str:
        """Return the key of the object of one batch.

        :param generation: the generation that the delivery claimed; it grows when names of earlier attempts must not
            be used again.
        :raises SpecError: if two tables or partitions would share a key, or a name can't be part of one.
        """
        table, partition, number = batch
        if self._quarantine is not None and partition == QUARANTINE:
            return self._quarantine.key(batch, generation=generation)
        values = {**self._table_values(table), **self._partition_values(partition), "BATCH": f"{number:06d}"}
        if "UUID" in self._template.names:
            return self._template.render({**values, "UUID": self._identity.batch_uuid(batch, generation)})
        key = self._template.render(values)
        if key in self._kept_free:
            raise SpecError(
                [Fault(self._kept_free[key], f"gives the key of an object: {key!r}.", "Give another path.")]
            )
        self._check_unshared(key, table, partition)
        return key

    def identifies(self, partition: str) -> bool:
        """Return whether the keys of a partition hold the identity of the load, so that no other load has the same."""
        if self._quarantine is not None and partition == QUARANTINE:
            return self._quarantine.identifies(partition)
        return "UUID" in self._template.names

    def keep_free(self, key: str, argument: str) -> None:
        """Refuse this key for objects, because a manifest or table definition has it.

        :param argument: the argument or field of the spec that the key derives from; the error names it.
        """
        self._kept_free[key] = argument

    def check(self, tables: Iterable[str]) -> None:
        """Check that every table can be part of a key, and that no two tables share a key.

        :raises SpecError: if not.
        """
        for table in tables:
            self.key(BatchId(table, partition_of(self.fields, [None] * len(self.fields)), 0))

    def prefix(self, table: str) -> str:
        """Return the folder that all objects of a table share, with its slash; empty if they share none."""
        return self._template.prefix(self._table_values(table))

    def quarantine_prefix(self, table: str) -> str:
        """Return the folder of the bad records of a table, with its slash; empty if there is none."""
        return "" if self._quarantine is None else self._quarantine.prefix(table)

    def _check_unshared(self, key: str, table: str, partition: str) -> None:
        other_table, other_partition = self._owners.setdefault(key, (table, partition))
        if other_table != table:
            problem = f"gives the tables {other_table!r} and {table!r} the same key {key!r}."
            raise SpecError([Fault(self._argument, problem, "Put {{TABLE}} in.")])
        if other_partition != partition:
            problem = f"gives the partitions {other_partition!r} and {partition!r} the same key {key!r}."
            raise SpecError([Fault("path", problem, "Put a character between the fields, such as `/`.")])

    def _table_values(self, table: Any) -> Mapping[str, str]:
        if not isinstance(table, str) or table in ("", ".", "..") or not can_be_in_key(table):
            raise SpecError([Fault("table", f"{short(table)} can't be part of a key.", "Give the table another name.")])
        return {**self._values, **_table_values(table)}

    def _partition_values(self, partition: str) -> Mapping[str, str]:
        if not self.fields:
            return {}
        values = values_in(partition, self.fields)
        return {name: values[field] for name in self._template.names if (field := field_of(name)) is not None}


def uuids_in(key: str) -> list[str]:
    """Return the version 5 UUIDs that a key holds."""
    return _UUID.findall(key)


def stable_prefix(path: str, table: str) -> str:
    """Return the folder that the objects of a table share in all runs, with its slash; empty if they share none.

    :param path: the template as it was written, with the Jinja in it not rendered.

    Example::

        >>> stable_prefix("raw/{{TABLE}}/{{ ds }}/{{UUID}}.csv", "planes")
        'raw/planes/'
    """
    return folder_of(path, _table_values(table))


def _table_values(table: str) -> dict[str, str]:
    return {"TABLE": escape(table), "TABLE_HYPHEN": escape(table.replace("_", "-"))}


def _date_values(run_date: datetime | None) -> dict[str, str]:
    if run_date is None:
        return {}
    in_utc = run_date.astimezone(timezone.utc) if run_date.tzinfo else run_date
    # strftime pads the year on some platforms only.
    return {name: in_utc.strftime(form).zfill(4 if name == "YEAR" else 2) for name, form in DATE_FORMATS.items()}
