"""Decodes staged text of other encodings while it is read: all readers of text read UTF-8."""

from __future__ import annotations

import codecs
from typing import IO

_READ_BYTES = 2**17

_FIRST_SURROGATE = 0xDC00
"""The lone surrogate that stands for the byte 0; each byte that can't be decoded has one of its own."""


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    """Replace bytes that can't be decoded by lone surrogates, which no reader of UTF-8 takes for text."""
    assert isinstance(error, UnicodeDecodeError)
    return "".join(chr(_FIRST_SURROGATE + byte) for byte in error.object[error.start : error.end]), error.end


_HANDLER = "airflow_provider_s3dest.keep_bytes"
codecs.register_error(_HANDLER, _keep_bytes)


def undecodable_byte(data: bytes, position: int) -> int:
    """Return the byte that could not be decoded, and for which a lone surrogate stands at a position."""
    return ord(data[position : position + 3].decode(errors="surrogatepass")) - _FIRST_SURROGATE


class Utf8Stream:
    """The text of a stream of another encoding, in UTF-8.

    A byte that can't be decoded becomes bytes that are not UTF-8, so that the readers find it and name its line.

    :param stream: the bytes, able to seek to their beginning.
    :param encoding: their encoding.
    """

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._begin()

    def _begin(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self._encoding)(_HANDLER)
        self._decoded = b""
        self._is_read = False

    def read(self, size: int) -> bytes:
        """Return so many bytes of UTF-8, fewer only at the end."""
        pieces, missing = [], size
        while missing > 0:
            if not self._decoded:
                if self._is_read:
                    break
                read = self._stream.read(_READ_BYTES)
                self._is_read = not read
                self._decoded = self._decoder.decode(read, final=not read).encode(errors="surrogatepass")
            pieces.append(self._decoded[:missing])
            self._decoded = self._decoded[missing:]
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def seek(self, position: int) -> int:
        """Go back to the beginning."""
        assert position == 0, "text is decoded from its beginning"
        self._stream.seek(0)
        self._begin()
        return 0


def in_utf8(stream: IO[bytes], encoding: str) -> IO[bytes]:
    """Return a stream of the same text in UTF-8."""
    return stream if encoding == "utf-8" else Utf8Stream(stream, encoding)  # type: ignore[return-value]
