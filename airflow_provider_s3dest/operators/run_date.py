"""Finds the date that a run is about, from which the dates in keys derive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.errors import Fault, SpecError
from airflow_provider_s3dest.spec.path_template import DATE_FORMATS, PathTemplate

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

_TEMPLATES = ("path", "manifest_path", "ddl_path", "quarantine_path")


def run_date_of(context: Context) -> datetime | None:
    """Return the date of a run's partition, else its logical date, else the date when it was due.

    A run of a partition may be started by hand, with the logical date of that moment, and is still about its partition.
    """
    run: Any = context.get("dag_run")
    dates = (getattr(run, name, None) for name in ("partition_date", "logical_date", "run_after"))
    return next(filter(None, dates), None)


def undated_partition_faults(context: Context, templates: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault for each template with a date, if the run is about a partition whose date is not known.

    Not every partition has a date: its key may be a region. Airflow 3.2 tells the key of a partition only, and Airflow
    3.3 no date if the assets of a run disagree. The date when the run was due would be that of the processing.

    :param templates: the templates of keys and other arguments, by name.
    """
    run: Any = context.get("dag_run")
    key = getattr(run, "partition_key", None)
    if key is None or getattr(run, "partition_date", None) or getattr(run, "logical_date", None):
        return
    for argument in _TEMPLATES:
        if needed := _dates_in(templates.get(argument)):
            yield Fault(
                argument,
                f"has {{{{{needed[0]}}}}}, but the run is about the partition {key!r}, of which Airflow tells no date.",
                "Write {{ dag_run.partition_key }} for the partition, or a part of it; "
                "{{ dag_run.run_after.strftime('%Y-%m-%d') }} is the day when the run was due.",
            )


def _dates_in(template: Any) -> list[str]:
    try:
        names = PathTemplate.parse(template).names if isinstance(template, str) else set()
    except SpecError:  # a rule about paths tells what is wrong
        return []
    return [name for name in DATE_FORMATS if name in names]
