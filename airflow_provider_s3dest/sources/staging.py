"""Finds the files of a staging path, sorts them into tables, and opens each by its ending."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from airflow_provider_s3dest.errors import Fault, SpecError, StagingError
from airflow_provider_s3dest.records.bad_records import BadRecords, unheard
from airflow_provider_s3dest.sources import json_file
from airflow_provider_s3dest.sources.arrow_file import ArrowFile
from airflow_provider_s3dest.sources.columns import Table, table_of_known, table_of_stream
from airflow_provider_s3dest.sources.csv_file import CsvFile
from airflow_provider_s3dest.sources.decompression import SUFFIXES, unpacked, unpacking_error
from airflow_provider_s3dest.sources.file_stores import Store
from airflow_provider_s3dest.sources.passthrough import Wanted
from airflow_provider_s3dest.sources.staging_path import FORMATS, KNOWN_ENDINGS, SCHEME, check_staging_path
from airflow_provider_s3dest.sources.staging_pattern import StagingPattern, captures_table, has_wildcard

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file of a staging path."""

    store: Store
    path: str
    format: str
    compression: str


def staged_tables(
    staging_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    table: str | None,
    store_of: Callable[[str], Store],
) -> dict[str, list[StagedFile]]:
    """List the files of a staging path, by table.

    Files are sorted by path; one that several paths match is read once. Names that begin with ``_`` or ``.`` are
    passed over where a wildcard or a folder would match them.

    :param staging_path: a path or a list: file, folder, or glob with ``*``, ``?``, ``[..]`` and ``**``.
    :param table: name of the table; None if ``{{TABLE}}`` in the path captures it.
    :param store_of: gives the store for a scheme, ``""`` being the local disk.
    :raises SpecError: if path and table don't go together.
    :raises StagingError: if a path matches nothing, or a file has an ending that is not known.
    """
    faults = list(check_staging_path(staging_path, table))
    if faults:
        raise SpecError(faults)
    paths = [staging_path] if isinstance(staging_path, (str, os.PathLike)) else staging_path
    found: dict[str, tuple[str, StagedFile]] = {}
    for path in map(str, paths):
        matched = list(_matches(path.removeprefix("file://"), table, store_of))
        for name, file in matched:
            place = file.path if SCHEME.match(file.path) else os.path.abspath(file.path)
            other, _ = found.setdefault(place, (name, file))
            if other != name:
                raise StagingError(
                    f"{file.path} is captured as the table {other!r} and, by {path}, as {name!r}. "
                    "Write the staging paths so that each file belongs to one table."
                )
        if not matched:
            where = "" if SCHEME.match(path) or os.path.isabs(path) else f" below {os.getcwd()}"
            raise StagingError(
                f"The staging path {path} matches no file{where}. Check it, and that the upstream task staged there; "
                "names that begin with `_` or `.` are passed over."
            )
    tables: dict[str, list[StagedFile]] = {}
    for name, file in sorted(found.values(), key=lambda pair: (pair[0], pair[1].path)):
        tables.setdefault(name, []).append(file)
    return tables


def versions_of(files: Iterable[StagedFile]) -> list[tuple[str, str]]:
    """Give path and version of staged files, before they are read."""
    return [(file.path, file.store.version(file.path)) for file in files]


def remove_staged(files: Iterable[tuple[str, str]], store_of: Callable[[str], Store]) -> None:
    """Delete staged files that are still those that were read.

    :param files: path and version of each.
    """
    for path, version in files:
        scheme = SCHEME.match(path)
        if not store_of(scheme[1] if scheme else "").remove(path, version):
            log.warning("%s was replaced after it was read, and is left where it is.", path)


def open_staged(
    name: str,
    files: Sequence[StagedFile],
    wanted: tuple[str, ...] | None,
    target: Wanted | None = None,
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
        with _Opened(file, name, unheard()) as opened:
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
    target: Wanted | None = None,
    columns: tuple[str, ...] | None = None,
) -> Iterator[Any]:
    for file in files:
        with _Opened(file, name, bad) as opened:
            if isinstance(opened, ArrowFile) or (
                isinstance(opened, CsvFile) and target == Wanted("csv", opened.delimiter)
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


def _matches(path: str, table: str | None, store_of: Callable[[str], Store]) -> Iterator[tuple[str, StagedFile]]:
    scheme = SCHEME.match(path)
    if scheme:
        path = scheme[1].lower() + path[scheme.end(1) :]
    store = store_of(scheme[1].lower() if scheme else "")
    # On the disk a name may hold what looks like a wildcard; elsewhere the question would be one request more.
    may_be_file = not (captures_table(path) or path.endswith("/") or (scheme and has_wildcard(path)))
    if may_be_file and store.is_file(path):
        yield table or "", _staged(store, path)
        return
    pattern = StagingPattern.of(path)
    for found in store.below(pattern.folder):
        captured = pattern.match(found)
        if captured is not None:
            yield table if table is not None else captured, _staged(store, found)


def _staged(store: Store, path: str) -> StagedFile:
    stem, ending = os.path.splitext(path)
    compression = ending.lower() if ending.lower() in SUFFIXES else ""
    if compression:
        stem, ending = os.path.splitext(stem)
    if ending.lower() not in FORMATS:
        raise StagingError(f"{path} has an ending that tells no format. {KNOWN_ENDINGS}")
    return StagedFile(store, path, FORMATS[ending.lower()], compression)
