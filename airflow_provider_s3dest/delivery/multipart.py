"""Chooses the sizes of parts for an object of unknown size, because S3 limits their number."""

from __future__ import annotations

from airflow_provider_s3dest.spec.limits import MAX_PART_SIZE

EQUAL_PARTS = 5_000
"""Number of the last part that has the size of the first; some stores require parts of one size."""

PARTS_OF_A_STEP = 250
"""After the equal parts, the size doubles with every so many parts."""


def size_of_part(number: int, first: int) -> int:
    """Return the bytes of a part; parts grow, so that an object of many TiB needs no more parts than S3 takes.

    If the first parts have 16 MiB, an object may have 16 TiB. If they have 5 GiB, it may have 48.8 TiB, the largest
    object that S3 stores.

    :param number: number of the part, from 1.
    :param first: bytes of the first part.

    Example::

        >>> size_of_part(1, 16 * 2**20), size_of_part(5_001, 16 * 2**20)
        (16777216, 33554432)
    """
    steps = 0 if number <= EQUAL_PARTS else 1 + (number - EQUAL_PARTS - 1) // PARTS_OF_A_STEP
    return min(first << steps, MAX_PART_SIZE)
