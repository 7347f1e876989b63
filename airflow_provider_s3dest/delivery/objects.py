"""What a load's objects are called within the load, and what is known of one once it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

QUARANTINE = "quarantine"
"""The partition of bad records; that of the values of fields has a ``=`` in its name."""


class BatchId(NamedTuple):
    """One batch of a load, and so one object.

    :param table: name of the table.
    :param partition: name of the partition; empty without.
    :param number: number of the batch within its table and partition, from 0.
    """

    table: str
    partition: str
    number: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a load: its key, its batch, the number of its records, and its bytes as stored.

    :param crc32: of the bytes as stored, in base64, as S3 tells it.
    """

    key: str
    batch: BatchId
    records: int
    bytes: int
    crc32: str = field(default="", compare=False)
