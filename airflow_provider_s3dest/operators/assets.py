"""Announces what was loaded as events of assets (datasets before Airflow 3), for DAGs that are scheduled on them."""

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
"""How the names of the aliases begin that stand for the assets of tasks with ``asset=True``."""


def outlets_for(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Give the argument ``outlets`` of a task, with an alias for the assets that it will announce; nothing without.

    Airflow takes events of an asset that a DAG file does not name by an alias only.

    :param arguments: those of the operator.
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
    given = list(outlets) if isinstance(outlets, (list, tuple)) else [outlets] if outlets else []
    if _alias_in(given, asset) is None:
        given.append(AssetAlias(_name(arguments)) if asset is True else asset)
    return {"outlets": given}


def announce(context: Context, outlets: Iterable[Any], asset: Any, outcome: Outcome) -> None:
    """Give the events of a task's assets what was loaded as their extra.

    Assets among the outlets get the whole report. With ``asset`` there is an event for each table besides, of the
    asset at its stable prefix; tables that share that prefix share the event.
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
        for prefix, own in tables.items():
            # Airflow takes the URI, as it is written, for the asset's name: with a slash it would be another asset.
            uri = f"s3://{outcome.report.bucket}/{_quoted(prefix)}".rstrip("/")
            extra = outcome.part(own).as_dict()
            if Version("3") > AIRFLOW:
                extra = {name: _hashable(value) for name, value in extra.items()}
            events[alias].add(Asset(uri), extra=extra)


def _alias_in(outlets: Iterable[Any], asset: Any) -> AssetAlias | None:
    """Find the alias: by its name, since a mapped instance knows arguments that the DAG file does not."""
    wanted = _ALIAS if asset is True else asset.name
    aliases = (outlet for outlet in outlets if isinstance(outlet, AssetAlias))
    return next((one for one in aliases if one.name == wanted or (asset is True and one.name.startswith(wanted))), None)


class _HashableDict(dict[str, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(json.dumps(self, sort_keys=True))


def _hashable(value: Any) -> Any:
    """Give a value that Airflow 2.11 can put into a set, as it does with those of an alias event's extra."""
    return tuple(value) if isinstance(value, list) else _HashableDict(value) if isinstance(value, dict) else value


def _name(arguments: Mapping[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the operator itself warns, and tells what is wrong
        fields, _ = spec_fields_of(arguments.get("spec"))
    fields |= {name: value for name, value in arguments.items() if isinstance(value, str)}
    parts = (fields.get(name) for name in ("s3_destination_conn_id", "bucket", "path", "table"))
    return _ALIAS + _quoted("/".join(part for part in parts if isinstance(part, str)))


def _quoted(text: str) -> str:
    """Keep what a URI would read as something else, and what not every database of Airflow can hold."""
    return quote(text, safe="/%:{}!$&'()*+,;=@~|[]. ")
