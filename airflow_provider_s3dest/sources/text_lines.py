"""Cuts a text file into blocks, of whole lines as a rule, checked to be UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

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
        """The text; what is not UTF-8 in it stands as lone surrogates."""
        return self.data.decode(errors="surrogateescape")

    @cached_property
    def is_text(self) -> bool:
        """Whether all of it is UTF-8."""
        try:
            return self.data.isascii() or bool(self.data.decode())
        except UnicodeDecodeError:
            return False

    def after(self, position: int) -> Block:
        """Give the piece of the file from a byte on."""
        return Block(self.data[position:], self.first_line + self.data.count(b"\n", 0, position))


class LineTexts(Sequence[bytes]):
    """The records of a text as they stand in it, each from its first line to that of the next, found when asked for.

    :param first_line: number of the text's first line.
    :param lines: number of each record's first line.
    """

    def __init__(self, text: bytes, first_line: int, lines: Sequence[int]) -> None:
        self._text, self._first_line, self._lines = text, first_line, lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        lines = self._split
        begin = self._lines[index] - self._first_line
        end = self._lines[index + 1] - self._first_line if index + 1 < len(self._lines) else len(lines)
        return b"\n".join(lines[begin:end]).rstrip(b"\r\n")

    @cached_property
    def _split(self) -> list[bytes]:
        return self._text.split(b"\n")


def blocks(stream: IO[bytes], table: str, path: str, end: bytes = b"\n", *, checked: bool = True) -> Iterator[Block]:
    """Read a file block by block; a byte order mark is taken off.

    :param end: the ASCII character that each block but the last ends with; by it, a block is whole lines.
    :param checked: whether a byte that is not UTF-8 ends the load; else whoever takes the records looks for it.
    :raises RecordError: at the line that holds such a byte.
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
            if checked:
                check_text(data, line, table, path)
            block = Block(data, line)
            yield block
            line += block.lines
        if not read:
            return
        rest = [read[cut:]]


def check_text(data: bytes, first_line: int, table: str, path: str) -> None:
    """See that a piece of a file is UTF-8.

    :raises RecordError: at the line that holds a byte that is not.
    """
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
