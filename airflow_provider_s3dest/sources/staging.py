"""Lists the files of a staging path by table, and deletes them after the load."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from airflow_provider_s3dest.errors import SpecError, StagingError
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.sources.decompression import SUFFIXES
from airflow_provider_s3dest.sources.file_stores import FileStore
from airflow_provider_s3dest.sources.staging_format import DEFAULT, StagingFormat
from airflow_provider_s3dest.sources.staging_path import FORMATS, KNOWN_ENDINGS, SCHEME, check_staging_path
from airflow_provider_s3dest.sources.staging_pattern import StagingPattern, captures_table, has_wildcard

log = safe_logger(__name__)


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file of a staging path.

    :param format: ``csv``, ``tsv``, ``ndjson``, ``json``, ``parquet`` or ``arrow``.
    :param compression: ``""``, ``.gz`` or ``.zst``.
    :param form: the form of the text, if it is text.
    """

    store: FileStore
    path: str
    format: str
    compression: str
    form: StagingFormat = DEFAULT

    def with_names(self, columns: Sequence[str] | None) -> StagedFile:
        """Return the file with a form that names the columns, if it is CSV without a header.

        :param columns: the names that the load gives; None: none.
        :raises SpecError: if nothing names the columns.
        """
        if self.format not in ("csv", "tsv") or self.form.header is not False:
            return self
        return replace(self, form=self.form.with_names(columns))


def staged_tables(
    staging_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    table: str | None,
    store_of: Callable[[str], FileStore],
    form: StagingFormat = DEFAULT,
) -> dict[str, list[StagedFile]]:
    """List the files of a staging path, by table.

    Files are sorted by path; a file that several paths match is listed once. Names that begin with ``_`` or ``.`` are
    skipped where a wildcard or a folder would match them.

    :param staging_path: a path or a list: file, folder, or glob with ``*``, ``?``, ``[..]`` and ``**``.
    :param table: name of the table; None if ``{{TABLE}}`` in the path captures it.
    :param store_of: returns the store for a scheme; ``""`` is the local disk.
    :param form: the form of the text in the files.
    :raises SpecError: if path and table don't go together.
    :raises StagingError: if a path matches nothing, or a file has an ending that is not known.
    """
    faults = list(check_staging_path(staging_path, table))
    if faults:
        raise SpecError(faults)
    paths = [staging_path] if isinstance(staging_path, (str, os.PathLike)) else staging_path
    by_path: dict[str, tuple[str, StagedFile]] = {}
    for path in map(str, paths):
        matched = list(_matches(path.removeprefix("file://"), table, store_of))
        for name, file in matched:
            full_path = file.path if SCHEME.match(file.path) else os.path.abspath(file.path)
            other, _ = by_path.setdefault(full_path, (name, file))
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
    for name, file in sorted(by_path.values(), key=lambda pair: (pair[0], pair[1].path)):
        tables.setdefault(name, []).append(replace(file, form=form))
    return tables


def may_be_staged(file: str, staging_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> bool:
    """Return whether a staging path may match a file, which need not exist.

    :param file: path of the file, as :class:`StagedFile` has it.
    """
    paths = [staging_path] if isinstance(staging_path, (str, os.PathLike)) else staging_path
    return any(_may_match(str(path).removeprefix("file://"), file) for path in paths)


def _may_match(path: str, file: str) -> bool:
    path = _with_plain_scheme(path)
    if file == path:
        return True
    try:
        return StagingPattern.of(path).match(file) is not None
    except StagingError:  # it matches in more than one way
        return True


def _with_plain_scheme(path: str) -> str:
    scheme = SCHEME.match(path)
    return scheme[1].lower() + path[scheme.end(1) :] if scheme else path


def versions_of(files: Iterable[StagedFile]) -> list[tuple[str, str]]:
    """Return path and version of staged files; ask for them before the files are read."""
    return [(file.path, file.store.version(file.path)) for file in files]


def remove_staged(files: Iterable[tuple[str, str]], store_of: Callable[[str], FileStore]) -> None:
    """Delete staged files, except those that were replaced after they were read.

    :param files: path and version of each.
    """
    for path, version in files:
        scheme = SCHEME.match(path)
        if not store_of(scheme[1] if scheme else "").remove(path, version):
            log.warning("%s was replaced after it was read, and is left where it is.", path)


def _matches(path: str, table: str | None, store_of: Callable[[str], FileStore]) -> Iterator[tuple[str, StagedFile]]:
    scheme = SCHEME.match(path)
    path = _with_plain_scheme(path)
    store = store_of(scheme[1].lower() if scheme else "")
    # On the disk a name may hold what looks like a wildcard. Elsewhere the question would cost a request.
    may_be_file = not (captures_table(path) or path.endswith("/") or (scheme and has_wildcard(path)))
    if may_be_file and store.is_file(path):
        yield table or "", _staged(store, path)
        return
    pattern = StagingPattern.of(path)
    for file in store.below(pattern.folder):
        captured = pattern.match(file)
        if captured is not None:
            yield table if table is not None else captured, _staged(store, file)


def _staged(store: FileStore, path: str) -> StagedFile:
    stem, ending = os.path.splitext(path)
    compression = ending.lower() if ending.lower() in SUFFIXES else ""
    if compression:
        stem, ending = os.path.splitext(stem)
    if ending.lower() not in FORMATS:
        raise StagingError(f"{path} has an unknown ending. {KNOWN_ENDINGS}")
    return StagedFile(store, path, FORMATS[ending.lower()], compression)
