"""What every format offers: it turns a chunk into bytes, and tells where each record in them ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.formats.values import NoRuleError
from airflow_provider_s3dest.sources.table import Chunk


@dataclass(frozen=True, slots=True)
class Encoded:
    """The records of a chunk, encoded end to end: record ``i`` is ``data[ends[i - 1]:ends[i]]``."""

    data: bytes
    ends: Sequence[int]


class Encoder(Protocol):
    """Encodes the chunks of one table."""

    @property
    def header(self) -> bytes:
        """What every object of the table begins with."""
        ...

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode the records of a chunk.

        :raises RecordError: at the first value that can't be written.
        """
        ...


def refusal(
    table: str, columns: Sequence[str], chunk: Chunk, convert: Callable[[Any], Any], cause: Exception
) -> RecordError | None:
    """Find the value that a conversion fails on, in the order of the records, and name its place."""
    faults = []
    for name in columns:
        for position, value in enumerate(chunk.column(name)):
            try:
                convert(value)
            except Exception as error:
                faults.append((position, name, value, error))
                break
    if not faults:
        return None
    position, name, value, fault = min(faults, key=lambda found: found[0])
    if isinstance(fault, UnicodeEncodeError):
        problem, remedy = "the text holds half of a surrogate pair and is no Unicode", "Decode it properly upstream."
    else:
        problem, remedy = str(fault), "Convert it upstream, to text if need be."
    if not isinstance(fault, (NoRuleError, UnicodeEncodeError)):
        problem = f"{type(fault).__name__}: {problem}"
    refused = RecordError(
        f"{problem}: {short(value)}.", remedy, table=table, place=chunk.places[position], column=name, value=value
    )
    refused.__cause__ = cause
    return refused
