"""The errors that a user of the S3 destination can meet; each says where, what and the way out."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def short(value: object) -> str:
    """Spell a value for an error message, cut to about 80 characters."""
    try:
        return _SHORT.repr(value)
    except Exception:  # a value whose __repr__ fails must not hide the error that names it
        return f"<{type(value).__name__}>"


class S3DestinationError(Exception):
    """Any error of the S3 destination.

    ``final`` says that no retry can mend it; the operator then fails its task for good.
    """

    final: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a destination spec or with an argument: its key, what is wrong, the way out."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"`{self.key}`: {self.problem} {self.remedy}".rstrip()


class SpecError(S3DestinationError, ValueError):
    """A destination spec, or an argument of the operator or hook, is wrong; lists all faults at once.

    Example::

        >>> str(SpecError([Fault("bucket", "is required.", "Give the name of the bucket.")]))
        '`bucket`: is required. Give the name of the bucket.'
    """

    def __init__(self, faults: Sequence[Fault], subject: str = "") -> None:
        self.faults = tuple(faults)
        self.subject = subject
        lines = [str(fault) for fault in self.faults]
        if len(lines) > 1:
            lines = [f"{len(lines)} faults:", *(f"  - {line}" for line in lines)]
        text = "\n".join(lines)
        super().__init__(f"{subject}: {text}" if subject else text)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record came from: its index in what was handed over, or its file and first line there."""

    index: int | None = None
    """Position among the records of its table, from 0; None for a staged file."""
    file: str | None = None
    line: int | None = None
    """First line of the record in its file, from 1; for a typed file the row, from 1."""
    unit: str = "line"

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.file}, {self.unit} {self.line}"
        return f"record {self.index}"


class RecordError(S3DestinationError, ValueError):
    """One record can't be delivered as it is: names its table, place, column and value, and the way out.

    ``separable`` says that it is this record alone that is wrong, so that the others can be delivered without it.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        *,
        table: str,
        place: Place,
        column: str | None = None,
        value: Any = None,
        separable: bool = True,
    ) -> None:
        self.table, self.place, self.column, self.value, self.remedy = table, place, column, value, remedy
        self.index, self.file, self.line = place.index, place.file, place.line
        self.separable = separable
        where = f"table {table!r}, {place}" + (f", column {column!r}" if column is not None else "")
        super().__init__(f"{where}: {problem} {remedy}")


class BadRecordsError(S3DestinationError):
    """More records can't be delivered as they are than ``max_bad_records`` allows."""


class StagingError(S3DestinationError):
    """A staging path matches nothing, or a staged file can't be read at all."""

    def __init__(self, message: str, *, final: bool = True) -> None:
        self.final = final
        super().__init__(message)


class MissingExtraError(S3DestinationError):
    """An input needs a library that is not installed."""


class StoreError(S3DestinationError):
    """S3 refused a request or could not be reached; ``final`` unless another try may succeed.

    :param code: the error code of S3's answer; empty if there was none.
    :param denied: whether a right is missing.
    :param refused_key: whether the key itself is unknown, wrong or expired.
    """

    def __init__(
        self, message: str, *, final: bool, code: str = "", denied: bool = False, refused_key: bool = False
    ) -> None:
        self.final, self.code, self.denied, self.refused_key = final, code, denied, refused_key
        super().__init__(message)


class SupersededError(S3DestinationError):
    """A newer try of the same task instance owns the load; this one stops and changes nothing more."""


class LoadStoppedError(S3DestinationError):
    """The load was told to stop, by a kill or a timeout of its task."""

    final = False
