"""Cuts a text file into blocks, of whole lines as a rule, checked to be UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO

from airflow_provider_s3dest.errors import Place, RecordError

BLOCK_BYTES = 2**17
"""Bytes that are read at a time: what is made of them then fits into the processor's caches."""

_BOM = b"\xef\xbb\xbf"


@dataclass
class Block:
    """A piece of a file, in bytes and as text, and the number of the line on which it begins, from 1."""

    data: bytes
    first_line: int

    @cached_property
    def lines(self) -> int:
        """Number of the line ends; whoever has counted them may set it before the next block is read."""
        return self.data.count(b"\n")

    @cached_property
    def text(self) -> str:
        return self.data.decode()

    def after(self, position: int) -> Block:
        """Give the piece of the file from a byte on."""
        return Block(self.data[position:], self.first_line + self.data.count(b"\n", 0, position))


def blocks(stream: IO[bytes], table: str, path: str, end: bytes = b"\n") -> Iterator[Block]:
    """Read a file block by block; a byte order mark is taken off.

    :param end: the ASCII character that each block but the last ends with; by it, a block is whole lines.
    :raises RecordError: at the line that holds a byte that is not UTF-8.
    """
    line = 1
    rest = [stream.read(3).removeprefix(_BOM)]
    while True:
        read = stream.read(BLOCK_BYTES)
        cut = read.rfind(end) + 1
        if read and not cut:  # such as a line longer than a block
            rest.append(read)
            continue
        data = b"".join((*rest, read[:cut] if read else b""))
        if data:
            _check_text(data, line, table, path)
            block = Block(data, line)
            yield block
            line += block.lines
        if not read:
            return
        rest = [read[cut:]]


def _check_text(data: bytes, first_line: int, table: str, path: str) -> None:
    if data.isascii():  # quicker than to make a text of it
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        bad = data[error.start]
        raise RecordError(
            f"byte 0x{bad:02x} is not UTF-8 ({error.reason}).",
            "Stage the file in UTF-8.",
            table=table,
            place=Place(file=path, line=first_line + data.count(b"\n", 0, error.start)),
        ) from error
