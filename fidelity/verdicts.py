"""Says whether what a reader read is what went in."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from fidelity.kinds import Kind, spelled

Outcome = Literal["equal", "text", "differs", "refused"]


@dataclass(frozen=True)
class Verdict:
    """What became of the values of a cell.

    :param outcome: ``equal``; ``text`` if the reader has no type for them and its text is as docs/values.md spells
        them; ``differs`` if any is another; ``refused`` if the reader raises an error.
    :param shown: the first that differs, or the error.
    """

    outcome: Outcome
    shown: str = ""


def judge(kind: Kind, found: Sequence[Any]) -> Verdict:
    """Compare what was read with the values of a kind."""
    wanted = kind.values
    if len(wanted) != len(found):
        return Verdict("differs", f"{len(found)} records for {len(wanted)}")
    pairs = list(zip(wanted, found, strict=True))
    if all(_is_same(kind, one, other) for one, other in pairs):
        return Verdict("equal")
    if kind.type != "text" and all(other is None if one is None else spelled(one) == other for one, other in pairs):
        return Verdict("text")
    return Verdict("differs", next(f"{a!r:.60} → {b!r:.60}" for a, b in pairs if not _is_same(kind, a, b)))


def _is_same(kind: Kind, wanted: Any, found: Any) -> bool:
    if wanted is None or found is None:
        return wanted is found
    match kind.type:
        case "float":
            both_nan = isinstance(found, float) and math.isnan(wanted) and math.isnan(found)
            same = isinstance(found, float) and wanted == found and math.copysign(1, wanted) == math.copysign(1, found)
            return both_nan or same
        case "decimal(38,0)" | "decimal(38,10)":
            return isinstance(found, (int, Decimal)) and wanted == found
        case "uuid":
            return str(wanted) == str(found)
        case "json":
            return _canonical(wanted) == _canonical(json.loads(found) if isinstance(found, str) else found)
        case "timestamptz":
            return isinstance(found, datetime) and found.tzinfo is not None and wanted == found
        case _:
            return type(wanted) is type(found) and bool(wanted == found)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
