"""Announces a load by events of assets (datasets before Airflow 3), which start the DAGs that are scheduled on them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow import __version__
from airflow.providers.common.compat.sdk import Asset, AssetAlias
from packaging.version import Version

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.destination import spec_fields_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_s3dest.operators.outcome import Outcome

AIRFLOW = Version(__version__)

_ALIAS = "s3_destination:"
"""The beginning of the names of aliases for the assets of tasks with ``asset=True``."""


def outlets_for(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the argument ``outlets`` with an alias for the assets of the load, or nothing without ``asset``.

    Airflow takes the event of an asset only through an alias if the DAG file does not name the asset.

    :param arguments: the arguments of the operator.
    :raises SpecError: if ``asset`` is no truth value and no alias.
    """
    asset, outlets = arguments.get("asset", False), arguments.get("outlets")
    if not isinstance(asset, (bool, AssetAlias)):
        remedy = "Give True or an AssetAlias; an asset of your own goes into `outlets`."
        raise SpecError([Fault("asset", f"is {short(asset)}.", remedy)])
    if asset is False:
        return {}
    if Version("3.0") <= AIRFLOW < Version("3.1"):
        problem = "is not supported on Airflow 3.0, which takes no lists in the event of an alias."
        raise SpecError([Fault("asset", problem, "Give an asset of your own in `outlets`, or use 3.1 or later.")])
    outlets = list(outlets) if isinstance(outlets, (list, tuple)) else [outlets] if outlets else []
    if _alias_in(outlets, asset) is None:
        outlets.append(AssetAlias(_alias_name(arguments)) if asset is True else asset)
    return {"outlets": outlets}


def announce(context: Context, outlets: Iterable[Any], asset: Any, outcome: Outcome) -> None:
    """Create the events of a task's assets, with the report of the load as their extra.

    Each asset among the outlets gets the whole report. With ``asset``, each table also gets an event of the asset at
    the prefix that all runs share. Tables with the same prefix share one event.
    """
    events: Any = context.get("outlet_events")
    if events is None:
        return
    for outlet in outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra = outcome.report.as_dict()
    if asset and (alias := _alias_in(outlets, asset)) is not None:
        tables: dict[str, list[str]] = {}
        for table, prefix in outcome.stable_prefixes().items():
            tables.setdefault(prefix, []).append(table)
        for prefix, names in tables.items():
            # The URI, as it is written here, becomes the name of the asset: with a slash it would be another asset.
            uri = f"s3://{outcome.report.bucket}/{_quoted(prefix)}".rstrip("/")
            extra = outcome.part(names).as_dict()
            if Version("3") > AIRFLOW:
                extra = {name: _hashable(value) for name, value in extra.items()}
            events[alias].add(Asset(uri), extra=extra)


def _alias_in(outlets: Iterable[Any], asset: Any) -> AssetAlias | None:
    """Return the alias for the assets of a task.

    With ``asset=True`` the beginning of its name decides: a mapped instance has arguments that the DAG file does not
    have, so it would build another name.
    """
    name = _ALIAS if asset is True else asset.name
    aliases = (outlet for outlet in outlets if isinstance(outlet, AssetAlias))
    return next((one for one in aliases if one.name == name or (asset is True and one.name.startswith(name))), None)


class _HashableDict(dict[str, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(json.dumps(self, sort_keys=True))


def _hashable(value: Any) -> Any:
    """Return a value that can be hashed: Airflow 2.11 puts the values of an alias event's extra into a set."""
    return tuple(value) if isinstance(value, list) else _HashableDict(value) if isinstance(value, dict) else value


def _alias_name(arguments: Mapping[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the operator itself warns, and reports what is wrong
        fields, _ = spec_fields_of(arguments.get("spec"))
    fields |= {name: value for name, value in arguments.items() if isinstance(value, str)}
    parts = (fields.get(name) for name in ("s3_destination_conn_id", "bucket", "path", "table"))
    return _ALIAS + _quoted("/".join(part for part in parts if isinstance(part, str)))


def _quoted(text: str) -> str:
    """Percent-encode what has a meaning of its own in a URI, and what not every database of Airflow can store."""
    return quote(text, safe="/%:{}!$&'()*+,;=@~|[]. ")
