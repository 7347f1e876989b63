"""Sums of the content of an object."""

from __future__ import annotations

import zlib

import pytest

from airflow_provider_s3dest.s3.checksum import fingerprint, sums


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18 + 7])
def test_are_those_of_the_whole_content_whatever_its_size(size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    assert sums(content) == (zlib.crc32(content), zlib.adler32(content))


def test_a_fingerprint_tells_other_content_and_other_arguments_apart() -> None:
    same = fingerprint(*sums(b"a,b"), {"ContentType": "text/csv"})
    assert same == fingerprint(*sums(b"a,b"), {"ContentType": "text/csv"})
    assert same != fingerprint(*sums(b"a,c"), {"ContentType": "text/csv"})
    assert same != fingerprint(*sums(b"a,b"), {"ContentType": "text/plain"})
