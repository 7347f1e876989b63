"""What a table definition is made of, and what every dialect refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.load.sidecars.ddl.sql_types import Column, SqlType
from airflow_provider_s3dest.spec import DestinationSpec


@dataclass(frozen=True, slots=True)
class TableData:
    """Where the objects of a table lie, and what is in them.

    :param name: of the table, as it was given.
    :param columns: those of the objects, in order.
    :param partitions: those of ``{{FIELD.name}}`` in the path, in order.
    :param folder: of the bucket, with its slash: what all its objects share.
    :param manifest: key of the load's manifest for COPY, if it has one.
    """

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]
    spec: DestinationSpec
    folder: str
    manifest: str | None = None

    def refusal(self, problem: str, remedy: str) -> SpecError:
        """Build the error for what can't be defined."""
        return SpecError([Fault("ddl", f"{problem} (table {short(self.name)}).", remedy)])

    def untyped(self, dialect: str, column: str, kind: SqlType) -> SpecError:
        """Build the error for a column of Parquet for which a dialect has no type."""
        problem = f"{dialect} has no type that reads {kind.arrow} of Parquet, the type of column {short(column)}"
        remedies = {
            "uint": "int64 or decimal(20,0)",
            "float": "float32",
            "decimal": "decimal(38,s), or string",
            "timestamp": "timestamp[us]",
            "timestamptz": "timestamp[us, tz=UTC]",
        }
        return self.refusal(problem, f"Give it another with `schema`: {remedies.get(kind.family, 'string')}.")

    def check_names(self, dialect: str, fault_of: Callable[[str], str]) -> None:
        """See that every column can be named.

        :param fault_of: says what is wrong with a name; empty if nothing is.
        :raises SpecError: if one can't, or two are one where capitals are small letters.
        """
        seen: dict[str, str] = {}
        for column in (*self.columns, *self.partitions):
            if problem := fault_of(column.name):
                raise self.refusal(
                    f"column {short(column.name)} {problem}", "Rename it upstream, or leave it out with `columns`."
                )
            other = seen.setdefault(column.name.lower(), column.name)
            if other != column.name:
                problem = f"columns {short(other)} and {short(column.name)} are one name to {dialect}, which folds case"
                raise self.refusal(problem, "Rename one upstream.")
