"""Finds the texts inside a value, at any depth, and CloudQuery's variables in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_s3dest.errors import Fault

_VARIABLE = re.compile(r"\$\{[^}]*\}")
"""A variable of CloudQuery, such as ``${TOKEN}``."""


def nested_texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with its place, such as ``tags.team``; the keys of a mapping are texts at the mapping's place.

    :param key: the place of the value itself.
    """
    seen: set[int] = set()  # a list or mapping may come many times, or hold itself
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


def variable_faults(value: Any, key: str = "") -> Iterator[Fault]:
    """Find CloudQuery's variables inside a value: they are never replaced here.

    :param key: the place of the value itself; empty for a mapping of fields.
    """
    for place, text in nested_texts(value, key):
        # Up to the last brace alone: without one, each of many beginnings would be followed to the end of the text.
        if variable := _VARIABLE.search(text, 0, text.rfind("}") + 1):
            name = variable[0][2:-1]
            jinja = f": {{{{ var.value.{name} }}}}" if name.isidentifier() else ""
            remedy = "Use Jinja in the operator's argument{}, or a connection for secrets."
            problem = "is CloudQuery's variable and is not replaced here."
            public = Fault(place.partition(".")[0], f"what it holds {problem}", remedy.format(""))
            yield Fault(place, f"{variable[0]} {problem}", remedy.format(jinja), public)
