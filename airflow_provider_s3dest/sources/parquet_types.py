"""Finds what pyarrow leaves out of the types of a Parquet file: annotations without a type in Arrow, and INT96."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import StagingError
from airflow_provider_s3dest.records.arrow.extensions import NAME
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow

_VARIANT = re.compile(r"\(Variant\([0-9]*\)\) \{$", re.MULTILINE)
_VARIANT_PARTS = {"metadata", "value"}

_INT64 = 2**63 - 1


def annotated_schema(file: Any) -> Any:
    """Return the schema of a file, with extension types for the annotations that pyarrow leaves out.

    Source: https://github.com/apache/parquet-format/blob/master/LogicalTypes.md. BSON, GEOMETRY and GEOGRAPHY stay
    bytes.

    :param file: a ``pyarrow.parquet.ParquetFile``.
    :return: a ``pyarrow.Schema``, for :class:`airflow_provider_s3dest.records.arrow.extensions.MeantFields`.
    """
    # Arrow's times have no offset, and its older versions annotated all of them as adjusted to UTC.
    is_by_arrow = b"ARROW:schema" in (file.metadata.metadata or {})
    columns = map(file.schema.column, range(len(file.schema.names)))
    names = [_extension_name(column, is_by_arrow) for column in columns]
    has_variants = "Variant(" in str(file.schema) and bool(_VARIANT.search(str(file.schema)))
    if not any(names) and not has_variants:
        return file.schema_arrow
    remaining = iter(names)
    return import_pyarrow().schema([_annotated(field, remaining, has_variants) for field in file.schema_arrow])


def _extension_name(column: Any, is_by_arrow: bool) -> str:
    annotation = column.logical_type
    if column.converted_type == "INTERVAL":
        return "parquet.interval"
    if annotation.type == "TIME":
        return "parquet.utc_time" if '"isAdjustedToUTC":true' in annotation.to_json() and not is_by_arrow else ""
    # Versions of pyarrow before 21 return JSON and UUID as their bytes.
    return {"ENUM": "parquet.enum", "JSON": "json", "UUID": "uuid"}.get(annotation.type, "")


def _annotated(field: Any, names: Iterator[str], has_variants: bool) -> Any:
    """Return a field with the extension names of its leaves, which Parquet has in the same order."""
    pyarrow = import_pyarrow()
    types, arrow_type = pyarrow.types, field.type

    def inside(member: Any) -> Any:
        return _annotated(member, names, has_variants)

    if isinstance(arrow_type, pyarrow.BaseExtensionType):
        inside(pyarrow.field("", arrow_type.storage_type))
        return field
    if types.is_struct(arrow_type):
        members = [inside(member) for member in arrow_type.fields]
        is_variant = has_variants and {member.name for member in members} >= _VARIANT_PARTS
        return _named(field, "parquet.variant") if is_variant else field.with_type(pyarrow.struct(members))
    if types.is_map(arrow_type):
        return field.with_type(pyarrow.map_(inside(arrow_type.key_field), inside(arrow_type.item_field)))
    if types.is_large_list(arrow_type):
        return field.with_type(pyarrow.large_list(inside(arrow_type.value_field)))
    if types.is_fixed_size_list(arrow_type):
        return field.with_type(pyarrow.list_(inside(arrow_type.value_field), arrow_type.list_size))
    if types.is_list(arrow_type):
        return field.with_type(pyarrow.list_(inside(arrow_type.value_field)))
    if types.is_nested(arrow_type):  # lists of other layouts
        inside(arrow_type.value_field)
        return field
    name = next(names)
    return _named(field, name) if name else field


def _named(field: Any, name: str) -> Any:
    return field.with_metadata({**(field.metadata or {}), NAME: name})


def int96_paths(file: Any) -> list[str]:
    """Return the paths of the columns of a ``pyarrow.parquet.ParquetFile`` that are INT96 timestamps."""
    columns = map(file.schema.column, range(len(file.schema.names)))
    return [column.path for column in columns if column.physical_type == "INT96"]


def int96_unit(paths: Sequence[str], open_in: Callable[[str], Any]) -> str:
    """Return the unit in which INT96 timestamps can be read: nanoseconds, or microseconds; none if no unit holds all.

    pyarrow reads them as nanoseconds, and years before 1677 and after 2262 as wrong ones: 9999-12-31 as 1816-03-29.
    Spark writes INT96 by default.

    :param paths: of the columns.
    :param open_in: opens the file again, with its INT96 timestamps in the unit given.
    """
    if not paths:
        return "ns"
    try:
        largest = max(map(_largest, _values(open_in("ms"), paths)), default=0)
        if largest < _INT64 // 10**6:
            return "ns"
        pairs = zip(_values(open_in("us"), paths), _values(open_in("ns"), paths), strict=True)
        # The numbers of nanoseconds have lost their highest bits, and this difference has not.
        is_exact = largest < _INT64 // 10**3 and not any((nanos - micros * 1000).any() for micros, nanos in pairs)
        return "us" if is_exact else ""
    except (import_pyarrow().ArrowException, OSError, ValueError):
        return "ns"  # it is raised again where the columns are read, if they are


def check_int96(unit: str, paths: Sequence[str], path: str) -> None:
    """Check that there is a unit that holds the INT96 timestamps that are read.

    :param paths: of the columns that are read.
    :param path: of the file.
    :raises StagingError: if there is none.
    """
    if paths and not unit:
        raise StagingError(
            f"{path} can't be read exactly: no unit holds all of the INT96 timestamps in {', '.join(paths)}. Stage it "
            "with timestamps in microseconds (Spark: spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS), or leave "
            "them out with `columns`."
        )


def _values(file: Any, paths: Sequence[str]) -> Iterator[Any]:
    """Yield the numbers of all timestamps of some columns as numpy arrays."""
    for batch in file.iter_batches(columns=list(paths), use_threads=False):
        for column in batch.columns:
            yield from _numbers(column)


def _numbers(array: Any) -> Iterator[Any]:
    pyarrow = import_pyarrow()
    if pyarrow.types.is_map(array.type):
        yield from _numbers(array.keys)
        yield from _numbers(array.items)
    elif pyarrow.types.is_nested(array.type):
        parts = array.flatten()
        for part in parts if pyarrow.types.is_struct(array.type) else [parts]:
            yield from _numbers(part)
    elif pyarrow.types.is_timestamp(array.type) and len(array):
        yield array.view(pyarrow.int64()).fill_null(0).to_numpy()


def _largest(numbers: Any) -> int:
    return max(abs(int(numbers.min())), abs(int(numbers.max())))
