"""The ways into the provider: records, staged text that passes through or is parsed, and Arrow data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fidelity.kinds import Kind, spelled

Input = Mapping[str, Any]
"""``records`` or ``staging_path`` of the hook."""


@dataclass(frozen=True)
class Lane:
    """A way in.

    :param short: how the matrix calls it.
    :param hand_over: gives the input of a load, writing into a folder what is staged; None where the lane has no such
        values.
    :param texts_only: whether all it carries is text.
    """

    name: str
    short: str
    hand_over: Callable[[Kind, Path], Input | None]
    texts_only: bool = False

    def has_text(self, kind: Kind) -> bool:
        """Whether the JSON that comes of this lane has the values as strings."""
        return self.texts_only or kind.is_json_text


def _records(kind: Kind, _: Path) -> Input:
    return {"records": [{"id": number, "value": value} for number, value in enumerate(kind.in_records)]}


def _arrow(kind: Kind, folder: Path) -> Input | None:
    if kind.arrow is None:
        return None
    values = [str(value) if value is not None and kind.type == "uuid" else value for value in kind.values]
    table = pa.table({"id": range(len(values)), "value": pa.array(values, kind.arrow)})
    pq.write_table(table, folder / "staged.parquet")
    return {"staging_path": str(folder / "staged.parquet")}


def _csv_that_passes(kind: Kind, folder: Path) -> Input | None:
    return _csv(kind, folder, quote_all=False, line_end="\n")


def _csv_that_is_parsed(kind: Kind, folder: Path) -> Input | None:
    return _csv(kind, folder, quote_all=True, line_end="\r\n")


def _csv(kind: Kind, folder: Path, *, quote_all: bool, line_end: str) -> Input | None:
    if kind.as_python is not None:  # text has no enums or sets
        return None
    fields = [_field(value, quote_all) for value in kind.values]
    lines = ["id,value", *(f"{number},{field}" for number, field in enumerate(fields))]
    return _staged(folder / "staged.csv", line_end.join([*lines, ""]))


def _field(value: Any, quote_all: bool) -> str:
    if value is None:
        return ""
    text = spelled(value)
    quoted = '"' + text.replace('"', '""') + '"'
    return quoted if quote_all or not text or any(sign in text for sign in ',"\r\n') else text


def _json_that_passes(kind: Kind, folder: Path) -> Input | None:
    return _json(kind, folder, lambda value: json.dumps(value, ensure_ascii=False), '{"id":', ',"value":')


def _json_that_is_parsed(kind: Kind, folder: Path) -> Input | None:
    return _json(kind, folder, json.dumps, '{"id" : ', ', "value" : ')


def _json(kind: Kind, folder: Path, written: Callable[[Any], str], *keys: str) -> Input | None:
    if kind.as_python is not None or any(isinstance(value, float) and not math.isfinite(value) for value in kind.edges):
        return None  # JSON has none
    plain = not kind.is_json_text
    texts = [written(value if plain or value is None else spelled(value)) for value in kind.values]
    lines = [f"{keys[0]}{number}{keys[1]}{text}}}\n" for number, text in enumerate(texts)]
    return _staged(folder / "staged.ndjson", "".join(lines))


def _staged(path: Path, text: str) -> Input:
    path.write_text(text, encoding="utf-8", newline="")
    return {"staging_path": str(path)}


LANES: Sequence[Lane] = [
    Lane("Python records", "R", _records),
    Lane("staged CSV that passes through", "C", _csv_that_passes, texts_only=True),
    Lane("staged CSV that is parsed: CRLF, all quoted", "Cp", _csv_that_is_parsed, texts_only=True),
    Lane("staged NDJSON that passes through", "J", _json_that_passes),
    Lane("staged NDJSON that is parsed: blanks, escapes", "Jp", _json_that_is_parsed),
    Lane("Arrow, staged as Parquet", "A", _arrow),
]
