"""The file that a reader reads: what its errors name, and where its bad records go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.errors import Place, RecordError
from airflow_provider_s3dest.records.bad_records import BadRecords


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A staged file, as its reader knows it.

    :param table: name of the table that its records belong to.
    :param bad: quarantines the records that are wrong by themselves; None: the first of them ends the load.
    :param encoding: the encoding of a text file; readers get its text in UTF-8.
    :param max_record_bytes: how long a record of text may be; None: the default.
    """

    table: str
    path: str
    bad: BadRecords | None = None
    encoding: str = "utf-8"
    max_record_bytes: int | None = None

    def error(self, line: int, problem: str, remedy: str, **details: Any) -> RecordError:
        """Return the error for the record that begins on a line.

        :param details: further arguments of :class:`RecordError`.
        """
        return RecordError(problem, remedy, table=self.table, place=Place(file=self.path, line=line), **details)

    def refuse(self, error: RecordError, original: str | bytes) -> None:
        """Quarantine a record, or end the load with its error.

        :param original: the record as it stands in the file.
        """
        if self.bad is None:
            raise error
        self.bad.add(error, original)


def option(name: str, value: Any) -> str:
    """Return how a remedy names an option of ``staging_format``."""
    return f"`staging_format={json.dumps({name: value})}`"
