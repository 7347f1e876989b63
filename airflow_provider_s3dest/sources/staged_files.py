"""Opens the staged files of one table, each by its ending, and reads them one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from airflow_provider_s3dest.errors import Fault, SpecError, StagingError
from airflow_provider_s3dest.records.bad_records import BadRecords, discarding
from airflow_provider_s3dest.records.chunks import TextDialect
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources import json_file
from airflow_provider_s3dest.sources.arrow_file import ArrowFile
from airflow_provider_s3dest.sources.columns import table_of_known, table_of_stream
from airflow_provider_s3dest.sources.csv_file import CsvFile
from airflow_provider_s3dest.sources.decompression import unpacked, unpacking_error
from airflow_provider_s3dest.sources.staging import StagedFile


def open_staged(
    name: str,
    files: Sequence[StagedFile],
    wanted: tuple[str, ...] | None,
    target: TextDialect | None = None,
    bad: BadRecords | None = None,
) -> Table:
    """Open the files of one table, one after the other.

    Typed files and CSV files tell their columns beforehand, so that all are asked first; JSON files are a stream.

    :param target: what may be let through as it stands; None: nothing.
    :param bad: takes the records that can't be delivered; None: the first of them is an error.
    """
    known = _known_types(name, files)
    if known is None:
        passes = target is not None and target.format == "json"
        return table_of_stream(name, _all_chunks(name, files, bad), wanted, passes=passes, bad=bad)
    chunks = _all_chunks(name, files, bad, target, wanted or tuple(known))
    return table_of_known(name, known, chunks, wanted, types=partial(_common_types, name, known), bad=bad)


def known_columns(name: str, files: Sequence[StagedFile]) -> tuple[str, ...] | None:
    """Ask the files of one table for their columns; None if a JSON file is among them, which tells them by record."""
    known = _known_types(name, files)
    return None if known is None else tuple(known)


def _known_types(name: str, files: Sequence[StagedFile]) -> dict[str, dict[Any, str]] | None:
    """Ask the files of one table for their columns, and for the types of each with a file that has it."""
    if any(file.format in ("ndjson", "json") for file in files):
        return None
    known: dict[str, dict[Any, str]] = {}
    for file in files:
        with _Opened(file, name, discarding()) as opened:
            types = opened.types() if isinstance(opened, ArrowFile) else dict.fromkeys(opened.header())
        for column, kind in types.items():
            known.setdefault(column, {}).setdefault(kind, file.path)
    return known


def _common_types(table: str, known: Mapping[str, Mapping[Any, str]], columns: Sequence[str]) -> dict[str, Any]:
    """Find the one type of each column.

    :raises SpecError: if the files disagree.
    """
    from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
    from airflow_provider_s3dest.records.arrow.types import MixedTypesError, common_type

    text, common = import_pyarrow().string(), {}
    for column in known.keys() & {*columns}:
        found, first = import_pyarrow().null(), ""
        for kind, path in known[column].items():
            try:
                found, first = common_type(found, kind or text), first or path
            except MixedTypesError as error:
                problem = (
                    f"the column {column!r} of table {table!r} is {error.one} in {first}, and {error.other} in {path}."
                )
                raise SpecError([Fault("staging_path", problem, "Give its type with `schema=`.")]) from error
        common[column] = found
    return common


def _all_chunks(
    name: str,
    files: Sequence[StagedFile],
    bad: BadRecords | None,
    target: TextDialect | None = None,
    columns: tuple[str, ...] | None = None,
) -> Iterator[Any]:
    for file in files:
        with _Opened(file, name, bad) as opened:
            if isinstance(opened, ArrowFile) or (
                isinstance(opened, CsvFile) and target == TextDialect("csv", opened.delimiter)
            ):
                yield from opened.chunks(columns)
            else:
                yield from opened.chunks()


class _Reader(Protocol):
    def header(self) -> tuple[str, ...]: ...

    def chunks(self) -> Iterator[Any]: ...


class _JsonFile:
    def __init__(self, read: Callable[[], Iterator[Any]]) -> None:
        self.chunks = read

    def header(self) -> tuple[str, ...]:
        raise AssertionError("JSON files tell their columns record by record")


class _Opened:
    """An open staged file, as a context; what goes wrong in it names the file."""

    def __init__(self, file: StagedFile, table: str, bad: BadRecords | None = None) -> None:
        self._file, self._table, self._bad = file, table, bad

    def __enter__(self) -> _Reader:
        file = self._file
        self._stored = file.store.open(file.path)
        try:
            return self._reader()
        except Exception as error:
            self.__exit__(type(error), error, None)
            raise

    def _reader(self) -> _Reader:
        file, table = self._file, self._table
        stream = unpacked(self._stored, file.compression)
        if file.format in ("csv", "tsv"):
            return CsvFile(stream, "\t" if file.format == "tsv" else ",", table, file.path, self._bad)
        if file.format in ("parquet", "arrow"):
            return ArrowFile(stream, file.format == "parquet", table, file.path)
        is_array = file.format == "json" and json_file.begins_array(stream)
        stream.seek(0)
        if is_array:
            return _JsonFile(partial(json_file.read_array, stream, table, file.path, self._bad))
        return _JsonFile(partial(json_file.read_lines, stream, table, file.path))

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._stored.close()
        if isinstance(error, Exception) and (named := unpacking_error(error, self._file.path)):
            raise named from error
        if isinstance(error, OSError):
            problem = f"{self._file.path} can't be read: {error.strerror or error}. Another try may succeed."
            raise StagingError(problem, final=False) from error
