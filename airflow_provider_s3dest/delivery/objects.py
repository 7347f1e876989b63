"""Names the batches of a load, and describes the object of a batch once it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

QUARANTINE = "quarantine"
"""The partition of bad records. No partition of records has this name: theirs contain a ``=``."""

MANIFEST, DDL = "manifest", "ddl"
"""What stands for the partition in the UUID of a manifest, and of a table definition."""

ANY_TABLE = "tables"
"""Stands for the table in the UUID of a manifest whose path names no table."""


class BatchId(NamedTuple):
    """Names one batch of a load, and so one object.

    :param table: name of the table.
    :param partition: name of the partition; empty if the table has no partitions.
    :param number: number of the batch within its table and partition, from 0.
    """

    table: str
    partition: str
    number: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a load: its key, its batch, the number of its records, and its bytes as stored.

    :param crc32: CRC32 of the bytes as stored, in base64, as S3 returns it; empty in a dry run.
    """

    key: str
    batch: BatchId
    records: int
    bytes: int
    crc32: str = field(default="", compare=False)
