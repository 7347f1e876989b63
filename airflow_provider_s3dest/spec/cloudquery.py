"""Reads CloudQuery destination documents, in any of three forms, and returns the fields of the destination spec."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.fields import SpecFields
from airflow_provider_s3dest.spec.nested_texts import variable_faults
from airflow_provider_s3dest.spec.sentinels import UNKNOWN

SYNC_ONLY = ("migrate_mode", "pk_mode", "sync_group_id", "send_sync_summary", "docker_registry_auth_token")
"""Keys that control a CloudQuery sync and mean nothing to a load."""

_PLUGIN = ("name", "path", "registry", "version")
_SHARED = ("write_mode", "batch_size", "batch_size_bytes")
_ENVELOPE = (*_PLUGIN, *_SHARED, *SYNC_ONLY, "transformers", "spec")
_LEVELS = re.compile(r"^(spec\.)+")

_DEEPEST = 100
"""Levels of nesting up to which YAML is read: PyYAML calls itself for each level, and Python limits that."""


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, since YAML would silently keep the last one, and too deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(None, None, "it is nested too deep", parent.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
                seen.add((key.tag, key.value))
        return node


def parse_yaml(text: str) -> Mapping[str, Any]:
    """Read one destination from YAML text; among several documents, the one of ``kind: destination``.

    :raises SpecError: if the text is not YAML, or does not hold exactly one destination.
    """
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except Exception as error:  # PyYAML lets through any error about an impossible value, such as the date 2024-02-30
        remedy = "Quote strings that hold braces or colons, and indent with spaces."
        raise SpecError([Fault("spec", f"is not valid YAML: {_yaml_problem(error)}.", remedy)]) from error
    if len(documents) > 1:
        documents = [d for d in documents if isinstance(d, Mapping) and d.get("kind") == "destination"]
    if len(documents) != 1:
        raise SpecError([Fault("spec", f"holds {len(documents)} destinations.", "Give a document with exactly one.")])
    if not isinstance(documents[0], Mapping):
        raise SpecError([Fault("spec", f"is no mapping but {short(documents[0])}.", "Give `key: value` lines.")])
    return documents[0]


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def unwrap(document: Mapping[Any, Any]) -> tuple[dict[str, Any], list[Fault], list[str]]:
    """Return the innermost fields of a document, the faults of the document around them, and warnings.

    :param document: the whole document (with ``kind``), its ``spec`` part, or the innermost part.
    :return: the fields, ``UNKNOWN`` where the document can't be read; the faults; the texts to warn with.
    """
    faults = [replace(fault, key=_LEVELS.sub("", fault.key) or "spec") for fault in variable_faults(document)]
    unreplaced = {fault.key.partition(".")[0] for fault in faults}
    sync_only: list[str] = []
    if "kind" in document:
        if document["kind"] != "destination":
            faults.append(Fault("kind", f"is {short(document['kind'])}.", "Only `kind: destination` can be loaded."))
        faults += _unknown(document, ("kind", "spec"))
        document = _inner(document, faults)
    shared: Mapping[str, Any] = {}
    if "spec" in document or not {"name", "registry", "version"}.isdisjoint(document):
        faults += _unknown(document, _ENVELOPE)
        faults += _foreign(document)
        sync_only += (key for key in SYNC_ONLY if key in document)
        shared, document = document, _inner(document, faults)
    sync_only += (key for key in SYNC_ONLY if key in document and key not in sync_only)
    fields = {key: value for key, value in document.items() if key not in sync_only and isinstance(key, str)}
    faults += (
        Fault(str(key), "is a key that is not a string.", "Quote it, or take it out.")
        for key in document
        if not isinstance(key, str)
    )
    for key in _SHARED:
        if shared.get(key) is None:
            continue
        if fields.get(key) not in (None, UNKNOWN, shared[key]):
            problem = f"is {short(shared[key])} beside `spec` and {short(fields[key])} inside it."
            faults.append(Fault(key, problem, "Give it once, or twice the same."))
        fields[key] = shared[key]
    fields.update(dict.fromkeys(unreplaced & fields.keys(), UNKNOWN))
    named = ", ".join(f"`{key}`" for key in sync_only)
    return fields, faults, [f"Only a CloudQuery sync knows {named}: not used."] if sync_only else []


def _inner(document: Mapping[Any, Any], faults: list[Fault]) -> Mapping[Any, Any]:
    inner = document.get("spec")
    if isinstance(inner, Mapping):
        return inner
    problem = f"is no mapping but {short(inner)}." if "spec" in document else "is missing."
    faults.append(Fault("spec", problem, "Put bucket, path and format below `spec:`."))
    return dict.fromkeys(SpecFields.model_fields, UNKNOWN)


def _unknown(document: Mapping[Any, Any], allowed: tuple[str, ...]) -> Iterator[Fault]:
    for key in document:
        if key in allowed:
            continue
        near = difflib.get_close_matches(str(key), allowed, n=1)
        if key in SpecFields.model_fields:
            remedy = "Put it below the innermost `spec:`."
        else:
            remedy = f"Did you mean `{near[0]}`?" if near else "Take it out."
        yield Fault(str(key), "is unknown here.", remedy)


def _foreign(document: Mapping[Any, Any]) -> Iterator[Fault]:
    plugin = document.get("path")
    if (document.get("registry") or "cloudquery") in ("cloudquery", "github") and plugin not in (None, "cloudquery/s3"):
        yield Fault("path", f"names the plugin {short(plugin)}.", "This loads documents of cloudquery/s3.")
    if document.get("transformers"):
        yield Fault("transformers", "would change the records and are not run here.", "Transform in an upstream task.")
