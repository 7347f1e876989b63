"""The grammar of CSV in a dialect: parses one record after the other, and names what is wrong with each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.sources.source_file import SourceFile, option


@dataclass(frozen=True)
class CsvDialect:
    """How fields are written, by default after RFC 4180.

    :param delimiter: one character.
    :param quote: one character; empty: no field is quoted.
    :param escape: one character before what is text; empty: there is none, and quotes are doubled.
    :param nulls: the unquoted fields that are null.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    nulls: frozenset[str] = frozenset({""})

    @cached_property
    def empty_alone_is_null(self) -> bool:
        """Whether the empty field is null, and no other."""
        return self.nulls == {""}

    @cached_property
    def not_plain(self) -> tuple[str, ...]:
        """The characters without which a text can be split at its line ends and delimiters."""
        return tuple(character for character in (self.quote, self.escape) if character)

    @cached_property
    def is_default(self) -> bool:
        """Whether the dialect is the default one, apart from the delimiter: as the encoder writes it."""
        return self.quote == '"' and not self.escape and self.empty_alone_is_null


class QuotedText(str):
    """A quoted field whose text is null where it is not quoted."""

    __slots__ = ()


class Grammar(Protocol):
    """Finds and parses records in a text."""

    def record(self, text: str, start: int, line: int) -> tuple[list[str | None] | None, int]:
        """Parse one record.

        :return: its fields (none for a blank line) and where it ends; None and its start while it is open. An unquoted
            empty field is None if it is null; other nulls are texts, and the same texts in quotes are ``QuotedText``.
        :raises RecordError: if it is malformed.
        """
        ...

    def end_of_malformed(self, text: str, start: int) -> int:
        """Return where a record with quotes out of place ends: at a line end outside of quotes.

        :return: while it is open, the position of its opening quote, as a negative number: -1 is the first character.
        """
        ...


def grammar_of(dialect: CsvDialect, file: SourceFile) -> Grammar:
    """Return the grammar of a dialect."""
    return _EscapedGrammar(dialect, file) if dialect.escape else _QuotedGrammar(dialect, file)


class _QuotedGrammar:
    """The grammar of a dialect without escape character: the quotes inside of quoted fields are doubled."""

    def __init__(self, dialect: CsvDialect, file: SourceFile) -> None:
        self._delimiter, self._quote, self._file = dialect.delimiter, dialect.quote, file
        self._empty = None if "" in dialect.nulls else ""
        self._null_texts = dialect.nulls - {""}

    def record(self, text: str, start: int, line: int) -> tuple[list[str | None] | None, int]:
        delimiter, quote = self._delimiter, self._quote
        fields: list[str | None] = []
        position, end = start, _line_end(text, start)
        if text[position:end] in ("", "\r"):
            return fields, end + 1
        while True:
            if text.startswith(quote, position):
                closing = self._closing_quote(text, position)
                if closing < 0:
                    return None, start
                value = text[position + 1 : closing].replace(quote * 2, quote)
                fields.append(QuotedText(value) if value in self._null_texts else value)
                position = closing + 1
                end = _line_end(text, position) if position > end else end
            else:
                # All fields up to the next quoted one, or to the end of the line, at once.
                next_quoted = text.find(delimiter + quote, position, end)
                stop = next_quoted if next_quoted >= 0 else end
                run = text[position:stop].removesuffix("\r") if stop == end else text[position:stop]
                if "\r" in run:
                    raise stray_return(self._file, line + text.count("\n", start, position), run)
                fields.extend([value or self._empty for value in run.split(delimiter)])
                position = stop
            if position == end or text[position:end] == "\r":
                return fields, end + 1
            if not text.startswith(delimiter, position):
                raise _behind_quote(self._file, line + text.count("\n", start, position), text[position:end])
            position += 1

    def end_of_malformed(self, text: str, start: int) -> int:
        position = start
        while True:
            if text.startswith(self._quote, position):
                closing = self._closing_quote(text, position)
                if closing < 0:
                    return -position - 1
                position = closing + 1
            end = _line_end(text, position)
            next_quoted = text.find(self._delimiter + self._quote, position, end)
            if next_quoted < 0:
                return end + 1
            position = next_quoted + 1

    def _closing_quote(self, text: str, opening: int) -> int:
        """Return the position of the quote that closes a field, past the doubled ones; -1 if there is none."""
        quote = self._quote
        position = text.find(quote, opening + 1)
        while position >= 0 and text.startswith(quote, position + 1):
            position = text.find(quote, position + 2)
        return position


class _EscapedGrammar:
    """The grammar of a dialect with an escape character, which also stands outside of quotes. Quotes may be doubled."""

    def __init__(self, dialect: CsvDialect, file: SourceFile) -> None:
        self._delimiter, self._quote, self._escape, self._file = dialect.delimiter, dialect.quote, dialect.escape, file
        self._nulls = dialect.nulls
        self._empty = None if "" in dialect.nulls else ""
        quote, escape = re.escape(dialect.quote), re.escape(dialect.escape)
        pair = f"{escape}(?:\r\n|.)"
        pairs = f"{pair}|{quote}{quote}" if quote else pair
        # Quantifiers that follow one another share no character, so that no text takes more than linear time.
        self._quoted = re.compile(
            f"{quote}([^{quote}{escape}]*(?:(?:{pairs})[^{quote}{escape}]*)*){quote}(?!{quote})", re.DOTALL
        )
        bare = f"[^\n{re.escape(dialect.delimiter)}{escape}]*"
        self._bare = re.compile(f"{bare}(?:{pair}{bare})*", re.DOTALL)
        self._pairs, self._pair = re.compile(pairs, re.DOTALL), re.compile(pair, re.DOTALL)
        self._wrong_pair = re.compile(f"{escape}[0-9A-Za-z]")

    def record(self, text: str, start: int, line: int) -> tuple[list[str | None] | None, int]:
        end = _line_end(text, start)
        if text[start:end] in ("", "\r"):
            return [], end + 1
        fields: list[str | None] = []
        position = start
        while True:
            if self._quote and text.startswith(self._quote, position):
                quoted = self._quoted.match(text, position)
                if quoted is None:
                    return None, start
                value = self._unescaped(self._pairs, quoted[1], line + text.count("\n", start, position))
                fields.append(QuotedText(value) if value in self._nulls and value else value)
                position = quoted.end()
            else:
                field = self._field(text, position)
                if field is None:
                    return None, start
                fields.append(self._value(field, text, position, line + text.count("\n", start, position)))
                position += len(field)
            if text.startswith("\r", position) and text[position + 1 : position + 2] in ("\n", ""):
                position += 1
            if position == len(text) or text.startswith("\n", position):
                return fields, position + 1
            if not text.startswith(self._delimiter, position):
                raise _behind_quote(
                    self._file, line + text.count("\n", start, position), text[position : _line_end(text, position)]
                )
            position += 1

    def end_of_malformed(self, text: str, start: int) -> int:
        position = start
        while True:
            if self._quote and text.startswith(self._quote, position):
                quoted = self._quoted.match(text, position)
                if quoted is None:
                    return -position - 1
                position = quoted.end()
            field = self._field(text, position)
            if field is None:
                return -position - 1
            position += len(field)
            if position >= len(text) or text.startswith("\n", position):
                return position + 1
            position += 1  # a delimiter, or an escape character at the end of the file

    def _field(self, text: str, position: int) -> str | None:
        """Return the unquoted field at a position; None if it goes on behind the text."""
        match = self._bare.match(text, position)
        assert match is not None, "the pattern matches nothing too"
        # Blocks are whole lines: one that ends within a field ends with an escaped line end.
        return None if match[0].endswith("\n") and match.end() == len(text) else match[0]

    def _value(self, field: str, text: str, position: int, line: int) -> str | None:
        stop = position + len(field)
        raw = field
        if text[stop : stop + 1] in ("\n", "") and field.endswith("\r"):
            raw = field[:-1]
        if "\r" in raw.replace(f"{self._escape}\r\n", "").replace(f"{self._escape}\r", ""):
            raise stray_return(self._file, line, raw)
        if not raw:
            return self._empty
        if raw in self._nulls:
            return raw
        value = self._unescaped(self._pair, raw, line)
        return QuotedText(value) if value in self._nulls else value

    def _unescaped(self, pattern: re.Pattern[str], text: str, line: int) -> str:
        """Return the text for which a text with escape characters stands.

        :param pattern: finds the pairs of characters of which the first one is left out.
        :raises RecordError: at an escaped letter or digit, which may stand for something else, such as a line end.
        """
        pairs = pattern.findall(text)
        if not pairs:
            return text
        if wrong := next(filter(self._wrong_pair.match, pairs), None):
            problem = f"{short(wrong)} is an escaped letter or digit, which may stand for another character."
            remedy = f"Escape only what would not be text. If it is a null: {option('null_values', [wrong])}."
            raise self._file.error(line, problem, remedy)
        return pattern.sub(lambda pair: pair[0][1:], text)


def stray_return(file: SourceFile, line: int, content: str) -> RecordError:
    """Return the error for a carriage return that ends no line."""
    remedy = "End lines with \\n or \\r\\n, and quote fields that hold a carriage return."
    return file.error(line, f"a carriage return stands alone in {short(content)}.", remedy)


def _behind_quote(file: SourceFile, line: int, rest: str) -> RecordError:
    problem = f"text stands after the closing quote of a field: {short(rest)}."
    remedy = "Double quotes inside fields, and put the delimiter between fields, or name what the file has: "
    remedy += f"{option('escape', chr(92))}, {option('delimiter', ';')}."
    return file.error(line, problem, remedy)


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return end if end >= 0 else len(text)
