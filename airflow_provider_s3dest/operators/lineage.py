"""Reports to OpenLineage what a task read and wrote: one dataset for each table, however many objects it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_s3dest.delivery.keys import stable_prefix
from airflow_provider_s3dest.errors import RecordError, S3DestinationError
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.outcome import Outcome
from airflow_provider_s3dest.report import TableReport
from airflow_provider_s3dest.s3.uri import split_uri
from airflow_provider_s3dest.safe_text import HIDDEN, safe_logger, without_credentials
from airflow_provider_s3dest.sources.input_kinds import is_arrow
from airflow_provider_s3dest.sources.staging_pattern import captures_table, has_wildcard
from airflow_provider_s3dest.spec.path_template import folder_of

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

log = safe_logger(__name__)


def lineage_of_outcome(outcome: Outcome, arguments: LoadArguments) -> OperatorLineage[Any, Any]:
    """Return the lineage of a load that succeeded: schema, records, bytes and objects of each table.

    The name of a dataset is the prefix that all runs share, so that all runs of a task write to the same dataset. If
    tables share that prefix, each is named by its prefix in this load.
    """
    tables, stable = outcome.report.tables, outcome.stable_prefixes()
    unique = len(set(stable.values())) == len(stable)
    names = stable if unique else {name: table.prefix for name, table in tables.items()}
    outputs = [_output(outcome.report.bucket, names[name], table) for name, table in tables.items()]
    return _lineage(outputs, arguments.staging_path)


def lineage_of_failure(arguments: LoadArguments) -> OperatorLineage[Any, Any] | None:
    """Return the lineage of a load that failed: where it was to write, at the prefixes that all runs share.

    It names an output even if the tables are not known. Without one, OpenLineage would name each object by itself.
    """
    bucket, path = arguments.fields.get("bucket"), arguments.written_path or arguments.fields.get("path")
    if not isinstance(bucket, str) or not isinstance(path, str):
        return None
    records = arguments.records
    tables = records if isinstance(records, Mapping) and not is_arrow(records) else [arguments.table]
    prefixes = [stable_prefix(path, table) for table in tables if isinstance(table, str)] or [folder_of(path, {})]
    return _lineage([_output(bucket, prefix) for prefix in dict.fromkeys(prefixes)], arguments.staging_path)


def inputs_of_queries(queries: Sequence[str], hook_of: Callable[[], Any], *, asks_database: bool) -> list[Any]:
    """Return the tables that queries read, as far as the hook of the database and Airflow's parser of SQL can tell.

    :param hook_of: returns the ``DbApiHook``.
    :param asks_database: whether to ask the database for the columns of the tables.
    """
    from airflow.providers.openlineage.sqlparser import SQLParser
    from airflow.providers.openlineage.utils.utils import should_use_external_connection

    try:
        hook = hook_of()
        connection = hook.get_connection(hook.get_conn_id())
        info = hook.get_openlineage_database_info(connection)
        if info is None:
            return []
        parser = SQLParser(
            dialect=hook.get_openlineage_database_dialect(connection),
            default_schema=hook.get_openlineage_default_schema(),
        )
        found = parser.generate_openlineage_metadata_from_sql(
            sql=list(queries),
            hook=hook,
            database_info=info,
            sqlalchemy_engine=hook.get_sqlalchemy_engine(),
            use_connection=asks_database and should_use_external_connection(hook),
        )
    except Exception as error:  # lineage is no reason to fail, and not every hook can tell
        log.info("OpenLineage is not told what the queries read: %s.", type(error).__name__)
        return []
    return list(found.inputs)


def without_values(failure: Exception) -> None:
    """Take the text out of an error of a load, unless OpenLineage is set up to send all about a task.

    OpenLineage asks for the lineage of a failed task, then sends the text and the trace of the very error. The task has
    logged it by then. The text may hold the value of a bad record, which is personal data maybe.
    """
    from airflow.providers.openlineage.conf import include_full_task_info

    if include_full_task_info():
        return
    error = failure.__cause__ if isinstance(failure.__cause__, S3DestinationError) else failure
    where = f"table {error.table!r}, {error.place}: " if isinstance(error, RecordError) else ""
    failure.args = (f"{where}{type(error).__name__}, whose text is in the log of the task.",)
    failure.__cause__ = failure.__context__ = None


def _lineage(outputs: list[Any], staging_path: Any) -> OperatorLineage[Any, Any]:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    paths = staging_path if isinstance(staging_path, (list, tuple)) else [staging_path]
    datasets = dict.fromkeys(_namespace_and_name(fspath(path)) for path in paths if isinstance(path, (str, PathLike)))
    return OperatorLineage(inputs=[Dataset(namespace=space, name=name) for space, name in datasets], outputs=outputs)


def _output(bucket: str, prefix: str, table: TableReport | None = None) -> Any:
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    dataset = OutputDataset(namespace=f"s3://{bucket}", name=prefix.rstrip("/") or "/")
    if table is not None:
        fields = [SchemaDatasetFacetFields(name=column) for column in table.columns]
        dataset.facets = {"schema": SchemaDatasetFacet(fields=fields)}
        statistics = OutputStatisticsOutputDatasetFacet(
            rowCount=table.records, size=table.bytes, fileCount=table.objects
        )
        dataset.outputFacets = {"outputStatistics": statistics}
    return dataset


def _namespace_and_name(path: str) -> tuple[str, str]:
    """Return namespace and name of a staging path; a pattern stands for the folder of all files that it can match."""
    path = without_credentials(path).replace(f"{HIDDEN}@", "")
    if has_wildcard(path) or captures_table(path):
        head = path[: min(path.find(mark) for mark in "*?[{" if mark in path)]
        path = head[: head.rfind("/") + 1]
    scheme, netloc, *_ = urlsplit(path)
    if not netloc or scheme == "file":
        return "file", path.removeprefix("file://")
    if scheme == "s3":
        bucket, key = split_uri(path)
        return f"s3://{bucket.rpartition('@')[2]}", key.strip("/") or "/"
    name = path.partition(netloc)[2].strip("/")
    return f"{scheme}://{netloc.rpartition('@')[2]}", name or "/"
