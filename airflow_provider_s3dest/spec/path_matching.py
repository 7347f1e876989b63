"""Tells what a path template may have become: another path once Jinja is rendered, or a key once it is filled in."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_s3dest.spec.braces import BRACES, COMMENT, STATEMENT, Piece, pieces, replace_pieces
from airflow_provider_s3dest.spec.path_template import field_of, is_placeholder

_ANYTHING = "\0"
"""Stands for any text in a pattern."""


def may_render(written: str, rendered: str) -> bool:
    """Return whether a path as it was written may render to another one.

    Jinja may render to any text. Statements may leave out what stands between them.
    """
    pattern = _canonical(written)
    if statements := list(pieces(pattern, STATEMENT)):
        pattern = pattern[: statements[0].start] + _ANYTHING + pattern[statements[-1].end :]
    literals = replace_pieces(pattern, _jinja_as_anything, BRACES, COMMENT).split(_ANYTHING)
    # Jinja may strip blanks and a line end beside its marks, and at the end.
    return _glob([literal.strip() for literal in literals], _canonical(rendered).strip())


def may_give(template: str, key: str) -> bool:
    """Return whether a template gives a key with some values. Values hold no slash."""
    pattern = replace_pieces(template, lambda _: _ANYTHING, BRACES)
    return pattern.count("/") == key.count("/") and _glob(pattern.split(_ANYTHING), key)


def _canonical(text: str) -> str:
    """Return a text with every placeholder written in one way."""

    def written(piece: Piece) -> str:
        field = field_of(piece.expression)
        if field is not None:
            return f'{{{{FIELD["{field}"]}}}}'
        return f"{{{{{piece.expression}}}}}" if is_placeholder(piece.expression) else piece.text

    return replace_pieces(text, written, BRACES)


def _jinja_as_anything(piece: Piece) -> str:
    return piece.text if is_placeholder(piece.expression) else _ANYTHING


def _glob(literals: Sequence[str], text: str) -> bool:
    """Return whether a text consists of some literals with any text between them. It runs in linear time."""
    first, *rest = literals
    if not rest:
        return first == text
    *middle, last = rest
    position, end = len(first), len(text) - len(last)
    if position > end or not text.startswith(first) or not text.endswith(last):
        return False
    for literal in middle:
        found = text.find(literal, position, end)
        if found < 0:
            return False
        position = found + len(literal)
    return True
