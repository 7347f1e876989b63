"""Splits a text at pairs of braces and at Jinja's other marks, in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BRACES = ("{{", "}}")
STATEMENT = ("{%", "%}")
COMMENT = ("{#", "#}")
_OPENER = re.compile(r"\{[{%#]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text between braces or Jinja's other marks.

    :param text: the piece, with its marks.
    :param expression: what stands between two pairs of braces; empty for other marks.
    """

    start: int
    end: int
    text: str
    expression: str


def pieces(text: str, *marks: tuple[str, str]) -> Iterator[Piece]:
    """Yield the pieces of a text, each from its opening mark to the next closing mark.

    Table names go through this too, so it runs in linear time. A regular expression would look for the closing mark
    again from each opening mark.

    :param marks: pairs of an opening and a closing mark.
    """
    closing, position = dict(marks), 0
    while opener := _OPENER.search(text, position):
        position = opener.start() + 1
        if opener[0] not in closing:
            continue
        end = text.find(closing[opener[0]], opener.end())
        if end < 0:
            del closing[opener[0]]  # no later opening mark finds one either
            continue
        expression = _stripped(text[opener.end() : end]) if opener[0] == BRACES[0] else ""
        position = end + 2
        yield Piece(opener.start(), position, text[opener.start() : position], expression)


def _stripped(inner: str) -> str:
    """Return an expression without blanks, and without the dash by which Jinja strips blanks outside."""
    return inner.removeprefix("-").lstrip().removesuffix("-").rstrip()


def replace_pieces(text: str, replacement: Callable[[Piece], str], *marks: tuple[str, str]) -> str:
    """Return a text in which each piece is replaced."""
    parts, position = [], 0
    for piece in pieces(text, *marks):
        parts += [text[position : piece.start], replacement(piece)]
        position = piece.end
    return "".join([*parts, text[position:]])
