"""How deep values may be nested: deeper ones would end the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from gc import get_referents
from typing import Any

import orjson

_ORJSON_LEVELS = 254
"""Lists and mappings inside one another that orjson encodes."""

_USUAL_LEVELS, _GROWTH = 8, 50
"""Levels to which containers are looked through in the quick way, and how many objects each of them may then hold."""

MAX_LEVELS = _ORJSON_LEVELS - 1
"""Levels of a value, which in JSON stands inside the object of its record."""


def _counts_tuples() -> bool:
    """Return whether orjson counts the levels of tuples, as it did up to 3.11. So few levels are safe."""
    try:
        value: Any = ()
        for _ in range(_ORJSON_LEVELS + 1):
            value = (value,)
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


_ORJSON_COUNTS_TUPLES = _counts_tuples()


def is_too_deep(containers: Sequence[Any]) -> bool:
    """Return whether lists, mappings or tuples hold so many levels of tuples that orjson would end the process.

    orjson 3.12 and 3.13 count the levels of lists and mappings, but not those of tuples: from about 1,500 on they write
    beyond their memory. So whoever passes values to orjson as they are asks here first.
    """
    if _ORJSON_COUNTS_TUPLES:
        return False
    # The garbage collector returns in one call what objects hold. As a rule that is soon nothing.
    members, most = containers, _GROWTH * (100 + len(containers))
    for _ in range(_USUAL_LEVELS):
        members = get_referents(*members)
        if not members:
            return False
        if len(members) > most:  # such as what the class of a value holds
            break
    return _levels_of(containers) > _ORJSON_LEVELS


def _levels_of(containers: Iterable[Any]) -> int:
    """Count the levels of containers without recursion, as far as orjson's limit and one more."""
    for levels in range(_ORJSON_LEVELS + 1):
        # By identity: a value that holds another one twice, on each of many levels, has far more members than objects.
        nested = {id(member): member for member in containers if isinstance(member, (list, tuple, dict))}
        if not nested:
            return levels
        containers = get_referents(*nested.values())
    return _ORJSON_LEVELS + 1
