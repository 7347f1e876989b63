"""Objects compressed by gzip: readable at every level, and the same bytes for the same content."""

from __future__ import annotations

import gzip
import random
from itertools import pairwise

import pytest

from airflow_provider_s3dest.formats.compression import compressor_for
from airflow_provider_s3dest.spec import DestinationSpec

WORDS = [f"word {n * n % 977} of {n}" for n in range(900)]
_random = random.Random(0)
CONTENT = "".join(f"{n},{_random.random():.4f},{_random.choice(WORDS)}\n" for n in range(80_000)).encode()


def compressed(cuts: list[int], **fields: int) -> bytes:
    compressor = compressor_for(
        DestinationSpec(bucket="b", path="{{UUID}}", format="json", compression="gzip", **fields)
    )
    ends = [0, *sorted(cuts), len(CONTENT)]
    pieces = [compressor.compress(memoryview(CONTENT)[begin:end]) for begin, end in pairwise(ends)]
    return b"".join((*pieces, compressor.flush()))


@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_reads_back(level: int) -> None:
    assert gzip.decompress(compressed([], compression_level=level)) == CONTENT


def test_a_higher_level_makes_smaller_objects() -> None:
    assert len(compressed([], compression_level=9)) < len(compressed([])) == len(compressed([], compression_level=2))


WHOLE = compressed([])


@pytest.mark.parametrize("size", [10_007, 300_000, 2**20])
def test_bytes_do_not_depend_on_the_pieces_in_which_the_content_comes(size: int) -> None:
    assert compressed(list(range(0, len(CONTENT), size))) == WHOLE


def test_header_tells_neither_time_nor_name() -> None:
    assert WHOLE[3:8] == bytes(5)
