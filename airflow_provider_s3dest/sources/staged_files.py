"""Opens the staged files of one table, each by its format, and reads them one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from airflow_provider_s3dest.sources.decompression import decompressed, decompression_error
from airflow_provider_s3dest.sources.encodings import in_utf8
from airflow_provider_s3dest.sources.file_stores import ReadVersions
from airflow_provider_s3dest.sources.json_documents import read_documents, spans_lines
from airflow_provider_s3dest.sources.source_file import SourceFile
from airflow_provider_s3dest.sources.staging import StagedFile
from airflow_provider_s3dest.sources.staging_format import ROOT

_HEAD_BYTES = 2**16
"""Bytes of a JSON file that are looked at to find out which form it has."""


def open_staged(
    name: str,
    files: Sequence[StagedFile],
    columns: tuple[str, ...] | None,
    target: TextDialect | None = None,
    bad: BadRecords | None = None,
    *,
    versions: ReadVersions | None = None,
) -> Table:
    """Open the files of one table, one after the other.

    Typed files and CSV files state their columns, so that all of them are asked first. JSON files are a stream.

    :param columns: the columns to write, in order; None: those of the files.
    :param target: the form of the text that is to be written; staged text in this form is passed through. None: no text
        is.
    :param bad: quarantines the records that can't be delivered; None: the first of them ends the load.
    :param versions: takes the versions of the files that are read.
    :raises ReplacedFileError: here or from the chunks, if a file changes while it is read.
    """
    versions = versions or ReadVersions()
    files = [file.with_names(columns) for file in files]
    known = _types_by_column(name, files, versions, columns)
    if known is None:
        passes = target is not None and target.format == "json"
        chunks = _all_chunks(name, files, versions, bad, columns=columns)
        return table_of_stream(name, chunks, columns, passes=passes, bad=bad)
    chunks = _all_chunks(name, files, versions, bad, target, columns or tuple(known))
    return table_of_known(name, known, chunks, columns, types=partial(_common_types, name, known), bad=bad)


def known_columns(name: str, files: Sequence[StagedFile]) -> tuple[str, ...] | None:
    """Return the columns of the files of one table; None if one is JSON, whose records would have to be read."""
    known = _types_by_column(name, [file.with_names(None) for file in files], ReadVersions())
    return None if known is None else tuple(known)


def _types_by_column(
    name: str, files: Sequence[StagedFile], versions: ReadVersions, columns: tuple[str, ...] | None = None
) -> dict[str, dict[Any, str]] | None:
    """Return each column of the files with its types, and for each type a file that has it; None for JSON files.

    The type of a column of CSV is None.

    :param columns: the columns that the caller names, if it does.
    """
    if any(file.format in ("ndjson", "json") for file in files):
        return None
    known: dict[str, dict[Any, str]] = {}
    for file in files:
        # Bad records before the header are discarded here: they are quarantined when the file is read.
        with _OpenFile(file, SourceFile(name, file.path, discarding()), versions, columns) as reader:
            types = reader.types() if isinstance(reader, ArrowFile) else dict.fromkeys(reader.header())
        for column, arrow_type in types.items():
            known.setdefault(column, {}).setdefault(arrow_type, file.path)
    return known


def _common_types(table: str, known: Mapping[str, Mapping[Any, str]], columns: Sequence[str]) -> dict[str, Any]:
    """Return the one type of each column.

    :raises SpecError: if the files disagree.
    """
    from airflow_provider_s3dest.records.arrow.pyarrow_import import import_pyarrow
    from airflow_provider_s3dest.records.arrow.types import MixedTypesError, common_type

    text, common = import_pyarrow().string(), {}
    for column in known.keys() & {*columns}:
        so_far, first = import_pyarrow().null(), ""
        for arrow_type, path in known[column].items():
            try:
                so_far, first = common_type(so_far, arrow_type or text), first or path
            except MixedTypesError as error:
                problem = (
                    f"the column {column!r} of table {table!r} is {error.one} in {first}, and {error.other} in {path}."
                )
                raise SpecError([Fault("staging_path", problem, "Give its type with `schema=`.")]) from error
        common[column] = so_far
    return common


def _all_chunks(
    name: str,
    files: Sequence[StagedFile],
    versions: ReadVersions,
    bad: BadRecords | None,
    target: TextDialect | None = None,
    columns: tuple[str, ...] | None = None,
) -> Iterator[Any]:
    for file in files:
        with _OpenFile(file, SourceFile(name, file.path, bad), versions, columns) as reader:
            if isinstance(reader, ArrowFile) or (
                isinstance(reader, CsvFile) and target == TextDialect("csv", reader.delimiter)
            ):
                yield from reader.chunks(columns)
            else:
                yield from reader.chunks()


class _Reader(Protocol):
    def header(self) -> tuple[str, ...]: ...

    def chunks(self) -> Iterator[Any]: ...


class _JsonFile:
    def __init__(self, read: Callable[[], Iterator[Any]]) -> None:
        self.chunks = read

    def header(self) -> tuple[str, ...]:
        raise AssertionError("a JSON file has no header")


class _OpenFile:
    """An open staged file, as a context manager; each error inside of it names the file.

    :param versions: takes the version of the file.
    :param columns: the columns that the caller names, if it does.
    """

    def __init__(
        self, staged: StagedFile, file: SourceFile, versions: ReadVersions, columns: tuple[str, ...] | None
    ) -> None:
        self._staged, self._file, self._versions, self._columns = staged, file, versions, columns

    def __enter__(self) -> _Reader:
        self._versions.note(self._staged.store, self._staged.path)
        self._stored = self._staged.store.open(self._staged.path)
        try:
            return self._reader()
        except Exception as error:
            # Python calls __exit__ only after __enter__ has returned.
            self.__exit__(type(error), error, None)
            raise

    def _reader(self) -> _Reader:
        format_, form = self._staged.format, self._staged.form
        stream = decompressed(self._stored, self._staged.compression)
        if format_ in ("parquet", "arrow"):
            return ArrowFile(stream, self._file, is_parquet=format_ == "parquet")
        stream = in_utf8(stream, form.codec)
        limit = form.max_line_bytes if "max_line_bytes" in form.model_fields_set else None
        file = replace(self._file, encoding=form.codec, max_record_bytes=limit)
        if format_ in ("csv", "tsv"):
            return CsvFile(stream, "\t" if format_ == "tsv" else ",", file, self._columns, form=form)
        if form.records_at:
            return _JsonFile(partial(read_documents, stream, file, form.records_at))
        # A file that ends with .json may hold an array, objects one a line, or objects over several lines.
        head = stream.read(_HEAD_BYTES) if format_ == "json" else b""
        stream.seek(0)
        if json_file.begins_array(head):
            return _JsonFile(partial(json_file.read_array, stream, file))
        if spans_lines(head):
            return _JsonFile(partial(read_documents, stream, file, ROOT))
        return _JsonFile(partial(json_file.read_lines, stream, file))

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._stored.close()
        path = self._staged.path
        if error is None or isinstance(error, Exception):
            try:
                self._versions.check(path)  # a file that has changed also explains an error of its reader
            except OSError as unanswered:
                error = error or unanswered
        if isinstance(error, Exception) and (named := decompression_error(error, path)):
            raise named from error
        if isinstance(error, OSError):
            problem = f"{path} can't be read: {error.strerror or error}. Another attempt may succeed."
            raise StagingError(problem, final=False) from error
