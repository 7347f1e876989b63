"""The path template: a fixed set of placeholders, from which the key of each object is built."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.braces import BRACES, COMMENT, STATEMENT, Piece, pieces, replace_pieces
from airflow_provider_s3dest.spec.jinja import evaluated_names, has_opener
from airflow_provider_s3dest.spec.limits import MAX_KEY_BYTES

if TYPE_CHECKING:
    import jinja2

DATE_FORMATS: Mapping[str, str] = {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M"}
PLACEHOLDERS = ("TABLE", "TABLE_HYPHEN", "UUID", "FORMAT", *DATE_FORMATS, "SYNC_ID", "BATCH", "FIELD")

_LIKE_A_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_]*")
_FIELD = re.compile(r"""FIELD(?:\.(?P<name>\w+)|\[\s*(?P<quote>["'])(?P<odd>.+?)(?P=quote)\s*\])""")
_MISUSED = re.compile(rf"({'|'.join(PLACEHOLDERS)})\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NO_XML = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 can't carry, beside control characters (section 2.2). DeleteObjects refuses keys that hold it."""

_ESCAPED = re.compile(r"[%/\x00-\x1f\x7f]")

_SHORTEST: Mapping[str, int] = {"UUID": 36, "SYNC_ID": 36, "BATCH": 6, "FORMAT": 3, **dict.fromkeys(DATE_FORMATS, 2)}
"""Fewest characters of the value of a placeholder; one for those that are not named."""


def _expressions(text: str) -> list[str]:
    return [piece.expression for piece in pieces(text, BRACES)]


def is_placeholder(expression: str) -> bool:
    """Return whether the text between two pairs of braces is one of our placeholders, and nothing more."""
    return expression in PLACEHOLDERS[:-1] or bool(_FIELD.fullmatch(expression))


def has_jinja(text: str) -> bool:
    """Return whether a text holds Jinja beside our placeholders, so that only a run knows its value."""
    return "{" in text and has_opener(
        replace_pieces(text, lambda piece: "" if is_placeholder(piece.expression) else piece.text, BRACES)
    )


def has_foreign_jinja(text: str) -> bool:
    """Return whether a text holds Jinja beside our placeholders and beside names that may be misspelt placeholders."""

    def without(piece: Piece) -> str:
        ours = is_placeholder(piece.expression) or looks_like_a_placeholder(piece.expression)
        return "" if ours else piece.text

    return "{" in text and has_opener(replace_pieces(text, without, BRACES))


def looks_like_a_placeholder(name: str) -> bool:
    """Return whether a name is written like a placeholder, in capitals."""
    return bool(_LIKE_A_PLACEHOLDER.fullmatch(name))


def names_a_run(text: str) -> bool:
    """Return whether a path differs from run to run: by a date, the sync id, or its Jinja."""
    return has_jinja(text) or not {*DATE_FORMATS, "SYNC_ID"}.isdisjoint(_expressions(text))


class _Field:
    """Stands for ``FIELD`` while Jinja renders, and renders every ``FIELD.name`` as the placeholder that it was."""

    def __getattr__(self, name: str) -> str:
        return self[name]

    def __getitem__(self, name: str) -> str:
        return f'{{{{FIELD["{name}"]}}}}'

    def __str__(self) -> str:
        return "{{FIELD}}"


def jinja_globals() -> dict[str, object]:
    """Return the variables with which Jinja leaves our placeholders as they are in the rendered text."""
    return {**{name: f"{{{{{name}}}}}" for name in PLACEHOLDERS[:-1]}, "FIELD": _Field()}


def placeholders(text: str) -> frozenset[str]:
    """Return the expressions between braces in a text, such as ``UUID`` or ``FIELD.region``."""
    return frozenset(_expressions(text))


def fields_in(text: str) -> tuple[str, ...]:
    """Return the columns whose values a path holds by ``{{FIELD.name}}``, in order, each once."""
    return tuple(dict.fromkeys(filter(None, map(field_of, _expressions(text)))))


def field_of(expression: str) -> str | None:
    """Return the column that an expression such as ``FIELD.region`` names; None for other expressions."""
    match = _FIELD.fullmatch(expression)
    return (match["name"] or match["odd"]) if match else None


def prefix_of_text(text: str) -> str:
    """Return the folder, with its slash, that every key of a template begins with, whatever is filled in."""
    return text.partition("{")[0].rpartition("/")[0] + "/" * ("/" in text.partition("{")[0])


def folder_of(text: str, values: Mapping[str, str]) -> str:
    """Return the folder, with its slash, that all keys of a template with some values have in common.

    :param text: the template; Jinja in it is not rendered.
    :param values: the values that all these keys have, by placeholder.

    Example::

        >>> folder_of("raw/{{TABLE}}/{{ ds }}/{{UUID}}.csv", {"TABLE": "planes"})
        'raw/planes/'
    """
    for piece in pieces(text, BRACES, STATEMENT, COMMENT):
        if piece.expression not in values:
            text = text[: piece.start]
            break
    folder = text[: text.rfind("/") + 1]
    return _filled(folder, values)


def misuses(text: str, key: str = "path", environment: jinja2.Environment | None = None) -> Iterator[Fault]:
    """Find filters, expressions and statements on our placeholders: these have no value while Jinja renders.

    :param environment: reads the Jinja. If it can't, only placeholders at the beginning of an expression are found.
    """
    for name, piece in _misused(text, environment):
        if name == "FIELD":
            remedy = 'Write {{FIELD.name}} or {{FIELD["odd name"]}}.'
        else:
            remedy = f"Write {{{{{name}}}}} alone: it is filled in when the objects are named, after Jinja."
        yield Fault(key, f"filters and expressions don't work on a placeholder: {piece}.", remedy)


def _misused(text: str, environment: jinja2.Environment | None = None) -> Iterator[tuple[str, str]]:
    """Yield each misused placeholder with the expression or statement that holds it."""
    if not has_jinja(text):
        return
    from jinja2 import TemplateSyntaxError

    try:
        names = evaluated_names(text, PLACEHOLDERS[:-1], PLACEHOLDERS[-1:], environment)
    except TemplateSyntaxError:
        names = [match[1] for e in _expressions(text) if (match := _MISUSED.match(e)) and not is_placeholder(e)]
    texts = [piece.text for piece in pieces(text, BRACES, STATEMENT) if not is_placeholder(piece.expression)]
    for piece in texts:
        if misused := [name for name in names if re.search(rf"\b{name}\b", piece)]:
            yield misused[0], piece
    for name in names:
        if not any(re.search(rf"\b{name}\b", piece) for piece in texts):  # it stands alone, in a block that changes it
            yield name, text


def refused_placeholders(text: str, key: str) -> Iterator[Fault]:
    """Find placeholders in a text in which none is filled in."""
    if any(map(is_placeholder, placeholders(text))):
        yield Fault(key, f"holds braces: {text!r}.", "Placeholders work in `path` only.")


def unknown_name(name: str, key: str = "path") -> Fault:
    """Return the fault about a placeholder that does not exist."""
    names = ", ".join(f"{{{{{p}}}}}" for p in PLACEHOLDERS[:-1]) + ", {{FIELD.name}}"
    remedy = f"{_guess(name)}Known are {names}; Jinja is rendered by the operator only."
    return Fault(key, f"unknown placeholder {{{{{name}}}}}.", remedy)


def undefined_name(name: str, text: str, key: str) -> Fault:
    """Return the fault about a name that is neither a placeholder nor known to Jinja in this run."""
    remedy = f"{_guess(name)}Jinja knows what Airflow's context holds; a run without a logical date has no `ds`."
    return Fault(key, f"{name!r} is undefined in {short(text)}.", remedy)


def _guess(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), PLACEHOLDERS, n=1)
    return f"Did you mean {{{{{near[0]}}}}}? " if near else ""


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8; one with half of a surrogate pair can't."""
    return not _SURROGATE.search(text)


def can_be_in_key(text: str) -> bool:
    """Return whether every request of S3 takes keys with a text, once its control characters are escaped."""
    return not _NO_XML.search(text)


def faults(text: str, *, jinja: bool = False) -> Iterator[Fault]:
    """Find what is wrong with a path template.

    :param text: the template.
    :param jinja: whether Jinja is still to be rendered in it, so that unknown names may be Jinja's.
    """
    yield from misuses(text)
    misused = {piece for _, piece in _misused(text)}
    for piece in pieces(text, BRACES):
        if not is_placeholder(piece.expression) and piece.text not in misused and not jinja:
            yield unknown_name(piece.expression)
    if not jinja and any(pieces(text, STATEMENT, COMMENT)):
        yield Fault("path", "Jinja is not rendered here.", "Pass `path` to the operator, which renders it.")
    # The template with an X for each value: what is wrong with this text is wrong with every key.
    shape = replace_pieces(replace_pieces(text, lambda _: "X", BRACES), lambda _: "", STATEMENT, COMMENT)
    if not jinja and re.search(r"\{\{|\}\}|\{%|%\}|\{#|#\}", shape):
        yield Fault("path", f"has braces without their other half: {text!r}.", "Write placeholders as {{TABLE}}.")
    if not text:
        yield Fault("path", "is empty.", "Give the key of the objects, such as raw/{{TABLE}}/{{UUID}}.{{FORMAT}}.")
    if shape.startswith("/"):
        yield Fault("path", f"starts with `/`: {text!r}.", "A key begins with its first folder: take the slash off.")
    if "//" in shape or "./" in shape or shape.endswith(("/.", "/..")) or shape in (".", ".."):
        yield Fault(
            "path", f"contains `//`, `./` or `../`: {text!r}.", "S3 keeps them as they stand: write the plain path."
        )
    if shape.endswith("/"):
        yield Fault(
            "path", f"ends with `/`: {text!r}.", "It names objects, not a folder: end it with {{UUID}}.{{FORMAT}}, say."
        )
    if _CONTROL.search(shape):
        yield Fault("path", f"contains a line end or another control character: {text!r}.", "Take it out.")
    shortest_key = replace_pieces(text, lambda piece: "x" * _SHORTEST.get(piece.expression, 1), BRACES)
    shortest = len(shortest_key.encode(errors="replace"))
    if not jinja and shortest > MAX_KEY_BYTES:
        problem = f"gives keys of {shortest:,} bytes and more, S3 takes {MAX_KEY_BYTES:,}: {text[:80]}…"
        yield Fault("path", problem, "Shorten it.")
    if not is_unicode(text):
        yield Fault("path", f"is no valid Unicode: {text!r}.", "Take the lone surrogates out.")
    elif not can_be_in_key(text):
        yield Fault("path", f"contains U+FFFE or U+FFFF: {text!r}.", "S3 could not delete such a key: take it out.")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return replace_pieces(text, lambda piece: values[piece.expression], BRACES)


def escape(text: str) -> str:
    """Percent-encode ``%``, ``/`` and control characters of a table name in a key.

    Example::

        >>> escape("a/b%")
        'a%2Fb%25'
    """
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", text)


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A valid template of object keys.

    Example::

        >>> PathTemplate.parse("raw/{{TABLE}}/{{UUID}}.csv").render({"TABLE": "planes", "UUID": "1"})
        'raw/planes/1.csv'
    """

    text: str
    names: frozenset[str]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns whose values are part of the keys, in order."""
        return fields_in(self.text)

    @classmethod
    @lru_cache(maxsize=256)  # the state and the keys ask for the same few templates again and again
    def parse(cls, text: str) -> PathTemplate:
        """Check a template and find its placeholders.

        :raises SpecError: with all faults of the template.
        """
        all_faults = list(faults(text))
        if all_faults:
            raise SpecError(all_faults)
        return cls(text, placeholders(text))

    def render(self, values: Mapping[str, str]) -> str:
        """Fill in the placeholders and return the key.

        :raises SpecError: if the key is longer than S3 allows.
        """
        key = _filled(self.text, values)
        size = len(key.encode())
        if size > MAX_KEY_BYTES:
            raise SpecError(
                [Fault("path", f"gives a key of {size} bytes, S3 takes {MAX_KEY_BYTES}: {key[:120]}…", "Shorten it.")]
            )
        return key

    def prefix(self, values: Mapping[str, str]) -> str:
        """Return the folder that all objects of a table share: the path up to what differs between its objects."""
        return folder_of(self.text, {name: value for name, value in values.items() if name not in ("UUID", "BATCH")})
