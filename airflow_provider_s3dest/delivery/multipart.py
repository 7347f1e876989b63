"""How an object of unknown size is cut into parts, of which S3 takes a limited number."""

from __future__ import annotations

from airflow_provider_s3dest.spec.limits import MAX_PART_SIZE

EQUAL_PARTS = 5_000
"""Parts up to which all are of one size, since some stores take no others."""

PARTS_OF_A_STEP = 250
"""Parts after which the size doubles from then on."""


def size_of_part(number: int, first: int) -> int:
    """Give the bytes of a part, such that an object of many TiB comes to no more parts than S3 takes.

    With parts of 16 MiB at first, an object may have 16 TiB; with such of 5 GiB 48.8 TiB, the largest that S3 keeps.

    :param number: number of the part, from 1.
    :param first: bytes of the first part.

    Example::

        >>> size_of_part(1, 16 * 2**20), size_of_part(5_001, 16 * 2**20)
        (16777216, 33554432)
    """
    steps = 0 if number <= EQUAL_PARTS else 1 + (number - EQUAL_PARTS - 1) // PARTS_OF_A_STEP
    return min(first << steps, MAX_PART_SIZE)
