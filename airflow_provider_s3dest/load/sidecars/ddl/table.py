"""What table definitions are made from, and what every dialect refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.load.sidecars.ddl.sql_types import Column, SqlType
from airflow_provider_s3dest.spec import DestinationSpec


@dataclass(frozen=True, slots=True)
class TableData:
    """Where the objects of a table lie, and what is in them.

    :param name: name of the table, as the user gave it.
    :param columns: the columns of the objects, in order.
    :param partitions: the columns of ``{{FIELD.name}}`` in the path, in order.
    :param spec: the spec of the load.
    :param folder: the folder that all objects of the table share, with its slash.
    :param manifest: key of the load's manifest for COPY; None: the load has none.
    """

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]
    spec: DestinationSpec
    folder: str
    manifest: str | None = None

    def refusal(self, problem: str, remedy: str) -> SpecError:
        """Return the error for a table that can't be defined."""
        return SpecError([Fault("ddl", f"{problem} (table {short(self.name)}).", remedy)])

    def untyped(self, dialect: str, column: str, sql_type: SqlType) -> SpecError:
        """Return the error for a column of Parquet for which a dialect has no type."""
        problem = f"{dialect} has no type that reads {sql_type.arrow} of Parquet, the type of column {short(column)}"
        remedies = {
            "uint": "int64 or decimal(20,0)",
            "float": "float32",
            "decimal": "decimal(38,s), or string",
            "timestamp": "timestamp[us]",
            "timestamptz": "timestamp[us, tz=UTC]",
        }
        return self.refusal(problem, f"Give it another type with `schema`: {remedies.get(sql_type.family, 'string')}.")

    def check_names(self, dialect: str, fault_of: Callable[[str], str]) -> None:
        """Check that every column has a name that the dialect takes.

        :param fault_of: returns what is wrong with a name; empty if nothing is.
        :raises SpecError: if a name is wrong, or two names differ only by capitals.
        """
        seen: dict[str, str] = {}
        for column in (*self.columns, *self.partitions):
            if problem := fault_of(column.name):
                raise self.refusal(
                    f"column {short(column.name)} {problem}", "Rename it upstream, or leave it out with `columns`."
                )
            other = seen.setdefault(column.name.lower(), column.name)
            if other != column.name:
                problem = f"columns {short(other)} and {short(column.name)} have the same name in {dialect}"
                raise self.refusal(f"{problem}, which ignores capitals", "Rename one upstream.")
