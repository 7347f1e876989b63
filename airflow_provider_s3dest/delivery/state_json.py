"""Reads the JSON text of a load's state, whose fields and their names stay as they are."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

VERSION = 1
"""Version of the JSON text of a state; a later version must read the earlier ones."""

_Number = Annotated[int, msgspec.Meta(ge=0)]


class Naming(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The settings of keys, in the order of ``KeySettings``."""

    bucket: Annotated[str, msgspec.Meta(min_length=1)]
    path: str
    file_format: str
    run_date: str | None
    generation: _Number
    quarantine: str | None = None
    namespace: str = ""


class Ranges(msgspec.Struct):
    """Ranges of batches, and what their keys are made of."""

    naming: Naming
    spans: list[tuple[str, str, _Number, _Number]]
    committed: bool
    owned: bool | None = None


class Used(msgspec.Struct):
    """Names that keys may be made of."""

    tables: list[str] = []
    templates: list[str] = []
    namespaces: list[str] = []


class Document(msgspec.Struct):
    """A state. Fields with a default are not in every state of version 1."""

    uploads: list[tuple[str, str, str]]
    generation: _Number
    atomic: bool
    live: list[Ranges]
    pending: list[Ranges]
    doomed: list[Ranges]
    consumed: tuple[list[tuple[str, str]], dict[str, Any]] | None
    sidecars: list[tuple[str, str]] = []
    old_sidecars: list[tuple[str, str]] = []
    owned_sidecars: list[tuple[str, str]] = []
    written_path: str | None = None
    used: Used = msgspec.field(default_factory=Used)


class _Versioned(msgspec.Struct):
    version: int


def parse(text: str) -> Document:
    """Return the document that a text holds.

    :raises ValueError: if the text holds no state, or one of a version that is not known, with the reason.
    """
    try:
        version = msgspec.json.decode(text, type=_Versioned).version
        if version != VERSION:
            raise ValueError(f"it has the version {version}, and this version of the provider knows {VERSION}")
        document = msgspec.json.decode(text, type=Document)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise ValueError(f"{error}") from error
    for ranges in (*document.live, *document.pending, *document.doomed):
        if wrong := [span for span in ranges.spans if span[2] >= span[3]]:
            raise ValueError(f"{wrong[0]!r} is no range of batches")
    return document
