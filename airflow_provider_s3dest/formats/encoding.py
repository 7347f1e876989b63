"""What every format offers: it turns a chunk into bytes, and tells where each record in them ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn, Protocol

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.records.chunks import Chunk, PassthroughChunk
from airflow_provider_s3dest.records.values import NoRuleError


@dataclass(slots=True)
class Encoded:
    """The records of a chunk, encoded end to end.

    :param data: the bytes of all records.
    :param records: number of the records.
    :param sizes: gives the bytes of each record; asked for only where a batch ends within the chunk.
    :param known_ends: where each record ends, if that is known beforehand; ``sizes`` is then not asked.
    """

    data: bytes | memoryview
    records: int
    sizes: Callable[[], Iterable[int]]
    known_ends: Sequence[int] | None = None

    @property
    def ends(self) -> Sequence[int]:
        """Where each record ends: record ``i`` is ``data[ends[i - 1]:ends[i]]``."""
        if self.known_ends is None:
            self.known_ends = list(accumulate(self.sizes()))
        return self.known_ends

    @property
    def size(self) -> int:
        """Bytes of all records."""
        return len(self.data)

    def cut(self, start: int, stop: int) -> memoryview:
        """Give the bytes of the records from ``start`` up to ``stop``."""
        begin = self.ends[start - 1] if start else 0
        return memoryview(self.data)[begin : self.ends[stop - 1] if stop < self.records else None]

    def take(self, positions: Sequence[int]) -> Encoded:
        """Give the records at some positions."""
        ends, data = self.ends, self.data
        records = [data[ends[position - 1] if position else 0 : ends[position]] for position in positions]
        return Encoded(b"".join(records), len(records), lambda: map(len, records))


NOTHING = Encoded(b"", 0, tuple)
"""What a chunk without records is encoded to."""


def of_lines(data: bytes, records: int) -> Encoded:
    """Make what was encoded of lines, each of which is a record."""
    return Encoded(data, records, lambda: (len(line) + 1 for line in data[:-1].split(b"\n")))


def of_passed(chunk: PassthroughChunk) -> Encoded:
    """Take what is let through for what was encoded."""
    return Encoded(chunk.data, chunk.records, chunk.sizes)


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


def refuse_no_columns(format_: str, table: str, chunk: Chunk) -> NoReturn:
    """Refuse records that a format can't hold."""
    raise RecordError(
        f"the records have no columns, and {format_} can't hold records without any.",
        "Give them a column, or use the format json.",
        table=table,
        place=chunk.origins[0],
    )


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
    not_unicode = "surrogates not allowed" in str(fault)
    if not_unicode:
        problem, remedy = "the text holds half of a surrogate pair and is no Unicode", "Decode it properly upstream."
    else:
        problem, remedy = str(fault), "Convert it upstream, to text if need be."
    if not isinstance(fault, NoRuleError) and not not_unicode:
        problem = f"{type(fault).__name__}: {problem}"
    refused = RecordError(
        f"{problem}: {short(value)}.", remedy, table=table, place=chunk.origins[position], column=name, value=value
    )
    refused.__cause__ = cause
    return refused
