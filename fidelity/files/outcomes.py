"""What becomes of a file, and which files are run."""

from __future__ import annotations

from dataclasses import dataclass

_TEXT, _TYPED = (".csv", ".tsv", ".json", ".ndjson", ".jsonl"), (".parquet", ".arrow", ".arrows", ".feather", ".ipc")
ENDINGS = tuple(ending + packed for ending in (*_TEXT, *_TYPED) for packed in ("", ".gz"))
"""Endings of the files that are run."""

FAULTS = ("differs", "foreign exception", "timeout", "crash")
"""Outcomes that must not be; the worst is the last."""


@dataclass(frozen=True)
class Result:
    """What became of a file in one way: ``equal``, ``refused`` by an error of the provider, or one of FAULTS."""

    way: str
    outcome: str
    text: str = ""
