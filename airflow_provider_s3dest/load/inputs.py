"""The inputs of a load: its tables, which are opened one after the other, and the staged files to delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.load.columns import check_columns, check_stated
from airflow_provider_s3dest.load.plan import LoadPlan
from airflow_provider_s3dest.load.schema import of_table
from airflow_provider_s3dest.load.transforms import passing_for
from airflow_provider_s3dest.records.bad_records import BadRecords
from airflow_provider_s3dest.records.table import Table
from airflow_provider_s3dest.sources.file_stores import FileStore, LocalFiles, ReadVersions
from airflow_provider_s3dest.sources.python_records import open_records, tables_of
from airflow_provider_s3dest.sources.s3_files import S3Files
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import remove_staged, staged_tables, versions_of
from airflow_provider_s3dest.sources.staging_format import StagingFormat
from airflow_provider_s3dest.sources.xcom_values import warning_of_decimals


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a load reads.

    :param openers: a function for each table that opens it, by the table's name. Its argument takes bad records; None:
        the first bad record fails the load.
    :param versions: those of the staged files that were read.
    :param to_delete: path and version of the staged files to delete after the load; None: no file is deleted.
    """

    openers: Mapping[str, Callable[[BadRecords | None], Table]]
    versions: ReadVersions = field(default_factory=ReadVersions)
    to_delete: Sequence[tuple[str, str]] | None = None

    @contextmanager
    def blaming_changed_files(self) -> Iterator[None]:
        """Raise a ReplacedFileError in place of an error of a record whose staged file has changed meanwhile.

        Text is often parsed after its file was read, and half a line of a file that was cut makes a bad record.
        """
        try:
            yield
        except RecordError as error:
            if error.file is not None:
                self.versions.check(error.file)
            raise


class FileStores:
    """The stores of staged files, by the scheme of their paths.

    :param client: the boto3 client that reads ``s3://``.
    :param other: makes the store of each other scheme when it is first needed.
    """

    def __init__(self, client: Any, other: Callable[[], FileStore]) -> None:
        self._stores: dict[str, FileStore] = {"": LocalFiles(), "s3": S3Files(client)}
        self._other = other

    def of(self, scheme: str) -> FileStore:
        """Return the store of a scheme, such as ``s3``; empty for the local disk."""
        if scheme not in self._stores:
            self._stores[scheme] = self._other()
        return self._stores[scheme]

    def remove(self, files: Sequence[tuple[str, str]]) -> None:
        """Delete staged files, given by path and version, unless they have changed since they were read."""
        remove_staged(files, self.of)


def inputs_of(plan: LoadPlan, stores: FileStores, counted: Callable[[Iterable[Any]], Iterator[Any]] = iter) -> Inputs:
    """Return the tables of a load, without reading them.

    :param stores: where staged files are looked for.
    :param counted: yields the records of a stream and counts them.
    :raises StagingError: if a staging path matches nothing.
    """
    arguments = plan.arguments
    if not plan.is_staged:
        tables = tables_of(arguments.records, arguments.table)
        return Inputs({name: _records_opener(plan, name, records, counted) for name, records in tables.items()})
    form = StagingFormat.of(arguments.staging_format)
    staged = staged_tables(arguments.staging_path, arguments.table, stores.of, form)
    to_delete = None
    if arguments.delete_staging and not arguments.dry_run:
        to_delete = [version for files in staged.values() for version in versions_of(files)]
    dialect = None if arguments.schema else passing_for(plan.spec)
    versions = ReadVersions()
    openers = {
        name: _checking(plan, partial(open_staged, name, files, arguments.columns_of(name), dialect, versions=versions))
        for name, files in staged.items()
    }
    return Inputs(openers, versions, to_delete)


def _checking(plan: LoadPlan, opener: Callable[..., Table]) -> Callable[[BadRecords | None], Table]:
    """Return a function that opens a table and checks that its source has the columns that are named."""
    arguments = plan.arguments
    return lambda bad: check_stated(opener(bad=bad), check_columns(arguments.columns), is_shard=arguments.shard)


def _records_opener(
    plan: LoadPlan, name: str, records: Any, counted: Callable[[Iterable[Any]], Iterator[Any]]
) -> Callable[[BadRecords | None], Table]:
    typed = of_table(plan.arguments.schema, name) or ()
    opener = _checking(
        plan, partial(open_records, name, records, plan.arguments.columns_of(name), counted, typed=typed)
    )
    return (lambda bad: warning_of_decimals(opener(bad))) if plan.arguments.by_xcom else opener
