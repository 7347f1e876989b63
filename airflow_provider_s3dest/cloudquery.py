"""Reads a CloudQuery destination document in its three forms, down to the fields of the destination spec."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from airflow_provider_s3dest.errors import Fault, SpecError, short

SYNC_ONLY = ("migrate_mode", "pk_mode", "sync_group_id", "send_sync_summary", "docker_registry_auth_token")
"""Keys of the document that steer a CloudQuery sync and mean nothing to a load."""

_PLUGIN = ("name", "path", "registry", "version")
_SHARED = ("write_mode", "batch_size", "batch_size_bytes")
_ENVELOPE = (*_PLUGIN, *_SHARED, *SYNC_ONLY, "transformers", "spec")
_VARIABLE = re.compile(r"\$\{[^}]*\}")


def parse_yaml(text: str) -> Mapping[str, Any]:
    """Read one destination from YAML text; of several documents, the one of ``kind: destination``.

    :raises SpecError: if the text is no YAML, or not one destination.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise SpecError(
            [Fault("spec", f"is not valid YAML: {error}", "Quote strings that hold braces or colons.")]
        ) from error
    if len(documents) > 1:
        documents = [d for d in documents if isinstance(d, Mapping) and d.get("kind") == "destination"]
    if len(documents) != 1:
        raise SpecError([Fault("spec", f"holds {len(documents)} destinations.", "Give a document with exactly one.")])
    if not isinstance(documents[0], Mapping):
        raise SpecError([Fault("spec", f"is no mapping but {short(documents[0])}.", "Give `key: value` lines.")])
    return documents[0]


def unwrap(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault], list[str]]:
    """Take the innermost fields out of a document.

    :param document: the whole document (with ``kind``), its ``spec`` part, or the innermost part.
    :return: the fields, what is wrong with the document around them, and what to warn of.
    """
    faults = list(_variables(document))
    if "kind" in document:
        if document["kind"] != "destination":
            faults.append(Fault("kind", f"is {short(document['kind'])}.", "Only `kind: destination` can be loaded."))
        faults += _unknown(document, ("kind", "spec"))
        document = _inner(document, faults)
    if "spec" not in document:
        return dict(document), faults, []
    faults += _unknown(document, _ENVELOPE)
    faults += _foreign(document)
    fields = dict(_inner(document, faults))
    for key in _SHARED:
        if document.get(key) is None:
            continue
        if fields.get(key) is not None and fields[key] != document[key]:
            problem = f"is {short(document[key])} beside `spec` and {short(fields[key])} inside it."
            faults.append(Fault(key, problem, "Give it once, or twice the same."))
        fields[key] = document[key]
    unused = [key for key in SYNC_ONLY if key in document]
    warnings = [f"Only a CloudQuery sync knows {', '.join(f'`{key}`' for key in unused)}: not used."] if unused else []
    return fields, faults, warnings


def _inner(document: Mapping[str, Any], faults: list[Fault]) -> Mapping[str, Any]:
    inner = document.get("spec")
    if isinstance(inner, Mapping):
        return inner
    faults.append(Fault("spec", f"is no mapping but {short(inner)}.", "Put bucket, path and format below `spec:`."))
    return {}


def _unknown(document: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Fault]:
    for key in document:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            yield Fault(str(key), "is unknown here.", f"Did you mean `{near[0]}`?" if near else "Take it out.")


def _foreign(document: Mapping[str, Any]) -> Iterator[Fault]:
    plugin = document.get("path")
    if document.get("registry", "cloudquery") in ("cloudquery", "github") and plugin not in (None, "cloudquery/s3"):
        yield Fault("path", f"names the plugin {short(plugin)}.", "This loads documents of cloudquery/s3.")
    if document.get("transformers"):
        yield Fault("transformers", "would change the records and are not run here.", "Transform in an upstream task.")


def _variables(value: Any, key: str = "spec") -> Iterator[Fault]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _variables(inner, str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _variables(inner, key)
    elif isinstance(value, str) and (found := _VARIABLE.search(value)):
        name = found[0][2:-1] or "NAME"
        remedy = f"Use Jinja in the operator's argument: {{{{ var.value.{name} }}}}, or a connection for secrets."
        yield Fault(key, f"{found[0]} is CloudQuery's variable and is not replaced here.", remedy)
