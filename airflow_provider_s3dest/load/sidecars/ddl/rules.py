"""The rules of table definitions that the spec alone decides, so that a DAG shows them when it is parsed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.spec.path_template import PLACEHOLDERS, fields_in, folder_of, placeholders

_OF_TABLE = {"TABLE", "TABLE_HYPHEN"}
_OF_OBJECT = {"UUID", "BATCH", "FIELD"}

NEEDED = ("ddl", "path", "format", "format_spec", "compression", "partition_columns", "bucket")
"""The fields of the spec that the rules look at."""


def faults(fields: Mapping[str, Any], *, copies_manifest: bool) -> Iterator[Fault]:
    """Find why no statement can read the objects right.

    :param fields: of a spec that has no fault otherwise.
    :param copies_manifest: whether the load has a manifest for COPY.
    """
    dialects = fields.get("ddl") or ()
    if not dialects:
        return
    if "athena" in dialects or not copies_manifest:
        yield from _folder_faults(fields["path"])
    if "athena" in dialects:
        yield from _athena_faults(fields)
    if "redshift" in dialects:
        yield from _redshift_faults(fields)
    if str(fields.get("bucket", "")).startswith("arn:"):
        yield Fault("ddl", "names the bucket in its statements, and `bucket` is an ARN.", "Give the alias instead.")


def table_faults(fields: Mapping[str, Any], tables: Collection[str]) -> Iterator[Fault]:
    """Find whether the definitions of several tables would have one key."""
    path = fields.get("ddl_path")
    if not fields.get("ddl") or not path or not isinstance(path, str) or len(tables) < 2:
        return
    if not {*_OF_TABLE, "UUID"} & placeholders(path):
        yield Fault("ddl_path", f"has no {{{{TABLE}}}}, and the load has {len(tables)} tables.", "Put {{TABLE}} in.")


def quarantine_faults(fields: Mapping[str, Any], quarantine: str, *, copies_manifest: bool) -> Iterator[Fault]:
    """Find whether Redshift's COPY, which loads every key that begins as those of the table, would load bad records.

    :param fields: of a spec that has no fault otherwise.
    :param quarantine: the template of the keys of bad records.
    """
    folder = folder_in(fields["path"])
    by_prefix = "redshift" in (fields.get("ddl") or ()) and not copies_manifest
    if by_prefix and folder and folder_in(quarantine).startswith(folder):
        problem = f"is {quarantine!r}, below the folder {folder!r} of the table, all of which Redshift's COPY loads."
        yield Fault("quarantine_path", problem, "Give another folder, or `manifest='redshift'`.")


def folder_in(path: str) -> str:
    """Give the part of a path, with its slash, that is the same for all objects of a table.

    Example::

        >>> folder_in("raw/{{TABLE}}/day={{FIELD.day}}/{{UUID}}.csv")
        'raw/{{TABLE}}/'
    """
    return folder_of(path, {name: f"{{{{{name}}}}}" for name in PLACEHOLDERS if name not in _OF_OBJECT})


def _folder_faults(path: str) -> Iterator[Fault]:
    folder = folder_in(path)
    if not folder:
        yield Fault("ddl", f"needs a folder of the table's own, and `path` has none: {path!r}.", "Put {{TABLE}}/ in.")
    elif _OF_TABLE & placeholders(path) and not _OF_TABLE & placeholders(folder):
        problem = f"needs a folder of the table's own, and {folder!r} in `path` is that of other tables too."
        yield Fault("ddl", problem, "Put {{TABLE}}/ in, before what varies between objects.")


def _athena_faults(fields: Mapping[str, Any]) -> Iterator[Fault]:
    path, is_csv = fields["path"], fields["format"] == "csv"
    if any(name.startswith(("_", ".")) for name in path.removeprefix(folder_in(path)).split("/")):
        yield Fault("ddl", f"is for Athena, which passes over names that begin so: {path!r}.", "Name them otherwise.")
    if fields["format"] != "parquet":
        told = path.endswith(".gz") or (bool(fields.get("compression")) and _ends_with_format(path))
        if told != bool(fields.get("compression")):
            problem = f"is for Athena, which tells gzip by `.gz` at the end of a key, and `path` ends {path[-12:]!r}."
            yield Fault("ddl", problem, "End it with {{FORMAT}}.")
    partitions = fields_in(path)
    if partitions and is_csv and fields.get("partition_columns") != "drop":
        problem = "is for Athena, which reads CSV by position, and the columns of {{FIELD}} are in the objects too."
        yield Fault("ddl", problem, "Use `partition_columns: drop`.")
    if partitions and not _is_hive_style(path):
        wanted = "/".join(f'{name.lower()}={{{{FIELD["{name}"]}}}}' for name in partitions)
        problem = f"is for Athena, which finds partitions in folders {wanted}/ right below that of the table."
        yield Fault("ddl", problem, f"Write them so, in small letters, in `path`: {path!r}.")
    if is_csv and not (fields.get("format_spec") or {}).get("delimiter", ",") <= "\uffff":
        yield Fault("ddl", "is for Athena, whose delimiter is one character of 16 bits.", "Choose another.")


def _ends_with_format(path: str) -> bool:
    last = path.rpartition("{{")[2]
    return last.endswith("}}") and last.strip("}- ") == "FORMAT"


def _is_hive_style(path: str) -> bool:
    *folders, name = path.removeprefix(folder_in(path)).split("/")
    return not fields_in(name) and all(_is_partition(one) for one in folders)


def _is_partition(folder: str) -> bool:
    name, _, value = folder.partition("=")
    fields = fields_in(value)
    return value.startswith("{{") and value.endswith("}}") and [one.lower() for one in fields] == [name]


def _redshift_faults(fields: Mapping[str, Any]) -> Iterator[Fault]:
    if fields_in(fields["path"]) and fields.get("partition_columns") == "drop":
        problem = "is for Redshift, whose COPY does not read the values of {{FIELD}} in keys."
        yield Fault("ddl", problem, "Use `partition_columns: keep`.")
    options = fields.get("format_spec") or {}
    if fields["format"] == "csv" and options.get("escape", '"') != '"':
        problem = "is for Redshift, whose COPY takes no quote in CSV but a doubled one."
        yield Fault("ddl", problem, "Leave `escape` out of `format_spec`.")
    delimiter = options.get("delimiter", ",")
    if fields["format"] == "csv" and not (delimiter == "\t" or " " <= delimiter <= "~"):
        yield Fault("ddl", f"is for Redshift, which has no delimiter {delimiter!r}.", "Use printable ASCII or a tab.")
