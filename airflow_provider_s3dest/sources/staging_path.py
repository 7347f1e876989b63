"""The rules for staging paths that need no look at the files, and the formats that file endings stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_s3dest.errors import Fault, StagingError, short
from airflow_provider_s3dest.safe_text import has_credentials
from airflow_provider_s3dest.sources.decompression import SUFFIXES
from airflow_provider_s3dest.sources.staging_pattern import StagingPattern, captures_table, has_wildcard
from airflow_provider_s3dest.spec import path_template

FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrow",
}
"""The format of a file by its ending, before the ending of its compression."""

KNOWN_ENDINGS = f"Known are {', '.join(FORMATS)}, each also with .gz or .zst."
_FILE_ENDING = re.compile(rf"[^/](\.[a-z]{{2,}})(?:{'|'.join(map(re.escape, SUFFIXES))})?$", re.IGNORECASE)
"""The ending of a file: letters, and maybe the ending of a compression. A name such as ``run.v2`` may be a folder."""

SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def check_staging_path(staging_path: Any, table: str | None) -> Iterator[Fault]:
    """Check the staging paths of a load, and that they and its table go together; yield the faults.

    :param staging_path: a path or a list of paths.
    :param table: name of the table; None if ``{{TABLE}}`` in the paths captures it.
    """
    yield from staging_path_faults(staging_path)
    captures = {captures_table(str(path)) for path in _paths(staging_path)}
    if captures == {True} and table is not None:
        yield Fault("table", f"is {table!r} beside {{{{TABLE}}}} in the staging path.", "Leave one of the two out.")
    elif captures == {False} and table is None:
        yield Fault("table", "is missing.", "Name the table, or put {{TABLE}} in the staging path.")


def staging_path_faults(staging_path: Any) -> Iterator[Fault]:
    """Check the staging paths of a load without its table; yield the faults."""
    paths = _paths(staging_path)
    if not paths or not all(isinstance(path, (str, os.PathLike)) and str(path) for path in paths):
        yield Fault("staging_path", f"is {short(staging_path)}.", "Give a path or a list of paths.")
        return
    for path in map(str, paths):
        yield from _path_faults(path)
    if len({captures_table(str(path)) for path in paths}) > 1:
        yield Fault("staging_path", "has {{TABLE}} in some paths and not in others.", "Load them by two tasks.")


def _paths(staging_path: Any) -> Sequence[Any]:
    if isinstance(staging_path, (str, os.PathLike)):
        return [staging_path]
    return staging_path if isinstance(staging_path, (list, tuple)) else ()


def _path_faults(path: str) -> Iterator[Fault]:
    for name in path_template.placeholders(path):
        if path_template.is_placeholder(name) and name != "TABLE":
            remedy = "Of the placeholders, only {{TABLE}} works here."
            yield Fault("staging_path", f"can't hold {{{{{name}}}}}.", remedy)
    yield from path_template.misuses(path, "staging_path")
    scheme = SCHEME.match(path)
    inside = path[scheme.end() :] if scheme else path
    if not inside or (scheme and scheme[1].lower() == "s3" and inside.startswith("/")):
        yield Fault("staging_path", f"{path!r} names no bucket or file.", "Write s3://bucket/folder/, for instance.")
    elif has_credentials(path):
        remedy = "Take them out: s3:// is read with the AWS connection, others with one named as in gs://conn@bucket/."
        yield Fault("staging_path", f"{path!r} holds credentials.", remedy)
    elif "\0" in path:
        yield Fault("staging_path", f"{path!r} holds a NUL.", "Take it out.")
    elif not (captures_table(path) or has_wildcard(path)):
        ending = _FILE_ENDING.search(path) if "/" in inside or not scheme else None  # a bucket's name may hold dots
        if ending and ending[1].lower() not in FORMATS:
            problem = f"{path!r} has an unknown ending."
            yield Fault("staging_path", problem, f"{KNOWN_ENDINGS} If it is a folder, end it with a slash.")
    else:
        try:
            StagingPattern.of(path)
        except StagingError as error:
            yield Fault("staging_path", str(error), "")
