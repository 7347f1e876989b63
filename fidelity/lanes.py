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

from fidelity.kinds import DEEP, Kind, spelled

Input = Mapping[str, Any]
"""``records`` or ``staging_path`` of the hook."""


@dataclass(frozen=True)
class Lane:
    """A way in.

    :param short: how the matrix calls it.
    :param stage: writes the values of a kind to a staged file, and says whether it could.
    :param ending: of the staged files; empty for Python records, which are not staged.
    :param texts_only: whether all it carries is text.
    """

    name: str
    short: str
    ending: str
    stage: Callable[[Kind, Path], bool]
    texts_only: bool = False

    def types_of(self, kinds: Mapping[str, Kind]) -> Mapping[str, Any]:
        """Give the ``schema`` that a careful user names for Parquet: types that the lane does not bring along.

        :param kinds: by the names of the tables.
        """
        types = {name: self._type_of(kind) for name, kind in kinds.items()}
        schema = {name: {"id": "string", "value": type_} for name, type_ in types.items() if type_}
        return {"schema": schema} if schema else {}

    def _type_of(self, kind: Kind) -> str:
        if kind.name == DEEP:
            return "string"
        return "" if self.ending in ("", "parquet") or _stays_text(kind) else str(kind.arrow)

    def has_text(self, kind: Kind, format_: str) -> bool:
        """Whether JSON or Parquet that comes of this lane has the values as strings."""
        if format_ == "csv":
            return False
        if format_ == "parquet":
            if type_ := self._type_of(kind):
                return type_ == "string"
            return self.ending not in ("", "parquet") and (self.texts_only or kind.is_json_text)
        of_decimals = self.ending == "parquet" and kind.arrow is not None and pa.types.is_decimal(kind.arrow)
        return self.texts_only or kind.is_json_text or of_decimals

    def hand_over(self, kinds: Mapping[str, Kind], folder: Path) -> tuple[Input, list[str]]:
        """Give the input of a load of many tables, and the names of the tables.

        :param kinds: by the names of the tables; those that the lane can't carry are left out.
        :param folder: to stage files in.
        """
        if not self.ending:
            tables = {name: _rows(kind.in_records) for name, kind in kinds.items() if not kind.write}
            return {"records": tables}, list(tables)
        staged = []
        for name, kind in kinds.items():
            path = folder / name / f"staged.{self.ending}"
            path.parent.mkdir(parents=True)
            if self.stage(kind, path):
                staged.append(name)
            else:
                path.parent.rmdir()
        return {"staging_path": f"{folder}/{{{{TABLE}}}}/*.{self.ending}"}, staged


def _rows(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"id": name, "value": value} for name, value in zip(_ids(values), values, strict=True)]


def _ids(values: Sequence[Any]) -> list[str]:
    """Assign numbers to the records, so that readers sort them alike, whether they take numbers from text or not."""
    return [f"r{100 + number}" for number in range(len(values))]


def _stays_text(kind: Kind) -> bool:
    """Whether no schema makes anything else of the text of a kind."""
    return kind.arrow is None or kind.type in ("bytes", "duration")


def _no_file(_kind: Kind, _path: Path) -> bool:
    return False


def _arrow(kind: Kind, path: Path) -> bool:
    if kind.write:
        kind.write(_ids(kind.values), kind.values, path)
        return True
    if kind.arrow is None:
        return False
    values = [str(value) if value is not None and kind.type == "uuid" else value for value in kind.values]
    pq.write_table(pa.table({"id": _ids(values), "value": pa.array(values, kind.arrow)}), path)
    return True


def _csv_that_passes(kind: Kind, path: Path) -> bool:
    return _csv(kind, path, quote_all=False, line_end="\n")


def _csv_that_is_parsed(kind: Kind, path: Path) -> bool:
    return _csv(kind, path, quote_all=True, line_end="\r\n")


def _csv(kind: Kind, path: Path, *, quote_all: bool, line_end: str) -> bool:
    if kind.write or kind.as_python is not None:  # text has no enums or sets
        return False
    fields = [_field(value, quote_all) for value in kind.values]
    lines = ["id,value", *(f"{name},{field}" for name, field in zip(_ids(fields), fields, strict=True))]
    return _written(path, line_end.join([*lines, ""]))


def _field(value: Any, quote_all: bool) -> str:
    if value is None:
        return ""
    text = spelled(value)
    quoted = '"' + text.replace('"', '""') + '"'
    return quoted if quote_all or not text or any(sign in text for sign in ',"\r\n') else text


def _json_that_passes(kind: Kind, path: Path) -> bool:
    return _json(kind, path, lambda value: json.dumps(value, ensure_ascii=False), '{"id":', ',"value":')


def _json_that_is_parsed(kind: Kind, path: Path) -> bool:
    return _json(kind, path, json.dumps, '{"id" : ', ', "value" : ')


def _json(kind: Kind, path: Path, written: Callable[[Any], str], *keys: str) -> bool:
    if (
        kind.write
        or kind.as_python is not None
        or any(isinstance(value, float) and not math.isfinite(value) for value in kind.edges)
    ):
        return False  # JSON has none
    plain = not kind.is_json_text
    texts = [written(value if plain or value is None else spelled(value)) for value in kind.values]
    lines = [f'{keys[0]}"{name}"{keys[1]}{text}}}\n' for name, text in zip(_ids(texts), texts, strict=True)]
    return _written(path, "".join(lines))


def _written(path: Path, text: str) -> bool:
    path.write_text(text, encoding="utf-8", newline="")
    return True


LANES: Sequence[Lane] = [
    Lane("Python records", "R", "", _no_file),
    Lane("staged CSV that passes through", "C", "csv", _csv_that_passes, texts_only=True),
    Lane("staged CSV that is parsed: CRLF, all quoted", "Cp", "csv", _csv_that_is_parsed, texts_only=True),
    Lane("staged NDJSON that passes through", "J", "ndjson", _json_that_passes),
    Lane("staged NDJSON that is parsed: blanks, escapes", "Jp", "ndjson", _json_that_is_parsed),
    Lane("Arrow, staged as Parquet", "A", "parquet", _arrow),
]
