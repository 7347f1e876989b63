"""What the encoders have in common: encoded records, the interface, and errors that name the value at fault."""

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
    :param sizes: returns the size of each record in bytes; called only if a batch ends within the chunk.
    :param known_ends: where each record ends, if that is known beforehand; ``sizes`` is then never called.
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
        """Return the bytes of the records from ``start`` up to ``stop``."""
        begin = self.ends[start - 1] if start else 0
        return memoryview(self.data)[begin : self.ends[stop - 1] if stop < self.records else None]

    def take(self, indices: Sequence[int]) -> Encoded:
        """Return a copy of the records at some indices."""
        ends, data = self.ends, self.data
        records = [data[ends[index - 1] if index else 0 : ends[index]] for index in indices]
        return Encoded(b"".join(records), len(records), lambda: map(len, records))


NOTHING = Encoded(b"", 0, tuple)
"""The encoded form of a chunk without records."""


def encoded_lines(data: bytes, records: int) -> Encoded:
    """Wrap lines of text, one record each."""
    return Encoded(data, records, lambda: (len(line) + 1 for line in data[:-1].split(b"\n")))


def encoded_passthrough(chunk: PassthroughChunk) -> Encoded:
    """Wrap a pass-through chunk; its bytes are the encoded bytes."""
    return Encoded(chunk.data, chunk.records, chunk.sizes)


class Encoder(Protocol):
    """Encodes the chunks of one table."""

    @property
    def header(self) -> bytes:
        """The bytes that every object of the table begins with."""
        ...

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode the records of a chunk.

        :raises RecordError: if a value can't be written; names the first record with such a value.
        """
        ...


def refuse_no_columns(format_: str, table: str, chunk: Chunk) -> NoReturn:
    """Refuse records without columns, for a format that can't hold them.

    :raises RecordError: always.
    """
    raise RecordError(
        f"the records have no columns, and {format_} can't hold records without any.",
        "Give them a column, or use the format json.",
        table=table,
        place=chunk.origins[0],
    )


def refusal(
    table: str, columns: Sequence[str], chunk: Chunk, convert: Callable[[Any], Any], cause: Exception
) -> RecordError | None:
    """Return an error that names the first value that can't be converted; None if there is no such value.

    Encoders convert many values in one step, and so do not know which value failed. Only after a failure this function
    converts value by value.

    :param convert: converts one value, and raises an error if it can't be written.
    :param cause: the error of the encoder.
    """
    failures = []
    for name in columns:
        for index, value in enumerate(chunk.column(name)):
            try:
                convert(value)
            except Exception as error:
                failures.append((index, name, value, error))
                break
    if not failures:
        return None
    index, name, value, failure = min(failures, key=lambda one: one[0])
    not_unicode = "surrogates not allowed" in str(failure)
    if not_unicode:
        problem, remedy = "the text holds half of a surrogate pair and is no Unicode", "Decode it properly upstream."
    else:
        problem, remedy = str(failure), "Convert it upstream, to text if need be."
    if not isinstance(failure, NoRuleError) and not not_unicode:
        problem = f"{type(failure).__name__}: {problem}"
    record_error = RecordError(
        f"{problem}: {short(value)}.", remedy, table=table, place=chunk.origins[index], column=name, value=value
    )
    record_error.__cause__ = cause
    return record_error
