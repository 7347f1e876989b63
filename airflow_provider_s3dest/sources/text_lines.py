"""Cuts a text file into blocks, as a rule of whole lines, and checks that they are UTF-8."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import IO, Any

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.sources.encodings import in_utf8, undecodable_byte
from airflow_provider_s3dest.sources.source_file import SourceFile, option

BLOCK_BYTES = 2**17
"""Bytes that are read at a time. A block, and what is made of it, then fits into the caches of the processor."""

MAX_RECORD_BYTES = 64 * 2**20
"""Bytes of one record of staged text, by default. What is longer is no record, but a quote that never closes or a
compressed file that is made to fill the memory: on its way a record takes several times its bytes."""

BOM = b"\xef\xbb\xbf"


_UTF_16 = "in UTF-16"

_NO_TEXT = {
    b"\x1f\x8b": "compressed with gzip, and does not end with .gz",
    b"\x28\xb5\x2f\xfd": "compressed with zstd, and does not end with .zst",
    b"\xfd7zXZ\0": "compressed with xz",
    # The digit is the level. Text could begin with the letters alone, so that the mark of the first block counts too.
    **{b"BZh%d1AY&SY" % level: "compressed with bzip2" for level in range(1, 10)},
    b"PK\x03\x04": "a ZIP archive, as files of Excel are",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old file of Excel or Word",
    # Each page of Parquet, and its footer, begins with the byte behind its name.
    b"PAR1\x15": "Parquet",
    b"ARROW1\0\0": "Arrow IPC",
    b"\xff\xff\xff\xff": "an Arrow IPC stream",
    b"Obj\x01": "Avro",
    b"ORC\x03": "ORC",
    b"SQLite format 3\0": "a database of SQLite",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
}
"""The first bytes of files that are often staged under the ending of a text file."""

_HEAD_BYTES = 64  # as many as a beginning takes in UTF-8, whatever the file's own encoding is


@dataclass
class Block:
    """A piece of a file, in bytes and as text, and the number of the line on which it begins, from 1."""

    data: bytes
    first_line: int

    @cached_property
    def lines(self) -> int:
        """Number of the line ends. A reader that has counted them may set it before it asks for the next block."""
        return self.data.count(b"\n")

    @cached_property
    def text(self) -> str:
        """The text; each byte that is not UTF-8 is a lone surrogate in it."""
        return self.data.decode(errors="surrogateescape")

    @cached_property
    def is_text(self) -> bool:
        """Whether all of it is UTF-8."""
        try:
            return self.data.isascii() or bool(self.data.decode())
        except UnicodeDecodeError:
            return False

    def after(self, position: int) -> Block:
        """Return the piece of the file from a byte on."""
        return Block(self.data[position:], self.first_line + self.data.count(b"\n", 0, position))


class Blocks(Iterator[Block]):
    """The blocks of a file, for several readers that take turns; one may put back what it did not use."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks

    def __next__(self) -> Block:
        return next(self._blocks)

    def put_back(self, block: Block) -> None:
        """Yield a block before all others."""
        self._blocks = chain([block], self._blocks)


class LineTexts(Sequence[bytes]):
    """The records of a text as they stand in it, each from its first line to the first line of the next record.

    Only a bad record is ever looked at, so that the text is cut into lines only when somebody asks for one.

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


def blocks(stream: IO[bytes], file: SourceFile, end: bytes = b"\n", *, checked: bool = True) -> Iterator[Block]:
    """Yield a file block by block, without its byte order mark.

    :param end: the ASCII character at which each block but the last ends; by default, a block is whole lines.
    :param checked: whether to raise an error at a byte that is not UTF-8; if not, the reader has to look for it.
    :raises RecordError: at the line that holds such a byte, and at one that is longer than a record may be.
    """
    line = 1
    head = beginning(stream, file)
    rest, size = [head], len(head) - head.rfind(end) - 1
    while True:
        read = stream.read(BLOCK_BYTES)
        cut = read.rfind(end) + 1
        if read and not cut:  # such as a line longer than a block
            rest.append(read)
            size += len(read)
            if size > max_record_bytes(file):
                raise too_long(line + sum(piece.count(b"\n") for piece in rest), file)
            continue
        data = b"".join((*rest, read[:cut] if read else b""))
        if data:
            if checked:
                check_text(data, line, file)
            block = Block(data, line)
            yield block
            line += block.lines
        if not read:
            return
        rest, size = [read[cut:]], len(read) - cut


def beginning(stream: IO[bytes], file: SourceFile) -> bytes:
    """Read the first bytes of a file, and return them without a byte order mark.

    :raises RecordError: if they show that the file is not text in UTF-8.
    """
    head = stream.read(_HEAD_BYTES)
    for magic, name in _NO_TEXT.items():
        if head.startswith(_as_read(magic, file.encoding)):
            remedy = "Stage text in UTF-8, or name the file by its format."
            if name == _UTF_16:
                remedy = f"Stage text in UTF-8, or name the encoding: {option('encoding', 'utf-16')}."
            raise file.error(1, f"the file is no text but {name}.", remedy)
    return head.removeprefix(BOM)


def _as_read(magic: bytes, encoding: str) -> tuple[bytes, ...]:
    """Return how the first bytes of a file look in UTF-8; nothing if they may be text of the encoding."""
    if encoding.startswith(("utf-16", "utf-32")) or (encoding != "utf-8" and _NO_TEXT[magic] == _UTF_16):
        return ()
    return (in_utf8(io.BytesIO(magic), encoding).read(_HEAD_BYTES),)


def too_long(line: int, file: SourceFile) -> RecordError:
    """Return the error for a record of more bytes than :func:`max_record_bytes`."""
    limit = max_record_bytes(file)
    remedy = f"Stage shorter records, one a line, or allow more: {option('max_line_bytes', 2 * limit)}."
    return file.error(
        line, f"the record is longer than {limit:,} bytes.", f"{remedy} Parquet files have no such limit."
    )


def max_record_bytes(file: SourceFile) -> int:
    """Return how many bytes one record of a file may have."""
    return MAX_RECORD_BYTES if file.max_record_bytes is None else file.max_record_bytes


def check_text(data: bytes, first_line: int, file: SourceFile) -> None:
    """Check that a piece of a file is text of the file's encoding, which the reader gets in UTF-8.

    :param first_line: number of the line on which the piece begins.
    :raises RecordError: at the line that holds a byte that is not.
    """
    if data.isascii():  # quicker than to decode it
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        if file.encoding != "utf-8":
            problem = f"byte 0x{undecodable_byte(data, error.start):02x} is not {file.encoding}."
            raise file.error(line, problem, "Name the file's own encoding in `staging_format`.") from error
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8 ({error.reason})."
        remedy = f"Stage the file in UTF-8, or name its encoding: {option('encoding', 'cp1252')}."
        raise file.error(line, problem, remedy) from error
