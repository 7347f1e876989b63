"""What ``on_bad_record``, ``quarantine_path`` and ``max_bad_records`` may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.rules import template_faults

KINDS = ("fail", "quarantine")


def faults(kind: Any, path: Any, limit: Any) -> Iterator[Fault]:
    """Find what is wrong with ``on_bad_record``, ``quarantine_path`` and ``max_bad_records``."""
    if kind not in KINDS:
        yield Fault("on_bad_record", f"is {short(kind)}.", f"Give one of {', '.join(KINDS)}.")
    elif kind == "fail":
        for name, value in (("quarantine_path", path), ("max_bad_records", limit)):
            if value is not None:
                problem = 'is given, and `on_bad_record` is "fail".'
                yield Fault(name, problem, 'Set on_bad_record="quarantine", or leave it out.')
    if limit is not None and not _is_limit(limit):
        remedy = "Give a whole number of records, or a share of all between 0 and 1, such as 0.01."
        yield Fault("max_bad_records", f"is {short(limit)}.", remedy)


def default_path(data: str) -> str:
    """Give the template of the keys of bad records beside those of a path of data."""
    return f"{path_template.prefix_of_text(data)}_quarantine/{{{{TABLE}}}}/{{{{UUID}}}}.json"


def _is_limit(limit: Any) -> bool:
    if isinstance(limit, float):
        return 0 < limit < 1
    return isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0


def path_faults(path: Any, data: Any = None) -> Iterator[Fault]:
    """Find what is wrong with a ``quarantine_path``.

    :param data: the path of the data, Jinja in it not rendered; None if it is not known.
    """
    if not isinstance(path, str):
        yield Fault("quarantine_path", f"is {short(path)}.", "Give a template, such as _bad/{{TABLE}}/{{UUID}}.json.")
        return
    yield from (replace(fault, key="quarantine_path") for fault in template_faults(path))
    if path_template.fields_in(path):
        yield Fault("quarantine_path", "has {{FIELD}}, which a bad record may lack.", "Take it out.")
    if "UUID" not in path_template.placeholders(path):
        yield Fault("quarantine_path", "has no {{UUID}}: each batch would overwrite the last.", "Put {{UUID}} in.")
    if isinstance(data, str):
        folder = path_template.prefix_of_text(data)
        # Without one, what is filled in may be a folder; with Jinja, what is rendered may hold one.
        if folder or not ("/" in data or path_template.has_jinja(data)):
            yield from faults_inside(path, folder)


def faults_inside(path: str, folder: str) -> Iterator[Fault]:
    """Find whether bad records would lie among the data, where whoever reads them takes them for data.

    :param path: key or template of the bad records.
    :param folder: that of the data, with its slash; empty: they may lie anywhere.
    """
    inside = path.removeprefix(folder)
    if path.startswith(folder) and not any(name.startswith(("_", ".")) for name in inside.split("/")):
        where = f"the folder {folder!r} of the data" if folder else "the data, which lie in no folder"
        problem = f"is {path!r}, among {where}: who reads it would read the bad records."
        yield Fault("quarantine_path", problem, "Give a folder beside it, or one whose name begins with `_`.")
