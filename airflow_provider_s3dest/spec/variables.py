"""CloudQuery's variables, ``${NAME}``: nothing replaces them here, so they are refused wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.spec.nested_texts import nested_texts

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def faults(value: Any, key: str = "") -> Iterator[Fault]:
    """Find the variables inside a value.

    :param key: the value's own place; empty for a mapping of fields.
    """
    for place, text in nested_texts(value, key):
        if found := _VARIABLE.search(text):
            name = found[0][2:-1]
            jinja = f": {{{{ var.value.{name} }}}}" if name.isidentifier() else ""
            remedy = f"Use Jinja in the operator's argument{jinja}, or a connection for secrets."
            yield Fault(place, f"{found[0]} is CloudQuery's variable and is not replaced here.", remedy)
