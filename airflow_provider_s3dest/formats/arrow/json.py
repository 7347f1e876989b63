"""Writes Arrow data as JSON, byte for byte as :mod:`.json` writes the same values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_s3dest.formats.arrow.text import (
    content,
    distinct,
    encoded,
    float_text,
    is_text,
    joined,
    plain_text,
)
from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk
from airflow_provider_s3dest.records.arrow.values import values_of
from airflow_provider_s3dest.records.values import json_bytes, json_lines

types = pa.types

_ESCAPED = {character: orjson.dumps(character).decode()[1:-1] for character in ("\\", '"', *map(chr, range(32)))}
"""What stands for a character within a string; the backslash first, since the others bring some in."""


class ArrowJson:
    """Encodes the Arrow chunks of one table as JSON.

    :param columns: the keys of every object, in order.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns

    def encode(self, chunk: ArrowChunk) -> Encoded:
        """Encode the records of a chunk.

        :raises Exception: if a value can't be written, or not in this way.
        """
        members = [self._member(chunk, name) for name in self._columns]
        return encoded(_objects(self._columns, members, "}\n"))

    def _member(self, chunk: ArrowChunk, name: str) -> tuple[Any, bool]:
        array = chunk.array(name)
        return (_by_values(chunk.column(name)), False) if array is None else _member(array)


def is_composed(kind: Any) -> bool:
    """Say whether a type is one of lists or structs, which are spelled by their parts."""
    if types.is_struct(kind):
        return bool(kind.num_fields)
    return bool(types.is_nested(kind) and not types.is_map(kind) and not types.is_union(kind))


def json_text(array: Any) -> Any:
    """Spell values as JSON; null stays null, or is ``null``."""
    texts, is_bare = _member(array)
    return _in_quotes(texts) if is_bare else texts


def _member(array: Any) -> tuple[Any, bool]:
    """Spell values as JSON, and say whether they are bare: strings that still lack their quotes, none of them null."""
    if not len(array):
        return pa.array([], pa.string()), False
    values, places = distinct(array)
    texts, is_bare = _spelled(values)
    if places is not None:
        texts = texts.take(places)
    return (_in_quotes(texts), False) if is_bare and texts.null_count else (texts, is_bare)


def _spelled(array: Any) -> tuple[Any, bool]:
    kind = array.type
    if is_composed(kind):
        return _structs(array) if types.is_struct(kind) else _lists(array), False
    texts = plain_text(array)
    if texts is not None:
        return _escaped(texts) if is_text(kind) else texts, not (types.is_integer(kind) or types.is_boolean(kind))
    texts = float_text(array)
    return _by_values(values_of(array)) if texts is None else texts, False


def _by_values(values: Sequence[Any]) -> Any:
    lines = json_lines(values)
    return pa.array(list(map(json_bytes, values)) if lines is None else lines.split("\n"), pa.string())


def _structs(array: Any) -> Any:
    kind = array.type
    names = [kind.field(number).name for number in range(kind.num_fields)]
    if len(set(names)) != len(names):
        raise ValueError("a struct names a field twice")
    return _with_nulls_of(array, _objects(names, list(map(_member, array.flatten())), "}"))


def _lists(array: Any) -> Any:
    items = json_text(array.flatten()).fill_null("null")
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(bounds), items)
    return _with_nulls_of(array, joined(["[", pc.binary_join(lists, ","), "]"], "", ""))


def _with_nulls_of(array: Any, texts: Any) -> Any:
    return pc.if_else(array.is_valid(), texts, None) if array.null_count else texts


def _escaped(texts: Any) -> Any:
    data = content(texts)
    has_controls = bool(np.any(np.frombuffer(data, np.uint8) < 32))
    for character in _ESCAPED if has_controls else '\\"':
        if character.encode() in data:
            texts = pc.replace_substring(texts, character, _ESCAPED[character])
    return texts


def _in_quotes(texts: Any) -> Any:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _objects(names: Sequence[str], members: Sequence[tuple[Any, bool]], end: str) -> Any:
    """Make JSON objects of the texts of their members."""
    parts: list[Any] = []
    before = "{"
    for name, (texts, is_bare) in zip(names, members, strict=True):
        quote = '"' if is_bare else ""
        parts += [f"{before}{orjson.dumps(name).decode()}:{quote}", texts]
        before = f"{quote},"
    return joined([*parts, before[:-1] + end], "", "null")
