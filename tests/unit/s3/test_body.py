"""What botocore reads the body of a request from."""

from __future__ import annotations

import os
from hashlib import sha256
from io import BytesIO
from itertools import takewhile

import pytest
from botocore.utils import determine_content_length

from airflow_provider_s3dest.s3.body import PIECE_BYTES, Body

CONTENT = bytes(range(256)) * (PIECE_BYTES // 100)


def _sent(body: Body) -> list[bytes | memoryview]:
    return list(takewhile(len, iter(lambda: body.read(16_384), None)))


def test_its_pieces_are_the_content_and_no_copies_of_it() -> None:
    pieces = _sent(Body(CONTENT))
    assert b"".join(pieces) == CONTENT
    assert [len(piece) for piece in pieces[:-1]] == [PIECE_BYTES] * (len(CONTENT) // PIECE_BYTES)
    assert all(isinstance(piece, memoryview) and piece.obj is CONTENT for piece in pieces)


def test_it_begins_anew_after_botocore_rewinds_it_for_a_retry() -> None:
    body = Body(CONTENT)
    body.read(1)
    body.seek(0)
    assert b"".join(_sent(body)) == CONTENT


def test_botocore_finds_its_length_and_hashes_it_as_it_does_a_file() -> None:
    body = Body(CONTENT)
    assert determine_content_length(body) == len(CONTENT)
    assert body.tell() == 0
    hashed = sha256()
    for piece in iter(lambda: body.read(1024), b""):
        hashed.update(piece)
    assert hashed.digest() == sha256(CONTENT).digest()


@pytest.mark.parametrize("size", [None, -1])
def test_all_that_is_left_is_read_without_a_size(size: int | None) -> None:
    body = Body(CONTENT)
    body.read(1)
    assert body.read(size) == CONTENT[PIECE_BYTES:]
    assert body.read(size) == body.read(1) == b""


def test_of_nothing_is_nothing() -> None:
    body = Body(b"")
    assert determine_content_length(body) == 0
    assert body.read() == body.read(1) == b""


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    body = Body(CONTENT)
    assert (body.read(0), body.tell()) == (b"", 0)


@pytest.mark.parametrize(("offset", "whence"), [(3, os.SEEK_SET), (-3, os.SEEK_CUR), (-3, os.SEEK_END)])
def test_it_is_moved_in_as_a_file_is(offset: int, whence: int) -> None:
    body, file = Body(CONTENT[:100]), BytesIO(CONTENT[:100])
    for one in (body, file):
        one.seek(50)
    assert body.seek(offset, whence) == file.seek(offset, whence) == body.tell()
    assert body.read() == file.read()
