"""The ``staging_format`` argument: the form of staged text, where it is not the default form."""

from __future__ import annotations

import codecs
import difflib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from airflow_provider_s3dest.errors import Fault, SpecError, short
from airflow_provider_s3dest.spec.path_template import is_unicode
from airflow_provider_s3dest.spec.typed_texts import typed_options

ROOT = "."
"""The value of ``records_at`` for records that are the values of the file themselves."""

_NO_ENCODINGS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})
"""Codecs of Python that decode bytes to text, and are not encodings of files."""

_UTF_8 = frozenset({"utf-8", "utf-8-sig"})

_CHARACTER = r"^[^\r\n\x00\x01]?$"
"""One character, or none. NUL and 0x01 have other uses in readers of CSV."""


class StagingFormat(BaseModel):
    """The form of staged text: options of CSV and TSV, and of JSON. Each option has the default of today's files."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    delimiter: Annotated[
        str,
        Field(
            max_length=1,
            pattern=_CHARACTER,
            description="One character between fields; empty: a comma, and a tab in .tsv files.",
        ),
    ] = ""
    encoding: Annotated[
        str,
        Field(
            min_length=1,
            description="Encoding of the text, such as utf-8, utf-16, latin-1 or cp1252, by Python's names.",
            examples=["utf-8", "utf-16", "latin-1", "cp1252"],
        ),
    ] = "utf-8"
    header: Annotated[
        bool | Annotated[Sequence[str], Field(min_length=1), AfterValidator(tuple)],
        Field(
            description="Whether the first line names the columns; false: the columns are those of `columns` or "
            "`schema`; a list: there is no such line, and these are the names."
        ),
    ] = True
    quote: Annotated[
        str,
        Field(
            max_length=1,
            pattern=_CHARACTER,
            description="One character around quoted fields; empty: no field is quoted.",
        ),
    ] = '"'
    escape: Annotated[
        str,
        Field(
            max_length=1,
            pattern=_CHARACTER,
            description="One character that stands before a quote, a delimiter, a line end and itself where these are "
            "text; empty: quotes inside of quoted fields are doubled.",
        ),
    ] = ""
    null_values: Annotated[
        Sequence[str],
        AfterValidator(tuple),
        Field(description='The unquoted fields that are null, [""] by default: the empty field.'),
    ] = ("",)
    skip_lines: Annotated[int, Field(ge=0, description="Lines before the header, or before the first record.")] = 0
    duplicate_columns: Annotated[
        Literal["error", "number", "drop_empty"],
        Field(
            description="What repeated and empty names in a header are: an error; numbered (name_2, column_4); or "
            "dropped, where no record has a value in the column."
        ),
    ] = "error"
    max_line_bytes: Annotated[
        int, Field(ge=1, description="Bytes that one record of CSV or JSON may have, at least 1.")
    ] = 64 * 2**20
    records_at: Annotated[
        str,
        Field(
            description="Path of the records in JSON, such as data.items: an array of objects, or one object; . is the "
            "file itself: objects one after the other, over any number of lines.",
            pattern=r"^$|^\.$|^[^.]+(\.[^.]+)*$",
            examples=["data.items", "."],
        ),
    ] = ""

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> StagingFormat:
        """Return the format that a ``staging_format`` argument gives; None: the default format.

        :raises SpecError: with everything that is wrong with the argument.
        """
        if wrong := list(faults(options)):
            raise SpecError(wrong)
        return cls.model_validate(dict(typed_options(cls, options or {})))

    def with_names(self, columns: Sequence[str] | None) -> StagingFormat:
        """Return the format in which ``header=False`` is replaced by the names of the columns.

        :raises SpecError: if no names are given.
        """
        if self.header is not False:
            return self
        if not columns:
            raise SpecError([_nameless()])
        return self.model_copy(update={"header": tuple(columns)})

    @property
    def codec(self) -> str:
        """The name of the encoding by which Python finds it; ``utf-8`` with and without a byte order mark."""
        name = codecs.lookup(self.encoding).name
        return "utf-8" if name in _UTF_8 else name

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns; None: they stand in the header."""
        return None if isinstance(self.header, bool) else tuple(self.header)


DEFAULT = StagingFormat()
"""The form of text without options."""


def faults(options: Any, *, has_columns: bool = True) -> Iterator[Fault]:
    """Yield what is wrong with a ``staging_format`` argument.

    A text that stands for a number or a truth value is one, since Jinja gives texts.

    :param has_columns: whether ``columns`` or ``schema`` names the columns.
    """
    if options is None:
        return
    if not isinstance(options, Mapping):
        remedy = 'Give a mapping of options, such as {"delimiter": ";", "encoding": "cp1252"}.'
        yield Fault("staging_format", f"is {short(options)}.", remedy)
        return
    options = typed_options(StagingFormat, options)
    wrong = set()
    try:
        StagingFormat.model_validate(dict(options))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = item["loc"][0]
            if name not in wrong:
                wrong.add(name)
                yield _fault(name, options.get(name))
    yield from _value_faults({name: value for name, value in options.items() if name not in wrong})
    if not has_columns and options.get("header") is False:
        yield _nameless()


def _fault(name: Any, value: Any) -> Fault:
    fields = StagingFormat.model_fields
    if name in fields:
        return Fault(f"staging_format.{name}", f"is {short(value)}.", f"{fields[name].description}")
    near = difflib.get_close_matches(str(name), fields, n=1)
    guess = f"Did you mean `{near[0]}`? " if near else ""
    return Fault(f"staging_format.{name}", "is no option.", f"{guess}Known are {', '.join(fields)}.")


def _nameless() -> Fault:
    remedy = "Name the columns of the files with `columns=`, or give a list of names as `header`."
    return Fault("staging_format.header", "is False, and nothing names the columns.", remedy)


def _value_faults(options: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with options whose types are right."""
    if "encoding" in options and not _is_encoding(options["encoding"]):
        remedy = "Give one of Python's standard encodings, such as utf-8, utf-16, latin-1, cp1252 or shift_jis."
        yield Fault("staging_format.encoding", f"is {short(options['encoding'])}, which is no encoding.", remedy)
    names = options.get("header", True)
    if not isinstance(names, bool):
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        if twice or not all(name and is_unicode(name) for name in names):
            problem = f"names {twice} twice." if twice else f"is {short(names)}, which has a name that is none."
            yield Fault("staging_format.header", problem, "Give each column a name of its own.")
    quote = options.get("quote", '"')
    special = {"delimiter": options.get("delimiter") or ",", "quote": quote, "escape": options.get("escape", "")}
    if special["escape"] == quote:  # the same as doubled quotes
        del special["escape"]
    given = [character for character in special.values() if character]
    if len({*given}) < len(given):
        yield Fault("staging_format", f"has one character twice among {special}.", "Give three different characters.")
    unusable = {*given, "\r", "\n", "\x01"} - {special.get("escape", "")}
    for text in options.get("null_values", ()):
        if not is_unicode(text) or unusable & {*text}:
            remedy = "Give texts without delimiter, quote and line end; a quoted field is never null."
            yield Fault("staging_format.null_values", f"has {short(text)}, which no unquoted field can be.", remedy)


def _is_encoding(name: str) -> bool:
    try:
        codec = codecs.lookup(name)
        # Python's codecs of bytes, such as base64, refuse this, as do those that can't be read piece by piece.
        return (
            codec.name not in _NO_ENCODINGS and "a".encode(name).decode(name) == "a" and bool(codec.incrementaldecoder)
        )
    except (LookupError, ValueError, TypeError):
        return False


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a ``staging_format`` argument: its types, ranges and choices."""
    schema = StagingFormat.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["description"] = "The form of staged text."
    return schema


if __name__ == "__main__":
    json.dump(json_schema(), sys.stdout, indent=2)
    sys.stdout.write("\n")
