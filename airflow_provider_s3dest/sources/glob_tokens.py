"""Matches paths token by token, in time that grows with the length of the path times that of the pattern.

A regular expression with several ``*`` tries all ways to share out the characters among them. Here a token turns the
set of all positions that the tokens before it can reach into the set of those that it can reach itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

Token = Callable[[str, Iterable[int]], set[int]]
"""Returns where a token can end in a path, given where it can begin."""

HIDDEN = ("_", ".")
"""Wildcards skip names that begin with these, as Spark and Hive do: markers and files that are not complete yet."""


def literal(text: str) -> Token:
    """Return a token for exactly this text."""
    return lambda path, begins: {begin + len(text) for begin in begins if path.startswith(text, begin)}


def one_of(members: str = "") -> Token:
    """Return a token for one character but a slash.

    :param members: what stands between brackets in a regular expression; empty: any.
    :raises re.error: if it makes no sense.
    """
    pattern = re.compile(f"(?!/)[{members}]" if members else "[^/]", re.DOTALL)
    return lambda path, begins: {begin + 1 for begin in begins if pattern.match(path, begin)}


def visible(path: str, begins: Iterable[int]) -> set[int]:
    """Stay at the positions at which no hidden name begins."""
    return {begin for begin in begins if not path.startswith(HIDDEN, begin)}


def star(path: str, begins: Iterable[int]) -> set[int]:
    """Take any number of characters but slashes."""
    ends: set[int] = set()
    for begin in sorted(begins):
        if begin not in ends:
            slash = path.find("/", begin)
            ends.update(range(begin, (len(path) if slash < 0 else slash) + 1))
    return ends


def name(path: str, begins: Iterable[int]) -> set[int]:
    """Take one or more characters but slashes."""
    return star(path, {begin + 1 for begin in begins if begin < len(path) and path[begin] != "/"})


def folders(path: str, begins: Iterable[int]) -> set[int]:
    """Take any number of folders that are not hidden, each with its slash."""
    ends: set[int] = set()
    for begin in begins:
        end = begin
        while end not in ends:
            ends.add(end)
            slash = path.find("/", end)
            if slash <= end or path.startswith(HIDDEN, end):
                break
            end = slash + 1
    return ends


def below(path: str, begins: Iterable[int]) -> set[int]:
    """Take a file at any depth below a folder; neither the file nor a folder above it may be hidden."""
    return name(path, visible(path, folders(path, begins)))


def below_or_itself(path: str, begins: Iterable[int]) -> set[int]:
    """Take nothing, or a slash and a file below."""
    begins = set(begins)
    return begins | below(path, literal("/")(path, begins))


def ends(tokens: Sequence[Token], path: str, begins: Iterable[int]) -> set[int]:
    """Return where tokens can end, one after the other."""
    reached = set(begins)
    for token in tokens:
        reached = token(path, reached)
        if not reached:
            break
    return reached
