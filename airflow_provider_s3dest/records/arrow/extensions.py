"""Reads columns by what their extension type means: JSON, text, bools, nested lists; marks types without a rule.

An extension type is a name beside a storage type. pyarrow knows few of the names. Of all others it returns the storage,
and the name as metadata of the field: the number of a period, or the bytes of a UUID. Readers of Parquet files add
names of their own (``parquet.``) for annotations that pyarrow does not return as types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from airflow_provider_s3dest.records.arrow.cast import with_items
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.arrow.types import is_bytes, is_list, is_text
from airflow_provider_s3dest.records.arrow.values import values_of

NAME = b"ARROW:extension:name"
"""The key under which the metadata of a field hold the name of its extension type."""


class Meaning(NamedTuple):
    """What a field is read as.

    :param type: the ``pyarrow.DataType`` of the values.
    :param read: turns an array of the storage into one of this type.
    """

    type: Any
    read: Callable[[Any], Any]


class MeantFields:
    """The columns of a stream of record batches, by what they mean.

    :param schema: the ``pyarrow.Schema`` of the stream.
    :param origin: the schema of the object that the stream comes from, if that is pyarrow's own: a stream does not name
        the extension type of encoded values.
    :raises TypeError: if a type has no rule, and this pyarrow can't mark it.
    """

    def __init__(self, schema: Any, origin: Any = None) -> None:
        named = schema if origin is None else map(_named, schema, origin)
        meanings = {field.name: meaning_of(field) for field in named}
        self._meanings = {name: meaning for name, meaning in meanings.items() if meaning}
        fields = [(field.name, self._meanings[field.name].type) if meanings[field.name] else field for field in schema]
        self.schema = import_pyarrow().schema(fields) if self._meanings else schema

    def read(self, batch: Any) -> Any:
        """Return a record batch of the stream, or of some of its columns, with the values that are meant."""
        if self._meanings.keys().isdisjoint(batch.schema.names):
            return batch
        pairs = zip(batch.schema.names, batch.columns, strict=True)
        arrays = [_read(self._meanings.get(name), array) for name, array in pairs]
        return import_pyarrow().RecordBatch.from_arrays(arrays, batch.schema.names)


def meaning_of(field: Any) -> Meaning | None:
    """Return what a ``pyarrow.Field`` is read as; None: as what its type says.

    :raises TypeError: if its type has no rule, and this pyarrow can't mark it.
    """
    pyarrow = import_pyarrow()
    types, arrow_type = pyarrow.types, field.type
    if isinstance(arrow_type, pyarrow.BaseExtensionType):
        rule = _RULES.get(arrow_type.extension_name)
        return rule(arrow_type.storage_type if _is_encoded(arrow_type.storage_type) else arrow_type) if rule else None
    if rule := _RULES.get((field.metadata or {}).get(NAME, b"").decode(errors="replace")):
        return rule(arrow_type.value_type if _is_encoded(arrow_type) else arrow_type)
    if _is_encoded(arrow_type):
        return meaning_of(pyarrow.field("", arrow_type.value_type))
    if types.is_struct(arrow_type):
        return _struct(arrow_type)
    if types.is_map(arrow_type):
        return _map(arrow_type)
    return _list(arrow_type) if is_list(arrow_type) else None


def _is_encoded(arrow_type: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type))


def _named(field: Any, origin: Any) -> Any:
    """Return a field of a stream with the names of the extension types of its encoded values, at any level."""
    try:
        return _with_name(_through_ipc(origin), origin)
    except import_pyarrow().ArrowException:  # types that pyarrow knows can't be read in a dictionary, but need no name
        return field


def _through_ipc(field: Any) -> Any:
    """Return a field whose metadata name its extension type, as Arrow's files do also for members of dictionaries."""
    pyarrow = import_pyarrow()
    return pyarrow.ipc.read_schema(pyarrow.schema([field]).serialize()).field(0)


def _with_name(field: Any, origin: Any) -> Any:
    """Return a field with the names of the extension types of its run-end encoded values, at any level."""
    pyarrow = import_pyarrow()
    types, arrow_type, of_origin = pyarrow.types, field.type, origin.type
    if isinstance(arrow_type, pyarrow.BaseExtensionType):
        return field
    if isinstance(of_origin, pyarrow.BaseExtensionType):
        of_origin = of_origin.storage_type
    if types.is_run_end_encoded(arrow_type):
        return field.with_metadata(_through_ipc(of_origin.field(1)).metadata)
    if types.is_struct(arrow_type):
        return field.with_type(pyarrow.struct(list(map(_with_name, arrow_type.fields, of_origin.fields))))
    if types.is_map(arrow_type):
        key = _with_name(arrow_type.key_field, of_origin.key_field)
        item = _with_name(arrow_type.item_field, of_origin.item_field)
        return field.with_type(pyarrow.map_(key, item, keys_sorted=arrow_type.keys_sorted))
    if is_list(arrow_type):
        item = _with_name(arrow_type.value_field, of_origin.value_field)
        return field.with_type((pyarrow.large_list if _is_large(arrow_type) else pyarrow.list_)(item))
    return field


def _read(meaning: Meaning | None, array: Any) -> Any:
    pyarrow = import_pyarrow()
    if meaning is None:
        return array
    if pyarrow.types.is_dictionary(array.type):
        return _read(meaning, array.dictionary).take(array.indices)
    if pyarrow.types.is_run_end_encoded(array.type):
        return _read(meaning, array.values).take(_value_indices(array))
    return meaning.read(array.storage if isinstance(array, pyarrow.ExtensionArray) else array)


def _value_indices(array: Any) -> Any:
    """Return for each record of a run-end encoded array the index of its value; Arrow decodes no extension types."""
    pyarrow = import_pyarrow()
    numbers = pyarrow.array(range(len(array.values)), pyarrow.int64())
    runs = pyarrow.RunEndEncodedArray.from_arrays(array.run_ends, numbers)
    return pyarrow.compute.run_end_decode(runs.slice(array.offset, len(array)))


def _struct(arrow_type: Any) -> Meaning | None:
    pyarrow = import_pyarrow()
    meanings = [meaning_of(field) for field in arrow_type.fields]
    if not any(meanings):
        return None
    pairs = list(zip(arrow_type.fields, meanings, strict=True))
    fields = [pyarrow.field(field.name, meaning.type) if meaning else field for field, meaning in pairs]

    def read(array: Any) -> Any:
        members = [_read(meaning, member) for meaning, member in zip(meanings, array.flatten(), strict=True)]
        return pyarrow.StructArray.from_arrays(members, fields=fields, mask=array.is_null())

    return Meaning(pyarrow.struct(fields), read)


def _list(arrow_type: Any) -> Meaning | None:
    pyarrow = import_pyarrow()
    item = meaning_of(arrow_type.value_field)
    if item is None:
        return None
    target = (pyarrow.large_list if _is_large(arrow_type) else pyarrow.list_)(item.type)
    return Meaning(target, lambda array: with_items(array, _read(item, array.flatten()), target))


def _is_large(arrow_type: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_large_list(arrow_type) or types.is_large_list_view(arrow_type))


def _map(arrow_type: Any) -> Meaning | None:
    pyarrow = import_pyarrow()
    key, value = meaning_of(arrow_type.key_field), meaning_of(arrow_type.item_field)
    if key is None and value is None:
        return None
    target = pyarrow.map_(key.type if key else arrow_type.key_type, value.type if value else arrow_type.item_type)

    def read(array: Any) -> Any:
        # Of a slice, the offsets are those of the whole array, and so are its keys and values.
        array = array.take(pyarrow.array(range(len(array)), pyarrow.int64()))
        mask = array.is_null() if array.null_count else None
        pairs = _read(key, array.keys), _read(value, array.items)
        return pyarrow.MapArray.from_arrays(array.offsets, *pairs, type=target, mask=mask)

    return Meaning(target, read)


def _as_json(arrow_type: Any) -> Meaning | None:
    pyarrow = import_pyarrow()
    storage = _storage(arrow_type)
    if not (is_text(storage) or is_bytes(storage)):
        return None
    json_type = getattr(pyarrow, "json_", None)  # since pyarrow 19
    if json_type is None:
        return Meaning(pyarrow.string(), _texts)
    target = json_type(pyarrow.string())
    return Meaning(target, lambda array: pyarrow.ExtensionArray.from_storage(target, _texts(array)))


def _as_text(arrow_type: Any) -> Meaning | None:
    storage = _storage(arrow_type)
    return Meaning(import_pyarrow().string(), _texts) if is_text(storage) or is_bytes(storage) else None


def _texts(array: Any) -> Any:
    """Return text or the bytes of text as an array of strings; who reads a text finds out whether it is UTF-8."""
    pyarrow = import_pyarrow()
    if pyarrow.types.is_string(array.type):
        return array
    return array.cast(pyarrow.string() if is_text(array.type) else pyarrow.binary()).view(pyarrow.string())


def _formatted(format_value: Callable[[Any], str]) -> Callable[[Any], Meaning]:
    def meaning(_: Any) -> Meaning:
        text = import_pyarrow().string()
        return Meaning(
            text,
            lambda array: import_pyarrow().array(
                [None if value is None else format_value(value) for value in values_of(array)], text
            ),
        )

    return meaning


_uuid = _formatted(lambda value: str(UUID(bytes=value)))
_mac = _formatted(lambda value: value.hex(":"))
_utc_time = _formatted(lambda value: f"{value if isinstance(value, str) else value.isoformat()}+00:00")


def _if_bytes(rule: Callable[[Any], Meaning], width: int = 0) -> Callable[[Any], Meaning | None]:
    def meaning(arrow_type: Any) -> Meaning | None:
        storage = _storage(arrow_type)
        is_fixed = import_pyarrow().types.is_fixed_size_binary(storage)
        fits = is_fixed and storage.byte_width == width if width else is_bytes(storage)
        return rule(arrow_type) if fits else None

    return meaning


def _bool8(arrow_type: Any) -> Meaning | None:
    pyarrow = import_pyarrow()
    if not pyarrow.types.is_int8(_storage(arrow_type)):
        return None
    return Meaning(pyarrow.bool_(), lambda array: array.cast(pyarrow.bool_()))


def _opaque(arrow_type: Any) -> Meaning | None:
    # Drivers return what Arrow has no type for as text, such as the numeric of PostgreSQL.
    if is_text(_storage(arrow_type)):
        return _as_text(arrow_type)
    names = [getattr(arrow_type, name, "") for name in ("type_name", "vendor_name")]
    return _no_rule(_storage(arrow_type), " of ".join(filter(None, names)) or "opaque")


def _tensor(arrow_type: Any) -> Meaning:
    pyarrow = import_pyarrow()
    shape, order = list(arrow_type.shape), arrow_type.permutation
    if order is not None and list(order) != sorted(order):
        return _no_rule(_storage(arrow_type), "tensor whose dimensions are permuted")
    target = arrow_type.value_type
    for _ in shape:
        target = pyarrow.list_(target)

    def nested(flat: list[Any], sizes: list[int]) -> list[Any]:
        if len(sizes) == 1:
            return flat
        step = math.prod(sizes[1:])
        return [nested(flat[start * step : (start + 1) * step], sizes[1:]) for start in range(sizes[0])]

    def read(array: Any) -> Any:
        return pyarrow.array([None if flat is None else nested(flat, shape) for flat in array.to_pylist()], target)

    return Meaning(target, read)


def _without_rule(name: str) -> Callable[[Any], Meaning]:
    return lambda arrow_type: _no_rule(_storage(arrow_type), name)


def _no_rule(storage: Any, name: str) -> Meaning:
    """Mark a type without a rule: it is an error only if somebody asks for its values."""
    pyarrow = import_pyarrow()
    if not hasattr(pyarrow, "opaque"):  # before pyarrow 19
        raise TypeError(f"a column is of the type {name}, for which there is no rule")
    target = pyarrow.opaque(storage, name, "")
    return Meaning(target, lambda array: pyarrow.ExtensionArray.from_storage(target, array))


def _storage(arrow_type: Any) -> Any:
    return arrow_type.storage_type if isinstance(arrow_type, import_pyarrow().BaseExtensionType) else arrow_type


def _unless_known(rule: Callable[[Any], Meaning | None]) -> Callable[[Any], Meaning | None]:
    """Return a rule for extension types that newer versions of pyarrow know, and whose values these return right."""
    return lambda arrow_type: None if isinstance(arrow_type, import_pyarrow().BaseExtensionType) else rule(arrow_type)


_RULES: Mapping[str, Callable[[Any], Meaning | None]] = {
    # Canonical extension types of Arrow.
    "arrow.json": _as_json,
    "arrow.uuid": _unless_known(_if_bytes(_uuid, 16)),
    "arrow.bool8": _bool8,
    "arrow.opaque": _opaque,
    "arrow.fixed_shape_tensor": _tensor,
    "arrow.parquet.variant": _without_rule("VARIANT of Parquet"),
    # Those of CloudQuery; its inet is stored as text.
    "json": _as_json,
    "uuid": _if_bytes(_uuid, 16),
    "mac": _if_bytes(_mac),
    # A period is stored as a number that only pandas can read, an interval without its closed ends.
    "pandas.period": _without_rule("period of pandas"),
    "pandas.interval": _without_rule("interval of pandas"),
    # Annotations of Parquet.
    "parquet.enum": _as_text,
    "parquet.utc_time": _utc_time,
    "parquet.interval": _without_rule("INTERVAL of Parquet"),
    "parquet.variant": _without_rule("VARIANT of Parquet"),
}
"""Rules by the name of the extension type; a rule returns None if the storage is not what the name promises."""
