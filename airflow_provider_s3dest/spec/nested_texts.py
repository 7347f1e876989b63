"""Finds every text inside a value, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def nested_texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Give each text with its place, such as ``tags.team``; the key of a mapping is a text at its mapping's place."""
    seen: set[int] = set()  # a value may come many times, or hold itself
    waiting: list[tuple[str, Any]] = [(key, value)]
    for place, one in waiting:
        if isinstance(one, str):
            yield place, one
        elif isinstance(one, (Mapping, list, tuple)) and id(one) not in seen:
            seen.add(id(one))
            if isinstance(one, Mapping):
                for name, inner in one.items():
                    waiting += [(place, name), (f"{place}.{name}" if place else str(name), inner)]
            else:
                waiting += [(place, inner) for inner in one]
