"""The protocol of a sidecar: one or more objects that tell readers about the other objects of a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow_provider_s3dest.delivery.objects import StoredObject
    from airflow_provider_s3dest.load.transforms import PreparedTable


class Sidecar(Protocol):
    """Objects that a load writes about its other objects, once all of these are complete."""

    @property
    def keys(self) -> Sequence[str]:
        """Every key that may be written."""
        ...

    def add(self, table: PreparedTable) -> None:
        """Add a table; called before any record of the table is written.

        :raises SpecError: if the sidecar can't describe the table.
        """
        ...

    def contents(
        self, columns: Mapping[str, Sequence[str]], objects: Sequence[StoredObject]
    ) -> Iterable[tuple[str, bytes, str]]:
        """Yield key, content and Content-Type of each object of the sidecar.

        :param columns: the columns of each table.
        :param objects: the objects of the load, without those of bad records.
        """
        ...

    def report_fields(self) -> Mapping[str, Any]:
        """Return the fields of the report that name the sidecar."""
        ...

    def log_written(self) -> None:
        """Log where the sidecar lies."""
        ...
