"""Parts of a multipart upload grow, so that their number sets no limit that an object meets before S3's own."""

from __future__ import annotations

import pytest

from airflow_provider_s3dest.delivery.multipart import EQUAL_PARTS, size_of_part
from airflow_provider_s3dest.spec.limits import MAX_PART_SIZE, MAX_PARTS, MIN_PART_SIZE

TIB = 2**40


def largest_object(first: int) -> int:
    return sum(size_of_part(number, first) for number in range(1, MAX_PARTS + 1))


@pytest.mark.parametrize(
    ("first", "tebibytes"), [(MIN_PART_SIZE, 14), (16 * 2**20, 16), (64 * 2**20, 18), (MAX_PART_SIZE, 48.8)]
)
def test_the_largest_object_has_many_tebibytes(first: int, tebibytes: float) -> None:
    assert largest_object(first) >= tebibytes * TIB


@pytest.mark.parametrize("first", [MIN_PART_SIZE, MIN_PART_SIZE + 1, 16 * 2**20, MAX_PART_SIZE])
def test_no_part_is_smaller_than_the_one_before_or_larger_than_s3_takes(first: int) -> None:
    sizes = [size_of_part(number, first) for number in range(1, MAX_PARTS + 1)]
    assert sizes == sorted(sizes)
    assert set(sizes[:EQUAL_PARTS]) == {first}
    assert sizes[-1] == MAX_PART_SIZE
