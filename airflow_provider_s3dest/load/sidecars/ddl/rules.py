"""The rules of table definitions that depend on the spec alone, so that a DAG file that breaks one fails to parse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airflow_provider_s3dest.errors import Fault
from airflow_provider_s3dest.spec.path_template import PLACEHOLDERS, fields_in, folder_of, placeholders

_OF_TABLE = {"TABLE", "TABLE_HYPHEN"}
_OF_OBJECT = {"UUID", "BATCH", "FIELD"}

NEEDED = ("ddl", "path", "format", "format_spec", "compression", "partition_columns", "bucket")
"""The fields of the spec that the rules read."""


def faults(fields: Mapping[str, Any], *, copies_manifest: bool) -> Iterator[Fault]:
    """Yield why no table definition could read the objects correctly.

    :param fields: the fields of a spec that has no other fault.
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
        yield Fault("ddl", "names the bucket in its statements, but `bucket` is an ARN.", "Give the alias instead.")


def table_faults(fields: Mapping[str, Any], tables: Collection[str]) -> Iterator[Fault]:
    """Yield a fault if the definitions of several tables would have the same key."""
    path = fields.get("ddl_path")
    if not fields.get("ddl") or not path or not isinstance(path, str) or len(tables) < 2:
        return
    if not {*_OF_TABLE, "UUID"} & placeholders(path):
        yield Fault("ddl_path", f"has no {{{{TABLE}}}}, but the load has {len(tables)} tables.", "Put {{TABLE}} in.")


def quarantine_faults(fields: Mapping[str, Any], quarantine: str, *, copies_manifest: bool) -> Iterator[Fault]:
    """Yield a fault if Redshift's COPY would load bad records: without a manifest it loads every key with a prefix.

    :param fields: the fields of a spec that has no other fault.
    :param quarantine: the template of the keys of bad records.
    :param copies_manifest: whether the load has a manifest for COPY.
    """
    folder = folder_in(fields["path"])
    by_prefix = "redshift" in (fields.get("ddl") or ()) and not copies_manifest
    if by_prefix and folder and folder_in(quarantine).startswith(folder):
        problem = f"is {quarantine!r}, in the folder {folder!r} of the table. Redshift's COPY loads the whole folder."
        yield Fault("quarantine_path", problem, "Give another folder, or `manifest='redshift'`.")


def folder_in(path: str) -> str:
    """Return the part of a path, with its slash, that is the same for all objects of a table.

    Example::

        >>> folder_in("raw/{{TABLE}}/day={{FIELD.day}}/{{UUID}}.csv")
        'raw/{{TABLE}}/'
    """
    return folder_of(path, {name: f"{{{{{name}}}}}" for name in PLACEHOLDERS if name not in _OF_OBJECT})


def _folder_faults(path: str) -> Iterator[Fault]:
    folder = folder_in(path)
    if not folder:
        yield Fault("ddl", f"needs a folder for each table, but `path` has none: {path!r}.", "Put {{TABLE}}/ in.")
    elif _OF_TABLE & placeholders(path) and not _OF_TABLE & placeholders(folder):
        problem = f"needs a folder for each table, but other tables share the folder {folder!r} in `path`."
        yield Fault("ddl", problem, "Put {{TABLE}}/ in, before the part that differs between objects.")


def _athena_faults(fields: Mapping[str, Any]) -> Iterator[Fault]:
    path, is_csv = fields["path"], fields["format"] == "csv"
    if any(name.startswith(("_", ".")) for name in path.removeprefix(folder_in(path)).split("/")):
        yield Fault("ddl", f"is for Athena, which skips names that begin with `_` or `.`: {path!r}.", "Rename them.")
    if fields["format"] != "parquet":
        compressed = bool(fields.get("compression"))
        if (path.endswith(".gz") or (compressed and _ends_with_format(path))) != compressed:
            problem = f"is for Athena, which recognizes gzip by `.gz` at the end of a key; `path` ends {path[-12:]!r}."
            yield Fault("ddl", problem, "End it with {{FORMAT}}.")
    partitions = fields_in(path)
    if partitions and is_csv and fields.get("partition_columns") != "drop":
        problem = "is for Athena, which reads CSV by position, but the columns of {{FIELD}} are in the objects too."
        yield Fault("ddl", problem, "Use `partition_columns: drop`.")
    if partitions and not _is_hive_style(path):
        folders = "/".join(f'{name.lower()}={{{{FIELD["{name}"]}}}}' for name in partitions)
        problem = f"is for Athena, which finds partitions only in folders such as {folders}/: {path!r}."
        yield Fault(
            "ddl", problem, "In `path`, put them right behind the folder of the table, with names in small letters."
        )
    if is_csv and not (fields.get("format_spec") or {}).get("delimiter", ",") <= "\uffff":
        yield Fault("ddl", "is for Athena, whose delimiter has one character of 16 bits.", "Choose another delimiter.")


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
        problem = "is for Redshift, whose COPY reads quotes in CSV only if they are doubled."
        yield Fault("ddl", problem, "Leave `escape` out of `format_spec`.")
    delimiter = options.get("delimiter", ",")
    if fields["format"] == "csv" and not (delimiter == "\t" or " " <= delimiter <= "~"):
        problem = f"is for Redshift, which does not take the delimiter {delimiter!r}."
        yield Fault("ddl", problem, "Use printable ASCII or a tab.")
