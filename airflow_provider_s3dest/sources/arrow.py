"""Reads Arrow data (data frames, Parquet, Arrow IPC) as Python values that lose no digit."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time, timedelta, timezone
from itertools import islice
from typing import IO, Any

from airflow_provider_s3dest.errors import Fault, MissingExtraError, RecordError, SpecError, StagingError
from airflow_provider_s3dest.sources.compression import unpacking_error
from airflow_provider_s3dest.sources.table import Columns, Places

BATCH_RECORDS = 5_000

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CONTINUED = b"\xff\xff\xff\xff"  # how a stream begins since Arrow 0.15; older ones end in another way
_STREAM_END = _CONTINUED + bytes(4)


def is_arrow(value: Any) -> bool:
    """Say whether a value hands its data over as an Arrow stream (pandas, polars, pyarrow, duckdb)."""
    return hasattr(value, "__arrow_c_stream__")


def open_stream(frame: Any, table: str) -> tuple[tuple[str, ...], Iterator[Columns]]:
    """Open whatever gives an Arrow stream: its column names and its chunks.

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
    names = unique_names(reader.schema.names, table)
    return tuple(names), _chunks(reader, names, table, None)


class ArrowFile:
    """A Parquet or Arrow IPC file.

    :param stream: the content of the file; it must be able to seek.
    :param parquet: whether it is Parquet, else Arrow IPC (file or stream).
    """

    def __init__(self, stream: IO[bytes], parquet: bool, table: str, path: str) -> None:
        pyarrow = import_pyarrow()
        self._table, self._path, self._parquet = table, path, parquet
        self._batches: Callable[[], Iterator[Any]]
        with self._naming_the_file():
            if parquet:
                from pyarrow.parquet import ParquetFile

                # Threads and read-ahead would hold whole row groups in memory.
                file = ParquetFile(pyarrow.PythonFile(stream, "r"), pre_buffer=False, page_checksum_verification=True)
                self._schema = file.schema_arrow
                self._batches = lambda: file.iter_batches(BATCH_RECORDS, use_threads=False)
            elif (head := stream.read(6)) == b"ARROW1":
                opened = pyarrow.ipc.open_file(pyarrow.PythonFile(stream, "r"))
                self._schema = opened.schema
                self._batches = lambda: (opened.get_batch(number) for number in range(opened.num_record_batches))
            else:
                stream.seek(0)
                reader = pyarrow.ipc.open_stream(pyarrow.PythonFile(stream, "r"))
                self._schema = reader.schema
                self._batches = lambda: _to_the_end(reader, stream) if head.startswith(_CONTINUED) else iter(reader)

    def header(self) -> tuple[str, ...]:
        """Give the names of the columns."""
        return tuple(unique_names(self._schema.names, self._table, self._path))

    def chunks(self) -> Iterator[Columns]:
        """Read all records.

        :raises StagingError: where the file is damaged.
        :raises RecordError: at a value that has no rule.
        """
        yield from _chunks(self._read(), self.header(), self._table, self._path)

    def _read(self) -> Iterator[Any]:
        with self._naming_the_file():
            for batch in self._batches():
                # Arrow reads beyond its memory where an offset is damaged; Parquet's reader checks by itself.
                if not self._parquet:
                    batch.validate(full=True)
                yield batch

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except (import_pyarrow().ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the disk; Arrow's own have no number
                raise
            remedy = "Stage it again, whole, or under the right ending."
            raise unpacking_error(error, self._path) or StagingError(
                f"{self._path} can't be read: {error}. {remedy}"
            ) from error


def _to_the_end(reader: Any, stream: IO[bytes]) -> Iterator[Any]:
    """Read an Arrow stream, and see that its end is there, since it may be cut off between two batches."""
    yield from reader
    stream.seek(-len(_STREAM_END), os.SEEK_CUR)
    if stream.read(len(_STREAM_END)) != _STREAM_END:
        raise ValueError("the stream has no end")
    if stream.read(1):
        raise ValueError("something stands after the end of the stream")


def import_pyarrow() -> Any:
    """Import pyarrow, which the base installation does not bring.

    :raises MissingExtraError: if it is not there.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
    except ImportError as error:
        raise MissingExtraError(
            "Parquet, Arrow and data frames need pyarrow: pip install 'airflow-provider-s3dest[arrow]'."
        ) from error
    return pyarrow


def _refuse_polars_objects(frame: Any) -> None:
    lost = [name for name, kind in getattr(frame, "schema", {}).items() if str(kind).startswith("Object")]
    if lost:
        raise TypeError(f"the columns {lost} hold Python objects, of which polars hands over only the addresses")


def unique_names(names: Sequence[str], table: str, path: str | None = None) -> list[str]:
    """Give the names of columns, having seen that no two are the same.

    :raises SpecError: if two are.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        where = f"table {table!r}" + (f", {path}" if path else "")
        raise SpecError([Fault("records", f"{where} has the columns {twice} twice.", "Give each a name of its own.")])
    return list(names)


def _chunks(batches: Any, names: Sequence[str], table: str, path: str | None) -> Iterator[Columns]:
    start = 0
    for batch in batches:
        for offset in range(0, batch.num_rows, BATCH_RECORDS):
            part = batch.slice(offset, BATCH_RECORDS)
            places = Places(start) if path is None else Places(start + 1, file=path, unit="row")
            yield Columns(
                {name: column_values(part.column(name), name, places, table) for name in names}, places, part.num_rows
            )
            start += part.num_rows


def column_values(array: Any, name: str, places: Places, table: str) -> list[Any]:
    try:
        return values_of(array)
    except Exception:  # such as one of a time zone that this machine does not know
        for position in range(len(array)):
            try:
                values_of(array.slice(position, 1))
            except Exception as error:
                raise RecordError(
                    f"a value of type {array.type} can't be written exactly: {error}.",
                    "Cast the column upstream, to text if need be.",
                    table=table,
                    place=places[position],
                    column=name,
                ) from error
        raise


def values_of(array: Any) -> list[Any]:
    """Give the Python values of an Arrow array, exactly.

    What Python's types would round comes as ISO 8601 text (nanoseconds), and what they would widen comes as
    the double of the same shortest text (32 and 16 bit floats).

    :raises OverflowError, ValueError: for a date or time outside the years 1 to 9999.
    :raises TypeError: for a type that has no rule.
    """
    pyarrow = import_pyarrow()
    types, kind = pyarrow.types, array.type
    if isinstance(kind, pyarrow.BaseExtensionType) and kind.extension_name not in ("arrow.uuid", "arrow.bool8"):
        if kind.extension_name == "pandas.period":
            raise TypeError("a period is stored as a number that only pandas can read")
        return values_of(array.storage)
    if types.is_dictionary(kind):
        members = values_of(array.dictionary)
        return [None if index is None else members[index] for index in array.indices.to_pylist()]
    if types.is_run_end_encoded(kind):
        return values_of(pyarrow.compute.run_end_decode(array))
    if types.is_float32(kind):
        return [None if text is None else float(text) for text in array.cast(pyarrow.string()).to_pylist()]
    if types.is_float16(kind):
        return [None if value is None else _shortest_half(float(value)) for value in array.to_pylist()]
    if types.is_timestamp(kind) and kind.unit == "ns":
        zone = pyarrow.array([0], pyarrow.timestamp("us", kind.tz))[0].as_py().tzinfo if kind.tz else None
        return [None if v is None else _nano_timestamp(v, zone) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_duration(kind) and kind.unit == "ns":
        return [None if v is None else _nano_duration(v) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_time64(kind) and kind.unit == "ns":
        return [None if v is None else _nano_time(v) for v in array.cast(pyarrow.int64()).to_pylist()]
    if types.is_map(kind):
        return _mappings(array)
    if types.is_struct(kind):
        names = [kind.field(position).name for position in range(kind.num_fields)]
        if len(set(names)) != len(names):
            raise TypeError("a struct names a field twice")
        fields = [values_of(field) for field in array.flatten()]
        rows = zip(*fields, strict=True) if fields else ((),) * len(array)
        present = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if there else None for there, row in zip(present, rows, strict=True)]
    if types.is_union(kind):
        return [values_of(pyarrow.array([item.value], item.value.type))[0] if item.is_valid else None for item in array]
    if types.is_nested(kind):
        return _lists(array, values_of(array.flatten()))
    if types.is_interval(kind):
        raise TypeError("calendar intervals have no ISO 8601 duration of fixed length")
    values: list[Any] = array.to_pylist()
    return values


def _lists(array: Any, items: list[Any]) -> list[Any]:
    """Cut the flat items of a list array into its lists."""
    lengths = import_pyarrow().compute.list_value_length(array).to_pylist()
    stream = iter(items)
    return [None if length is None else list(islice(stream, length)) for length in lengths]


def _mappings(array: Any) -> list[dict[Any, Any] | None]:
    bounds = array.offsets.to_pylist()
    first, size = bounds[0], bounds[-1] - bounds[0]
    keys, items = values_of(array.keys.slice(first, size)), values_of(array.items.slice(first, size))
    mappings: list[dict[Any, Any] | None] = []
    for there, begin, end in zip(array.is_valid().to_pylist(), bounds, bounds[1:], strict=False):
        begin, end = begin - first, end - first
        mapping = dict(zip(keys[begin:end], items[begin:end], strict=True))
        if there and len(mapping) != end - begin:
            raise ValueError("a map has a key twice")
        mappings.append(mapping if there else None)
    return mappings


def _shortest_half(value: float) -> float:
    for digits in range(1, 6):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.pack("e", shorter) == struct.pack("e", value):
                return shorter
        except OverflowError:
            continue
    return value


def _nano_timestamp(nanoseconds: int, zone: Any) -> datetime | str:
    micros, rest = divmod(nanoseconds, 1000)
    moment = _EPOCH + timedelta(microseconds=micros)
    moment = moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)
    if not rest:
        return moment
    text = moment.isoformat(timespec="microseconds")
    return f"{text[:26]}{rest:03d}{text[26:]}"


def _nano_time(nanoseconds: int) -> time | str:
    micros, rest = divmod(nanoseconds, 1000)
    moment = (_EPOCH + timedelta(microseconds=micros)).time()
    return f"{moment.isoformat(timespec='microseconds')}{rest:03d}" if rest else moment


def _nano_duration(nanoseconds: int) -> timedelta | str:
    from airflow_provider_s3dest.formats.values import iso_duration

    micros, rest = divmod(nanoseconds, 1000)
    return iso_duration(nanoseconds, 9) if rest else timedelta(microseconds=micros)
