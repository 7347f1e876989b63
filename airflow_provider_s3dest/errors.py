"""The errors that a user of the S3 destination can meet: each says where, what is wrong, and what to do."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_s3dest.safe_text import shown


class _Repr(reprlib.Repr):
    def repr_instance(self, x: Any, level: int) -> str:
        # The repr of a subclass writes all that it holds, which may have no end.
        for base in (dict, list, tuple, set, frozenset):
            if isinstance(x, base):
                return f"{type(x).__name__}({getattr(self, f'repr_{base.__name__}')(base(x), level)})"
        if isinstance(x, Mapping):
            return f"{type(x).__name__}({self.repr_dict(dict(x), level)})"
        return super().repr_instance(x, level)


_SHORT = _Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def short(value: object) -> str:
    """Format a value for an error message, cut to about 80 characters."""
    try:
        return _SHORT.repr(value)
    except Exception:  # a value whose __repr__ fails must not hide the error that the message is for
        return f"<{type(value).__name__}>"


class S3DestinationError(Exception):
    """Any error of the S3 destination.

    ``final`` says that no retry can help; the operator then fails its task without further attempts.

    :param message: may quote data and paths; control characters in it are escaped, and credentials taken out of URLs.
    :param lines: further lines.
    """

    final: bool = True

    def __init__(self, message: str = "", lines: Sequence[str] = ()) -> None:
        super().__init__("\n".join(map(shown, (message, *lines))))


def cut_unsafe_causes(error: S3DestinationError) -> None:
    """Take away the errors of others behind an error, where their texts are not safe to show.

    Airflow's log prints them as they are, and errors of pyarrow, for instance, quote values.
    """
    waiting, seen = [error], {id(error)}
    for one in waiting:
        for link in ("__cause__", "__context__"):
            behind: Any = getattr(one, link)
            if behind is None or id(behind) in seen:
                continue
            if isinstance(behind, S3DestinationError) or shown(behind) == str(behind):
                seen.add(id(behind))
                waiting.append(behind)
            else:
                setattr(one, link, None)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a destination spec or an argument: the field, the problem and the remedy.

    :param public: the same fault without the values that it quotes; None if it quotes none.
    """

    key: str
    problem: str
    remedy: str
    public: Fault | None = None

    def __str__(self) -> str:
        return f"`{self.key}`: {self.problem} {self.remedy}".rstrip()


class SpecError(S3DestinationError, ValueError):
    """A destination spec, or an argument of the operator or hook, is wrong; the message lists all faults at once.

    :param faults: everything that is wrong.
    :param subject: what the faults are about, for the beginning of the message.

    Example::

        >>> str(SpecError([Fault("bucket", "is required.", "Give the name of the bucket.")]))
        '`bucket`: is required. Give the name of the bucket.'
    """

    def __init__(self, faults: Sequence[Fault], subject: str = "") -> None:
        self.faults = tuple(faults)
        self.subject = subject
        lines = [str(fault) for fault in self.faults]
        if len(lines) != 1:
            lines = [f"{len(lines)} faults:", *(f"  - {line}" for line in lines)]
        super().__init__(f"{subject}: {lines[0]}" if subject else lines[0], lines[1:])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record came from: its index among the given records, or its file and its first line there."""

    index: int | None = None
    """Position among the records of its table, from 0; None for a staged file."""
    file: str | None = None
    line: int | None = None
    """First line of the record in its file, from 1; for a typed file, such as Parquet, the row, from 1."""
    unit: str = "line"
    """What ``line`` counts: ``line`` or ``row``."""

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.file}, {self.unit} {self.line}"
        return f"record {self.index}"


class RecordError(S3DestinationError, ValueError):
    """One record can't be delivered as it is; the message names its table, place, column and value, and the remedy.

    ``separable`` says that only this record is wrong, so that the other records can be delivered without it.
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
    """More records are bad than ``max_bad_records`` allows."""


class StagingError(S3DestinationError):
    """A staging path matches nothing, or a staged file can't be read at all."""

    def __init__(self, message: str, *, final: bool = True) -> None:
        self.final = final
        super().__init__(message)


class QueryError(S3DestinationError):
    """A database refused a query, or can't be reached.

    :param final: whether no retry can help.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(message)


class MissingExtraError(S3DestinationError):
    """An input needs a library that is not installed."""


class StoreError(S3DestinationError):
    """S3 refused a request or could not be reached.

    :param final: whether no retry can help.
    :param code: the error code of S3's answer; empty if there was no answer.
    :param denied: whether a right is missing.
    :param refused_key: whether the access key itself is unknown, wrong or expired.
    """

    def __init__(
        self, message: str, *, final: bool, code: str = "", denied: bool = False, refused_key: bool = False
    ) -> None:
        self.final, self.code, self.denied, self.refused_key = final, code, denied, refused_key
        super().__init__(message)


class ReplacedFileError(StagingError, StoreError):
    """A staged file or object was changed or replaced while it was read. Another attempt reads it anew."""

    def __init__(self, message: str) -> None:
        StoreError.__init__(self, message, final=False, code="PreconditionFailed")


class StateError(StoreError):
    """The state of a load can't be read, or belongs to another load; the message names where it lies and the way out.

    :param where: where the state lies.
    :param problem: what is wrong with it.
    :param remedy: the way out.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where} {problem} {remedy}", final=True)


class SupersededError(S3DestinationError):
    """A newer attempt of the same task instance owns the load; this one stops and changes nothing more."""


class LoadStoppedError(S3DestinationError):
    """The load was stopped because its task was killed or ran out of time."""

    final = False
