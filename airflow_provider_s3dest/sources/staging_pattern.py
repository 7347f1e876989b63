"""Matches files against a staging path: folders, wildcards, and the table that ``{{TABLE}}`` captures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

from airflow_provider_s3dest.errors import StagingError
from airflow_provider_s3dest.sources.glob_tokens import (
    Token,
    below,
    below_or_itself,
    ends,
    folders,
    literal,
    name,
    one_of,
    star,
    visible,
)

_TABLE = re.compile(r"\{\{\s*TABLE\s*\}\}")
_WILD = re.compile(r"[*?\[]")
_MARKS = re.compile(rf"{_WILD.pattern}|\{{(?=\{{\s*TABLE\s*\}}\}})")

_UNAMBIGUOUS = "Write the path so that only one is possible, with {{TABLE}} as a folder for instance."

_CANDIDATES = 1_000
"""Tables that are tried for one file, at most, where the path holds ``{{TABLE}}`` twice."""


def captures_table(path: str) -> bool:
    """Return whether a staging path holds ``{{TABLE}}``."""
    return bool(_TABLE.search(path))


def has_wildcard(path: str) -> bool:
    """Return whether a staging path holds ``*``, ``?`` or ``[``."""
    return bool(_WILD.search(path))


def literal_path(path: str) -> str:
    """Return the staging path that matches one file alone."""
    # On the disk a file is looked for under the path as it stands, before wildcards are.
    is_found_as_it_stands = "://" not in path and not captures_table(path)
    return path if is_found_as_it_stands else _MARKS.sub(r"[\g<0>]", path)


@dataclass(frozen=True, slots=True)
class StagingPattern:
    """A staging path, ready to be matched.

    :param folder: the folder, with its slash, that holds all files the path can match; empty: the working directory.
    """

    path: str
    folder: str
    _pieces: list[list[Token]]
    """The tokens before the first ``{{TABLE}}``, between each two, and behind the last."""

    @classmethod
    def of(cls, path: str) -> StagingPattern:
        """Translate a folder, a glob or a path with ``{{TABLE}}``.

        :raises StagingError: if a wildcard makes no sense.
        """
        try:
            return cls(path, *_translate(path))
        except re.error as error:
            raise StagingError(
                f"The staging path {path} has a wildcard that can't be read: {error}. Correct it."
            ) from error

    def match(self, file: str) -> str | None:
        """Return the table that the path captures from a file, empty if it captures none; None if it doesn't match.

        :raises StagingError: if the table could end at more than one place, as in ``{{TABLE}}-*`` and ``a-b-1.csv``.
        """
        begins = sorted(ends(self._pieces[0], file, {0}))
        if len(self._pieces) == 1:
            return "" if len(file) in begins else None
        if len(self._pieces) > 2:
            return self._match_repeated(file, begins)
        # A wildcard in front of the table takes as much as it can.
        begin = _last(begins, lambda some: self._matches_rest(file, name(file, some)))
        if begin is None:
            return None
        possible = sorted(name(file, {begin}))
        longest = _last(possible, lambda some: self._matches_rest(file, some))
        shortest = _last(possible[::-1], lambda some: self._matches_rest(file, some))
        return self._only(file, [file[begin:shortest], file[begin:longest]])

    def _match_repeated(self, file: str, begins: Sequence[int]) -> str | None:
        tried: dict[tuple[int, str], bool] = {}
        for begin in reversed(begins):
            tables = []
            for end in sorted(name(file, {begin})):
                table = file[begin:end]
                if (end, table) not in tried:
                    if len(tried) == _CANDIDATES:
                        raise StagingError(f"{file} could match {self.path} in very many ways. {_UNAMBIGUOUS}")
                    tried[end, table] = self._matches_rest(file, {end}, table)
                if tried[end, table]:
                    tables.append(table)
            if tables:
                return self._only(file, tables)
        return None

    def _only(self, file: str, tables: Sequence[str]) -> str:
        if tables[0] != tables[-1]:
            raise StagingError(
                f"{file} matches {self.path} as the table {tables[0]!r} or {tables[-1]!r}. {_UNAMBIGUOUS}"
            )
        return tables[0]

    def _matches_rest(self, file: str, reached: Iterable[int], table: str = "") -> bool:
        """Return whether what is behind the first table matches, if the table ends at one of some positions."""
        reached = set(reached)
        for piece in self._pieces[1:-1]:
            reached = literal(table)(file, ends(piece, file, reached))
        return len(file) in ends(self._pieces[-1], file, reached)


def _last(positions: Sequence[int], is_match: Callable[[Sequence[int]], bool]) -> int | None:
    """Return the last position that matches; None: none does.

    Tokens take many positions at a time, so that halving is far quicker than to try one position after the other.

    :param is_match: returns whether any of some positions matches.
    """
    if not is_match(positions):
        return None
    first, stop = 0, len(positions)
    while stop - first > 1:
        middle = (first + stop) // 2
        if is_match(positions[middle:stop]):
            first = middle
        else:
            stop = middle
    return positions[first]


def _translate(path: str) -> tuple[str, list[list[Token]]]:
    """Return the folder to list, and the pieces of the pattern around each ``{{TABLE}}``."""
    is_folder = path.endswith("/")
    parts = _TABLE.sub("{{TABLE}}", path.rstrip("/")).split("/")
    wild = [bool(_WILD.search(part)) or "{{TABLE}}" in part for part in parts]
    first = wild.index(True) if True in wild else len(parts)
    base = "/".join(parts[:first]) + "/" if first else ""
    pieces: list[list[Token]] = [[literal(base)]]
    rest = parts[first:]
    for position, part in enumerate(rest):
        is_last = position == len(rest) - 1
        if part == "**":
            pieces[-1].append(below if is_last else folders)
            continue
        _add_component(pieces, part)
        if not is_last:
            pieces[-1].append(literal("/"))
    if not rest:
        pieces[-1].append(below)
    elif is_folder or rest[-1] == "{{TABLE}}":
        pieces[-1] += (literal("/"), below)
    elif not _WILD.search(rest[-1]) and "{{TABLE}}" not in rest[-1]:
        pieces[-1].append(below_or_itself)
    return base, pieces


def _add_component(pieces: list[list[Token]], part: str) -> None:
    """Add one folder or file name to the pieces; wildcards don't match a leading ``_`` or ``.``."""
    if part[:1] in ("*", "?", "[", "{"):
        pieces[-1].append(visible)
    texts = re.split(r"(\{\{TABLE\}\}|\*|\?|\[[!^]?(?:\][^\]]*|[^\]]+)\])", part)
    for is_wild, text in zip(cycle((False, True)), texts, strict=False):
        if not is_wild:
            pieces[-1].append(literal(text))
        elif text == "{{TABLE}}":
            pieces.append([])
        elif text == "*":
            pieces[-1].append(star)
        elif text == "?":
            pieces[-1].append(one_of())
        else:
            negated = text[1] in "!^"
            members = re.escape(text[2:-1] if negated else text[1:-1]).replace(r"\-", "-")
            pieces[-1].append(one_of(f"{'^' * negated}{members}"))
