"""Checks how deep values are nested and how often they repeat their parts: some would end the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from gc import get_referents
from typing import Any

_ORJSON_LEVELS = 254
"""Lists and mappings inside one another that orjson encodes."""

MAX_LEVELS = _ORJSON_LEVELS - 1
"""Levels of a value, which in JSON stands inside the object of its record."""

MAX_REPEATING_BYTES = 64 * 2**20
"""Bytes of JSON of a value that holds one list or mapping at several places. In memory it is small: 60 lists, each of
which holds the one before twice, would be written as 2**60 values."""

_QUICK_LEVELS, _QUICK_GROWTH = 8, 50
"""Levels to which containers are looked through in the quick way, and how many objects each of them may then hold."""

_MOST_MEMBERS, _MOST_OF_EACH = 200_000, 1_000
"""Members of values that are looked at level by level: so many, and so many more for each value. Of more, each
container is looked at once, which takes longer for values that repeat nothing."""

_SLOWER = 10
"""How many members of a list take as long to look at as one of a class that is written in Python."""

_KNOWN_TYPES = 1_000
"""Types that are remembered: a program may make types without end."""

_BUILT_IN = frozenset({list, tuple, dict})

_FLAT, _ENUM, _SEQUENCE, _MAPPING, _ARRAY = range(5)
"""Forms in which types hold other values."""

TOO_DEEP = f"the value is nested more than {MAX_LEVELS} levels deep, or holds itself"
_TOO_LARGE = (
    "the value holds the same lists or mappings at several places, and would be written as more than "
    f"{MAX_REPEATING_BYTES:,} bytes"
)


def nesting_problem(values: Sequence[Any], levels: int = MAX_LEVELS) -> str | None:
    """Return what is wrong with values that are nested too deeply, or that repeat their parts too often; else None.

    Nothing else stops these. orjson 3.12 and 3.13 count the levels of lists and mappings, but not those of tuples: from
    about 1,500 on they write beyond their memory. And nothing counts how often a list is written that a value holds
    at several places. So whoever converts values, or passes them to orjson, asks here first.

    :param levels: how many levels a value may have; a record has one more than its values.
    """
    if _is_harmless(values):
        return None
    members, most = 0, _MOST_MEMBERS + _MOST_OF_EACH * len(values)
    level = [value for value in values if FORMS[type(value)]]
    for _ in range(levels):
        size, deeper = _next_level(level)
        members += size
        if members > (most if deeper else MAX_REPEATING_BYTES // 2):
            problems = (_Walk(value).problem(levels) for value in values if FORMS[type(value)])
            return next((problem for problem in problems if problem), None)
        if not deeper:
            return None
        level = deeper
    return TOO_DEEP


def record_problem(records: Sequence[Any]) -> str | None:
    """Return what :func:`nesting_problem` finds in the values of records; None if nothing is wrong."""
    return nesting_problem(records, MAX_LEVELS + 1)


def repeats_too_often(value: Any) -> bool:
    """Return whether a value repeats its parts so often that even its ``repr`` may have no end."""
    return bool(FORMS[type(value)]) and _Walk(value).is_too_large


def _is_harmless(values: Sequence[Any]) -> bool:
    """Return whether values are surely harmless, by a look at whole levels; if not, they may be harmless all the same.

    The garbage collector returns in one call what objects hold. As a rule that is soon nothing.
    """
    members, most = values, _QUICK_GROWTH * (100 + len(values))
    for _ in range(_QUICK_LEVELS):
        members = get_referents(*members)
        if not members:
            return True
        first = members[:_QUICK_GROWTH]
        # An object such as a UUID holds its class, and through it the whole program; a long list is better looked at
        # alone.
        if len(members) > most or type in map(type, first) or any(map(_is_long, first)):
            break
    return False


def _is_long(value: Any) -> bool:
    return type(value) in _BUILT_IN and len(value) > _QUICK_GROWTH


def _next_level(level: Sequence[Any]) -> tuple[int, list[Any]]:
    """Return how much the members of a level are, and those members that are containers themselves."""
    if _BUILT_IN.issuperset(map(type, level)) and sum(map(len, level)) <= _QUICK_GROWTH * len(level):
        members = get_referents(*level)
        return len(members), [member for member in members if FORMS[type(member)]]
    size, deeper = 0, []
    for container in level:
        inner = members_of(container)
        size += len(inner) * (1 if type(container) in _BUILT_IN else _SLOWER)
        if get_referents(*inner):  # numbers and texts have none
            deeper += [member for member in inner if FORMS[type(member)]]
    return size, deeper


class _Forms(dict[type, int]):
    """The form in which each type holds other values; the types are those whose members become JSON."""

    def __missing__(self, python_type: type) -> int:
        if len(self) >= _KNOWN_TYPES:
            self.clear()
        form = self[python_type] = _form(python_type)
        return form


FORMS = _Forms()
"""For each type the form in which it holds other values; 0 if it holds none."""


def _form(python_type: type) -> int:
    if issubclass(python_type, Enum):
        return _ENUM
    if issubclass(python_type, (list, tuple, set, frozenset)):
        return _SEQUENCE
    if issubclass(python_type, Mapping):
        return _MAPPING
    return _ARRAY if any(base.__name__ == "ndarray" for base in python_type.__mro__) else _FLAT


def members_of(container: Any) -> Sequence[Any]:
    """Return the values that a value holds."""
    form = FORMS[type(container)]
    if form == _ENUM:
        return (container.value,)
    if form == _MAPPING:
        return (*(dict.values(container) if isinstance(container, dict) else container.values()),)
    if form == _ARRAY:
        return (*container.ravel().tolist(),) if container.dtype.kind == "O" else ()
    return container if isinstance(container, (list, tuple)) else (*container,)


class _Walk:
    """Measures a value without recursion, and looks at each container once, at however many places it stands.

    :param value: a container.
    """

    def __init__(self, value: Any) -> None:
        self.holds_itself = self.repeats = False
        self._levels: dict[int, int] = {}  # 0 while a container is open
        self._bytes: dict[int, int] = {}
        self._alive: list[Any] = []  # an identity is unique only among living objects
        stack = [self._opened(value)]
        while stack:
            container, inner, rest = stack[-1]
            member = next(rest, None)
            if member is None:
                stack.pop()
                self.levels = 1 + max((self._levels[id(one)] for one in inner), default=0)
                self.bytes = self._bytes[id(container)] + sum(self._bytes[id(one)] for one in inner)
                self.bytes = min(self.bytes, 2 * MAX_REPEATING_BYTES)
                self._levels[id(container)], self._bytes[id(container)] = self.levels, self.bytes
            elif id(member) not in self._levels:
                stack.append(self._opened(member))
            elif self._levels[id(member)]:
                self.repeats = True
            else:
                self.holds_itself = True

    def problem(self, levels: int) -> str | None:
        """Return what is wrong with the value; None if nothing is."""
        if self.holds_itself or self.levels > levels:
            return TOO_DEEP
        return _TOO_LARGE if self.is_too_large else None

    @property
    def is_too_large(self) -> bool:
        """Whether the value repeats its parts too often."""
        return self.repeats and self.bytes > MAX_REPEATING_BYTES

    def _opened(self, container: Any) -> tuple[Any, list[Any], Iterator[Any]]:
        """Return a container, the containers in it, and an iterator over these."""
        members = members_of(container)
        inner = [member for member in members if FORMS[type(member)]]
        self._alive += (container, *inner)
        self._levels[id(container)] = 0
        # A character of JSON each, and a comma.
        texts = sum(len(member) for member in members if isinstance(member, (str, bytes)))
        self._bytes[id(container)] = 2 * len(members) + texts
        return container, inner, iter(inner)
