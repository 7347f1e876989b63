"""The manifest of a load: one object that lists all others, and is there only while the load is whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_s3dest.delivery.keys import KeyBuilder, LoadIdentity
from airflow_provider_s3dest.delivery.objects import StoredObject
from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import PathTemplate, placeholders, prefix_of_text

KINDS = ("redshift", "s3dest")

VERSION = 1
"""Of the layout of our own kind."""

_ANY_TABLE = "tables"
"""Stands for the table in the UUID of a manifest whose path names none."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a load writes as its manifest.

    :param kind: ``redshift`` or ``s3dest``.
    :param key: where.
    """

    kind: str
    key: str

    @classmethod
    def of(
        cls,
        kind: str,
        spec: DestinationSpec,
        identity: LoadIdentity,
        moment: datetime | None,
        tables: Collection[str],
    ) -> Manifest:
        """Name the manifest of a load.

        :param tables: names of its tables.
        :raises SpecError: if one manifest can't be that of so many tables, or the key can't be made.
        """
        template = spec.manifest_path or f"{prefix_of_text(spec.path)}_manifest/{{{{UUID}}}}.json"
        faults = list(table_faults(kind, template, tables))
        if faults:
            raise SpecError(faults)
        named = {"TABLE", "TABLE_HYPHEN"} & placeholders(template) and tables
        names = KeyBuilder(PathTemplate.parse(template), spec.file_format, identity, moment, field="manifest_path")
        return cls(kind, names.key(next(iter(tables)) if named else _ANY_TABLE, 0, partition="manifest"))

    def content(
        self, spec: DestinationSpec, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject]
    ) -> bytes:
        """Write the manifest.

        :param columns: of each table.
        """
        document = _redshift(spec, objects) if self.kind == "redshift" else _own(spec, columns, objects)
        return json.dumps(document, ensure_ascii=False, indent=1).encode()


def faults(kind: Any) -> Iterator[Fault]:
    """Find what is wrong with the ``manifest`` argument."""
    if kind is not None and kind not in KINDS:
        yield Fault("manifest", f"is {kind!r}.", f"Give one of {', '.join(KINDS)}.")


def table_faults(kind: str | None, template: str, tables: Collection[str]) -> Iterator[Fault]:
    """Find whether one manifest can be that of all tables."""
    if kind is None or len(tables) < 2:
        return
    if kind == "redshift":
        yield Fault(
            "manifest", f"is for COPY, which loads one table, and there are {len(tables)}.", "Use a task a table."
        )
    elif {"TABLE", "TABLE_HYPHEN"} & placeholders(template):
        problem = f"has {{{{TABLE}}}}, and one manifest is that of all {len(tables)} tables."
        yield Fault("manifest_path", problem, "Take it out.")


def _redshift(spec: DestinationSpec, objects: Sequence[StoredObject]) -> dict[str, Any]:
    """Give what COPY takes (Amazon Redshift Database Developer Guide, "Using a manifest to specify data files")."""
    return {
        "entries": [
            {"url": f"s3://{spec.bucket}/{one.key}", "mandatory": True, "meta": {"content_length": one.bytes}}
            for one in objects
        ]
    }


def _own(
    spec: DestinationSpec, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject]
) -> dict[str, Any]:
    tables: dict[str, Any] = {
        table: {"columns": list(names), "records": 0, "bytes": 0, "objects": []} for table, names in columns.items()
    }
    for one in objects:
        table = tables[one.batch.table]
        table["records"] += one.records
        table["bytes"] += one.bytes
        table["objects"].append(
            {
                "uri": f"s3://{spec.bucket}/{one.key}",
                "records": one.records,
                "bytes": one.bytes,
                "crc32": one.crc32,
            }
        )
    return {"version": VERSION, "format": spec.format, "compression": spec.compression, "tables": tables}
