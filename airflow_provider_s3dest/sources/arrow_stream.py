"""Opens objects that export their data as an Arrow stream: frames of polars, tables of pyarrow, results of duckdb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.records.arrow.chunk import ArrowChunk, BatchRows, cut
from airflow_provider_s3dest.records.arrow.extensions import MeantFields
from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
from airflow_provider_s3dest.records.chunks import Origins

_WITHOUT_CLASS = ("month_interval", "day_time_interval")
"""Types that pyarrow reads from files, and then raises a KeyError for their arrays."""


def open_stream(frame: Any, table: str) -> tuple[dict[str, Any], Iterator[ArrowChunk]]:
    """Open an object that exports an Arrow stream.

    :return: the ``pyarrow.DataType`` of each column, and the chunks.
    :raises SpecError: if it has no form in Arrow, or two columns have the same name.
    """
    pyarrow = import_pyarrow()
    try:
        if type(frame).__module__.partition(".")[0] == "polars":
            _refuse_polars_objects(frame)
        reader = pyarrow.RecordBatchReader.from_stream(frame)
    except (pyarrow.ArrowException, ValueError, TypeError, OverflowError) as error:
        problem = f"table {table!r} has no form in Arrow: {error}."
        raise SpecError([Fault("records", problem, "Hand over a frame whose columns each have one type.")]) from error
    origin = getattr(frame, "schema", None) if type(frame).__module__.partition(".")[0] == "pyarrow" else None
    meant = meant_fields(reader.schema, f"table {table!r}", origin)
    types = dict(zip(meant.schema.names, meant.schema.types, strict=True))
    return types, arrow_chunks(map(meant.read, reader), table)


def _refuse_polars_objects(frame: Any) -> None:
    # By its name, since polars need not be installed.
    objects = [name for name, dtype in getattr(frame, "schema", {}).items() if str(dtype).startswith("Object")]
    if objects:
        raise TypeError(f"the columns {objects} hold Python objects, of which polars hands over only the addresses")


def meant_fields(schema: Any, where: str, origin: Any = None) -> MeantFields:
    """Return the columns of a ``pyarrow.Schema`` by what they mean.

    :param where: names the table, and the file if there is one, for the error.
    :param origin: the schema of the object that the stream comes from, if that is pyarrow's own.
    :raises SpecError: if two are the same, if one is no UTF-8, or if pyarrow has no Python class for a type.
    """
    try:
        unique_names([field.name for field in schema], where)
        for field in schema:
            _check_type(field.type)
        return MeantFields(schema, origin)
    except UnicodeDecodeError as error:
        problem = f"{where} has a column or a field whose name is no UTF-8: {error.object!r}."
        raise SpecError([Fault("records", problem, "Rename it.")]) from error
    except TypeError as error:
        raise SpecError(
            [Fault("records", f"{where}: {error}.", "Cast the column upstream, to text if need be.")]
        ) from error


def _check_type(arrow_type: Any) -> None:
    if str(arrow_type) in _WITHOUT_CLASS:
        raise TypeError(f"a column is a {arrow_type}, which pyarrow can't read")
    types = import_pyarrow().types
    if types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        _check_type(arrow_type.value_type)
    elif types.is_nested(arrow_type):
        for number in range(arrow_type.num_fields):
            field = arrow_type.field(number)
            field.name  # noqa: B018 - raises the error for a name that is no UTF-8
            _check_type(field.type)


def unique_names(names: Sequence[str], where: str) -> list[str]:
    """Return the names of columns, after a check that no two are the same.

    :param where: names the table, and the file if there is one, for the error.
    :raises SpecError: if two are the same.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise SpecError([Fault("records", f"{where} has the columns {twice} twice.", "Give each a name of its own.")])
    return list(names)


def arrow_chunks(batches: Iterable[Any], table: str, path: str | None = None) -> Iterator[ArrowChunk]:
    """Make chunks of record batches.

    :param path: the file that they come from, whose rows are counted from 1; None: there is none, and records are
        counted from 0.
    """
    start = 0
    for batch in batches:
        for part in cut(batch):
            origins = Origins(start if path is None else start + 1, path, unit="row", originals=BatchRows(part, {}))
            yield ArrowChunk(part, origins, part.num_rows, table)
            start += part.num_rows
