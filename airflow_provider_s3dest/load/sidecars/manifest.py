"""The manifest of a load: one object that lists all others, and that exists only while the load is complete."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.delivery.keys import KeyBuilder
from airflow_provider_s3dest.delivery.objects import ANY_TABLE, MANIFEST, BatchId, StoredObject
from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import placeholders, prefix_of_text

if TYPE_CHECKING:
    from airflow_provider_s3dest.load.transforms import PreparedTable

KINDS = ("redshift", "s3dest")

VERSION = 1
"""Version of the layout of the kind ``s3dest``."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a load.

    :param kind: ``redshift`` or ``s3dest``.
    :param key: key of the manifest.
    :param spec: the spec of the load.
    """

    kind: str
    key: str
    spec: DestinationSpec

    @classmethod
    def of(cls, kind: str, spec: DestinationSpec, keys: KeyBuilder, tables: Collection[str]) -> Manifest:
        """Return the manifest of a load, with its key.

        :param keys: builds the keys of the load.
        :param tables: names of its tables.
        :raises SpecError: if one manifest can't list so many tables, or its key can't be made.
        """
        template = template_of(spec)
        faults = list(table_faults(kind, template, tables))
        if faults:
            raise SpecError(faults)
        is_named = {"TABLE", "TABLE_HYPHEN"} & placeholders(template) and tables
        batch = BatchId(next(iter(tables)) if is_named else ANY_TABLE, MANIFEST, 0)
        return cls(kind, keys.beside(template, spec.file_format, argument="manifest_path").key(batch), spec)

    @property
    def keys(self) -> Sequence[str]:
        return [self.key]

    def add(self, table: PreparedTable) -> None:
        """Do nothing: the manifest lists objects, whatever their tables."""

    def contents(
        self, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject]
    ) -> Iterator[tuple[str, bytes, str]]:
        spec = self.spec
        document = _redshift(spec, objects) if self.kind == "redshift" else _s3dest(spec, columns, objects)
        yield self.key, json.dumps(document, ensure_ascii=False, indent=1).encode(), "application/json"

    def report_fields(self) -> Mapping[str, Any]:
        return {"manifest": f"s3://{self.spec.bucket}/{self.key}"}

    def log_written(self) -> None:
        """Log nothing: the report names the manifest."""


def template_of(spec: DestinationSpec) -> str:
    """Return the template of the manifest's key."""
    return spec.manifest_path or f"{prefix_of_text(spec.path)}_manifest/{{{{UUID}}}}.json"


def faults(kind: Any) -> Iterator[Fault]:
    """Yield what is wrong with the ``manifest`` argument."""
    if kind is not None and kind not in KINDS:
        yield Fault("manifest", f"is {kind!r}.", f"Give one of {', '.join(KINDS)}.")


def table_faults(kind: str | None, template: str, tables: Collection[str]) -> Iterator[Fault]:
    """Yield why one manifest can't list all tables."""
    if kind is None or len(tables) < 2:
        return
    if kind == "redshift":
        yield Fault(
            "manifest",
            f"is for COPY, which loads one table, but the load has {len(tables)} tables.",
            "Use one task for each table.",
        )
    elif {"TABLE", "TABLE_HYPHEN"} & placeholders(template):
        problem = f"has {{{{TABLE}}}}, but one manifest lists all {len(tables)} tables."
        yield Fault("manifest_path", problem, "Take it out.")


def _redshift(spec: DestinationSpec, objects: Sequence[StoredObject]) -> dict[str, Any]:
    """Return the document that COPY reads.

    Amazon Redshift Database Developer Guide, "Using a manifest to specify data files".
    """
    return {
        "entries": [
            {"url": f"s3://{spec.bucket}/{one.key}", "mandatory": True, "meta": {"content_length": one.bytes}}
            for one in objects
        ]
    }


def _s3dest(
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
