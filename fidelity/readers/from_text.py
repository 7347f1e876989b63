"""Turns text into Python's own values, for libraries whose users do so in Python."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from fidelity.kinds import Type

CONVERSIONS: dict[Type, Callable[[str], Any]] = {
    "bool": lambda text: {"true": True, "false": False}[text],
    "int64": int,
    "decimal(38,0)": Decimal,
    "decimal(38,10)": Decimal,
    "float": float,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "bytes": base64.b64decode,
}
"""By type; what is not here stays text."""


def converted(values: list[Any], type_: Type) -> list[Any]:
    """Turn the texts among some values into what they stand for."""
    convert = CONVERSIONS.get(type_)
    return [convert(value) if convert and isinstance(value, str) else value for value in values]
