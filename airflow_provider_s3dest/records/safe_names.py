"""Renames the columns of records, and the keys of nested objects in them, to names that Athena accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from airflow_provider_s3dest.errors import Fault, RecordError, SpecError
from airflow_provider_s3dest.records.bad_records import isolate_bad_records
from airflow_provider_s3dest.records.chunks import Chunk, ColumnChunk, PassthroughChunk
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.records.values import plain

_UNSAFE = re.compile(r"[^0-9A-Za-z_]")
"""Each character that is replaced by ``_``: the same ones as in CloudQuery's S3 destination."""

_FLAT_TYPES = frozenset({str, int, float, bool, type(None)})
"""Types of values that hold no keys."""


class _ClashError(ValueError):
    """Two keys of one object would get the same name."""


def with_safe_keys(table: Table) -> Table:
    """Rename the columns of a table, and the keys of nested objects in its values.

    :raises SpecError: if two columns would have the same name, or names that differ only in case.
    """
    names = safe_columns(table)
    return Table(table.name, tuple(names.values()), _renamed(table, names), bad=table.bad)


def safe_columns(table: Table) -> dict[str, str]:
    """Map the columns of a table to the names that they get.

    :raises SpecError: if two columns would have the same name, or names that differ only in case.
    """
    if clash := clash_of(table.columns):
        problem = f"the columns {clash} of table {table.name!r} are one name to Athena."
        raise SpecError([Fault("athena", problem, "Rename one upstream, or leave it out with `columns`.")])
    return {column: safe_key(column) for column in table.columns}


def safe_key(key: str) -> str:
    """Replace by ``_`` each character that Athena accepts in no name.

    Example::

        >>> safe_key("user-agent.os")
        'user_agent_os'
    """
    return _UNSAFE.sub("_", key)


def _renamed(table: Table, names: Mapping[str, str]) -> Iterator[Chunk | PassthroughChunk]:
    def renamed(chunk: Chunk) -> ColumnChunk:
        values = {
            name: _with_safe_values(column, table.name, original, chunk)
            for (original, name), column in zip(names.items(), chunk.columns(tuple(names)), strict=True)
        }
        return ColumnChunk(values, chunk.origins, len(chunk))

    for chunk in table.chunks:
        if isinstance(chunk, PassthroughChunk):  # CSV text, which holds no keys
            yield chunk
        else:
            yield from isolate_bad_records(renamed, chunk, table.bad)


def _with_safe_values(values: Sequence[Any], table: str, column: str, chunk: Chunk) -> Sequence[Any]:
    if set(map(type, values)) <= _FLAT_TYPES:
        return values
    safe = []
    for position, value in enumerate(values):
        try:
            safe.append(_safe(value))
        except (_ClashError, RecursionError) as error:
            clashes = isinstance(error, _ClashError)
            raise RecordError(
                f"the keys {error} of a nested object are one name to Athena." if clashes else "is nested too deeply.",
                "Rename one upstream." if clashes else "Flatten it upstream.",
                table=table,
                place=chunk.origins[position],
                column=column,
                value=value,
            ) from error
    return safe


def _safe(value: Any) -> Any:
    """Rename the keys in a value; a value without keys is returned as it is."""
    if type(value) in _FLAT_TYPES:
        return value
    if isinstance(value, msgspec.Raw):
        return _safe_json(bytes(value)) or value
    try:
        converted = plain(value)
    except Exception:  # the encoder raises the error for it; a value's own methods may raise anything
        return value
    return _safe_plain(converted) if isinstance(converted, (dict, list)) else value


def _safe_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _with_safe_keys([(key, _safe_plain(member)) for key, member in value.items()])
    if isinstance(value, list):
        return [_safe_plain(item) for item in value]
    if isinstance(value, orjson.Fragment):
        return _safe_json(orjson.dumps(value)) or value
    return value


def _safe_json(text: bytes) -> Any:
    """Rename the keys in the text of a JSON object or array; return None for the text of any other value."""
    if text[:1] not in (b"{", b"["):
        return None
    # Numbers stay as they are written (1.10 stays 1.10). A key that occurs twice clashes with itself.
    return json.loads(text, object_pairs_hook=_with_safe_keys, parse_int=_verbatim, parse_float=_verbatim)


def _verbatim(number: str) -> orjson.Fragment:
    return orjson.Fragment(number.encode())


def _with_safe_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if clash := clash_of(key for key, _ in pairs):
        raise _ClashError(clash)
    return {safe_key(key): member for key, member in pairs}


def clash_of(keys: Iterable[str]) -> str:
    """Return the names of two keys that are one to Athena, which ignores case, as text; empty if there are none."""
    seen: dict[str, str] = {}
    for key in keys:
        folded = safe_key(key).lower()
        if folded in seen:
            return f"{seen[folded]!r} and {key!r}"
        seen[folded] = key
    return ""
