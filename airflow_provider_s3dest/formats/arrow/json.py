"""Encodes Arrow data as JSON, to the same bytes as :mod:`airflow_provider_s3dest.formats.json`."""

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
    encoded_array,
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

_ESCAPES = {character: orjson.dumps(character).decode()[1:-1] for character in ("\\", '"', *map(chr, range(32)))}
"""The escapes of JSON. The backslash stands first: to replace it last would escape those of the other escapes."""


class ArrowJson:
    """Encodes the Arrow chunks of one table as JSON.

    :param columns: the keys of every object, in order.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns

    def encode(self, chunk: ArrowChunk) -> Encoded:
        """Encode the records of a chunk.

        :raises Exception: if a value can't be written, or needs another way.
        """
        members = [self._member(chunk, name) for name in self._columns]
        return encoded_array(_objects(self._columns, members, "}\n"))

    def _member(self, chunk: ArrowChunk, name: str) -> tuple[Any, bool]:
        array = chunk.array(name)
        return (_by_values(chunk.column(name)), False) if array is None else _member(array)


def is_composed(arrow_type: Any) -> bool:
    """Return whether a type is one of lists or structs, which are formatted by their parts."""
    if types.is_struct(arrow_type):
        return bool(arrow_type.num_fields)
    return bool(types.is_nested(arrow_type) and not types.is_map(arrow_type) and not types.is_union(arrow_type))


def json_text(array: Any) -> Any:
    """Format values as JSON; null stays null, or is ``null``."""
    texts, is_bare = _member(array)
    return _in_quotes(texts) if is_bare else texts


def _member(array: Any) -> tuple[Any, bool]:
    """Format values as JSON, and return whether the texts are bare: strings without their quotes, none of them null.

    Quotes around bare texts cost no step of their own: :func:`_objects` puts them into the text between the members.
    """
    if not len(array):
        return pa.array([], pa.string()), False
    values, indices = distinct(array)
    texts, is_bare = _formatted(values)
    if indices is not None:
        texts = texts.take(indices)
    return (_in_quotes(texts), False) if is_bare and texts.null_count else (texts, is_bare)


def _formatted(array: Any) -> tuple[Any, bool]:
    arrow_type = array.type
    if is_composed(arrow_type):
        return _structs(array) if types.is_struct(arrow_type) else _lists(array), False
    texts = plain_text(array)
    if texts is not None:
        is_bare = not (types.is_integer(arrow_type) or types.is_boolean(arrow_type))
        return _escaped(texts) if is_text(arrow_type) else texts, is_bare
    texts = float_text(array)
    return _by_values(values_of(array)) if texts is None else texts, False


def _by_values(values: Sequence[Any]) -> Any:
    lines = json_lines(values)
    return pa.array(list(map(json_bytes, values)) if lines is None else lines.split("\n"), pa.string())


def _structs(array: Any) -> Any:
    arrow_type = array.type
    names = [arrow_type.field(index).name for index in range(arrow_type.num_fields)]
    if len(set(names)) != len(names):
        raise ValueError("a struct names a field twice")
    return _with_nulls_of(array, _objects(names, list(map(_member, array.flatten())), "}"))


def _lists(array: Any) -> Any:
    items = json_text(array.flatten()).fill_null("null")
    # ``flatten`` leaves out items of null lists and items outside a slice, so that the array's own offsets don't fit.
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(bounds), items)
    return _with_nulls_of(array, joined(["[", pc.binary_join(lists, ","), "]"], "", ""))


def _with_nulls_of(array: Any, texts: Any) -> Any:
    return pc.if_else(array.is_valid(), texts, None) if array.null_count else texts


def _escaped(texts: Any) -> Any:
    # The bytes of all texts are searched at once: most columns hold nothing to escape.
    data = content(texts)
    has_controls = bool(np.any(np.frombuffer(data, np.uint8) < 32))
    for character in _ESCAPES if has_controls else '\\"':
        if character.encode() in data:
            texts = pc.replace_substring(texts, character, _ESCAPES[character])
    return texts


def _in_quotes(texts: Any) -> Any:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _objects(names: Sequence[str], members: Sequence[tuple[Any, bool]], end: str) -> Any:
    """Build JSON objects from the texts of their members.

    :param members: for each name an array of texts, and whether these still need their quotes.
    :param end: the text after the last member of an object.
    """
    parts: list[Any] = []
    before = "{"
    for name, (texts, is_bare) in zip(names, members, strict=True):
        quote = '"' if is_bare else ""
        parts += [f"{before}{orjson.dumps(name).decode()}:{quote}", texts]
        before = f"{quote},"
    return joined([*parts, before[:-1] + end], "", "null")
