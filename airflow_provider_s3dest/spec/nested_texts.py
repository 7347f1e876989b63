"""Finds every text inside a value, at any depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_s3dest.errors import Fault


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


_VARIABLE = re.compile(r"\$\{[^}]*\}")


def variable_faults(value: Any, key: str = "") -> Iterator[Fault]:
    """Find the variables inside a value.

    :param key: the value's own place; empty for a mapping of fields.
    """
    for place, text in nested_texts(value, key):
        if found := _VARIABLE.search(text):
            name = found[0][2:-1]
            jinja = f": {{{{ var.value.{name} }}}}" if name.isidentifier() else ""
            remedy = f"Use Jinja in the operator's argument{jinja}, or a connection for secrets."
            yield Fault(place, f"{found[0]} is CloudQuery's variable and is not replaced here.", remedy)
