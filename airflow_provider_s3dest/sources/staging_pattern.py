"""Matches files against a staging path: folders, wildcards, and the table that ``{{TABLE}}`` captures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import cycle

from airflow_provider_s3dest.errors import StagingError

_TABLE = re.compile(r"\{\{\s*TABLE\s*\}\}")
_WILD = re.compile(r"[*?\[]")
_MARKS = re.compile(rf"{_WILD.pattern}|\{{(?=\{{\s*TABLE\s*\}}\}})")
_NOT_HIDDEN = r"(?![._])"
"""Wildcards skip names that begin with these, as Spark and Hive do: markers and files that are not complete yet."""


def captures_table(path: str) -> bool:
    """Return whether a staging path holds ``{{TABLE}}``."""
    return bool(_TABLE.search(path))


def has_wildcard(path: str) -> bool:
    """Return whether a staging path holds ``*``, ``?`` or ``[``."""
    return bool(_WILD.search(path))


def literal_path(path: str) -> str:
    """Return the staging path that matches one file alone."""
    # On the disk a file is looked for under the path as it stands, before wildcards are.
    is_found_as_it_stands = "://" not in path and not captures_table(path)
    return path if is_found_as_it_stands else _MARKS.sub(r"[\g<0>]", path)


@dataclass(frozen=True, slots=True)
class StagingPattern:
    """A staging path, ready to be matched.

    :param folder: the folder, with its slash, that holds all files the path can match; empty: the working directory.
    """

    path: str
    folder: str
    _shortest: re.Pattern[str]
    _longest: re.Pattern[str]

    @classmethod
    def of(cls, path: str) -> StagingPattern:
        """Translate a folder, a glob or a path with ``{{TABLE}}``.

        :raises StagingError: if a wildcard makes no sense.
        """
        folder, expression = _translate(path)
        try:
            shortest = re.compile(expression.format(table="(?P<table>[^/]+?)"), re.DOTALL)
            longest = re.compile(expression.format(table="(?P<table>[^/]+)"), re.DOTALL)
        except re.error as error:
            raise StagingError(
                f"The staging path {path} has a wildcard that can't be read: {error}. Correct it."
            ) from error
        return cls(path, folder, shortest, longest)

    def match(self, file: str) -> str | None:
        """Return the table that the path captures from a file, empty if it captures none; None if it doesn't match.

        :raises StagingError: if the table could end at more than one place, as in ``{{TABLE}}-*`` and ``a-b-1.csv``.
        """
        # If the shortest and the longest table are the same, so is every other.
        shortest, longest = self._shortest.fullmatch(file), self._longest.fullmatch(file)
        if shortest is None or longest is None:
            return None
        tables = {(match.groupdict().get("table") or "") for match in (shortest, longest)}
        if len(tables) > 1:
            raise StagingError(
                f"{file} matches {self.path} as the table {' or '.join(map(repr, sorted(tables)))}. "
                "Write the path so that only one is possible, with {{TABLE}} as a folder for instance."
            )
        return tables.pop()


def _translate(path: str) -> tuple[str, str]:
    """Return the folder to list, and a regular expression in which ``{table}`` stands for the capture."""
    is_folder = path.endswith("/")
    parts = _TABLE.sub("{{TABLE}}", path.rstrip("/")).split("/")
    wild = [bool(_WILD.search(part)) or "{{TABLE}}" in part for part in parts]
    first = wild.index(True) if True in wild else len(parts)
    base = "/".join(parts[:first]) + "/" if first else ""
    seen_table = False
    translated = [_literal(base)]
    rest = parts[first:]
    for position, part in enumerate(rest):
        is_last = position == len(rest) - 1
        if part == "**":
            translated.append(rf"(?:{_NOT_HIDDEN}[^/]+/)*" + (rf"{_NOT_HIDDEN}[^/]+" if is_last else ""))
            continue
        text, seen_table = _component(part, seen_table)
        translated.append(text + ("" if is_last else "/"))
    below = rf"{_NOT_HIDDEN}[^/]+(?:/{_NOT_HIDDEN}[^/]+)*"
    if not rest:
        translated.append(below)
    elif is_folder or rest[-1] == "{{TABLE}}":
        translated.append(f"/{below}")
    elif not _WILD.search(rest[-1]) and "{{TABLE}}" not in rest[-1]:
        translated.append(f"(?:/{below})?")
    return base, "".join(translated)


def _component(part: str, seen_table: bool) -> tuple[str, bool]:
    """Translate one folder or file name; wildcards don't match a leading ``_`` or ``.``."""
    text = _NOT_HIDDEN if part[:1] in "*?[{" else ""
    pieces = re.split(r"(\{\{TABLE\}\}|\*|\?|\[[!^]?(?:\][^\]]*|[^\]]+)\])", part)
    for is_wild, piece in zip(cycle((False, True)), pieces, strict=False):
        if not is_wild:
            text += _literal(piece)
        elif piece == "{{TABLE}}":
            text += "(?P=table)" if seen_table else "{table}"
            seen_table = True
        elif piece == "*":
            text += "[^/]*"
        elif piece == "?":
            text += "[^/]"
        else:
            negated = piece[1] in "!^"
            members = _literal(piece[2:-1] if negated else piece[1:-1]).replace(r"\-", "-")
            text += f"(?!/)[{'^' * negated}{members}]"
    return text, seen_table


def _literal(text: str) -> str:
    """Escape a text for a regular expression, and its braces for ``str.format``, which puts the capture in."""
    return re.escape(text).replace("{", "{{").replace("}", "}}")
