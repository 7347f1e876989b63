"""The rules of the arguments ``on_bad_record``, ``quarantine_path`` and ``max_bad_records``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.spec import path_template
from airflow_provider_s3dest.spec.rules import template_faults
from airflow_provider_s3dest.spec.sentinels import UNKNOWN

MODES = ("fail", "quarantine")


def faults(on_bad_record: Any, path: Any, limit: Any) -> Iterator[Fault]:
    """Yield what is wrong with ``on_bad_record``, ``quarantine_path`` and ``max_bad_records``, in this order.

    The template itself has rules of its own: :func:`path_faults`.

    :param limit: ``UNKNOWN`` if ``max_bad_records`` is given, and its value not known yet.
    """
    if on_bad_record not in MODES:
        yield Fault("on_bad_record", f"is {short(on_bad_record)}.", f"Give one of {', '.join(MODES)}.")
    elif on_bad_record == "fail":
        for name, value in (("quarantine_path", path), ("max_bad_records", limit)):
            if value is not None:
                problem = 'has no effect while `on_bad_record` is "fail".'
                yield Fault(name, problem, f'Set on_bad_record="quarantine", or leave `{name}` out.')
    if limit is not None and limit is not UNKNOWN and not _is_limit(limit):
        remedy = "Give a whole number of records, or a share of all records between 0 and 1, such as 0.01."
        yield Fault("max_bad_records", f"is {short(limit)}.", remedy)


def default_path(data: str) -> str:
    """Return the default template of the keys of bad records, which lies in the fixed folder of the data's path."""
    return f"{path_template.prefix_of_text(data)}_quarantine/{{{{TABLE}}}}/{{{{UUID}}}}.json"


def _is_limit(limit: Any) -> bool:
    if isinstance(limit, float):
        return 0 < limit < 1
    return isinstance(limit, int) and not isinstance(limit, bool) and limit >= 0


def path_faults(path: Any, data: Any = None) -> Iterator[Fault]:
    """Yield what is wrong with a ``quarantine_path``.

    :param data: the path of the data, with its Jinja not rendered; None if it is not known.
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
        # Without a fixed folder, a placeholder or rendered Jinja may still make one; then nothing can be said here.
        if folder or not ("/" in data or path_template.has_jinja(data)):
            yield from faults_inside(path, folder)


def faults_inside(path: str, folder: str) -> Iterator[Fault]:
    """Yield a fault if bad records would lie in the folder of the data, where readers would take them for data.

    :param path: key or template of the bad records.
    :param folder: the folder of the data, with its slash; empty: the data may lie anywhere.
    """
    inside = path.removeprefix(folder)
    if path.startswith(folder) and not any(name.startswith(("_", ".")) for name in inside.split("/")):
        where = (
            f"inside the folder {folder!r} of the data"
            if folder
            else "next to the data, because `path` has no fixed folder"
        )
        problem = f"is {path!r}, {where}: readers would take bad records for data."
        yield Fault("quarantine_path", problem, "Give another folder, or one whose name begins with `_`.")
