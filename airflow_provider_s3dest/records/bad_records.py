"""Isolates the records that can't be delivered, and quarantines each as it came, with the reason."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import orjson

from airflow_provider_s3dest.errors import RecordError, short
from airflow_provider_s3dest.records.many_records import column_with_many
from airflow_provider_s3dest.records.nesting import repeats_too_often
from airflow_provider_s3dest.records.values import json_bytes

FIRST = 5
"""Number of bad records whose errors are kept, for the error that ends the load and names them."""

_MAX_LEVELS = 100
"""Levels of a record that are written as JSON; what lies deeper is written as its ``repr``."""


class _Origins(Protocol):
    @property
    def originals(self) -> Sequence[Any] | None: ...


class Divisible(Protocol):
    """Consecutive records that can be looked at in smaller pieces."""

    @property
    def origins(self) -> _Origins: ...

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> Any:
        """Return the records from ``start`` up to ``stop``."""
        ...


C = TypeVar("C", bound=Divisible)
T = TypeVar("T")


class BadRecords:
    """Takes the bad records of a load, as lines of JSON.

    :param put: called with the name of a table and a line for each bad record.
    """

    def __init__(self, put: Callable[[str, bytes], None]) -> None:
        self._put = put
        self.counts: Counter[str] = Counter()
        self.first: list[RecordError] = []

    def add(self, error: RecordError, original: Any) -> None:
        """Add a bad record.

        :param error: what is wrong with it.
        :param original: the record as it came: the text of a staged one, else the object.
        """
        self.counts[error.table] += 1
        if len(self.first) < FIRST:
            self.first.append(error)
        self._put(error.table, _line(error, original))


def discarding() -> BadRecords:
    """Return bad records that nobody keeps: for a first look at a file, which is read again later."""
    return BadRecords(lambda table, line: None)


def isolate_bad_records(work: Callable[[C], T], records: C, bad: BadRecords | None) -> Iterator[T]:
    """Apply a function to records, quarantine those that it refuses, and yield its results for the others, in order.

    If the function refuses several records at once, each half is tried by itself. So one bad record among ``n`` costs
    about ``2 * log2(n)`` more calls, and the good ones are still processed many at a time.

    :param work: raises a RecordError at one of the records.
    :param bad: None: the first error ends the load.
    """
    try:
        done = work(records)
    except RecordError as error:
        if bad is None or not error.separable:
            raise
        refused = error
    else:
        yield done
        return
    if len(records) == 1:
        originals = records.origins.originals
        original = None if originals is None else originals[0]
        if many := column_with_many(original):
            raise _many_records(refused, *many) from refused
        bad.add(refused, original)
        return
    # Outside of the except block, so that the errors of the halves don't get this one as their context.
    half = len(records) // 2
    yield from isolate_bad_records(work, records.slice(0, half), bad)
    yield from isolate_bad_records(work, records.slice(half, len(records)), bad)


def _many_records(refused: RecordError, column: str, value: Any) -> RecordError:
    # Not separable: what holds many records is never one bad record.
    return RecordError(
        f"the value is a {type(value).__name__}, which holds many records.",
        "Yield its records, or frames only.",
        table=refused.table,
        place=refused.place,
        column=column,
        separable=False,
    )


def _line(error: RecordError, original: Any) -> bytes:
    place = error.place
    where = {"index": place.index} if place.file is None else {"file": _unicode(place.file), place.unit: place.line}
    column = {} if error.column is None else {"column": error.column}
    is_text = place.file is not None and isinstance(original, (str, bytes))
    record = _text_members(original) if is_text else {"record": _record(original)}
    document = {"table": error.table, **where, **column, "error": _unicode(str(error)), **record}
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _record(original: Any) -> Any:
    try:
        is_endless = repeats_too_often(original)
    except Exception:  # a value's own methods may raise anything
        is_endless = True
    return short(original) if is_endless else _json_value(original)


def _text_members(text: str | bytes) -> dict[str, str]:
    """Return the members of a line that hold a record of a staged file: its text, in base64 if it is not UTF-8."""
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else bytes(text)
    try:
        return {"record": data.decode()}
    except UnicodeDecodeError:
        return {"record": b64encode(data).decode(), "encoding": "base64"}


def _json_value(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Return a value as JSON types; what JSON can't express becomes the text of its ``repr``.

    A bad record may be anything, so this must neither fail nor lose what made the record a bad one.

    :param above: the identities of the values around this one; without them, a value that holds itself would recurse
        without end.
    """
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str:
        return _unicode(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if len(above) == _MAX_LEVELS or id(value) in above:
        return _repr(value)
    above = (*above, id(value))
    try:
        if isinstance(value, orjson.Fragment):  # a database's JSON: parsed, its numbers would lose digits
            return json_bytes(value).decode()
        if isinstance(value, Mapping):
            members = {_json_key(key): _json_value(member, above) for key, member in value.items()}
            # Two keys may have one text, such as 1 and "1": the repr shows both.
            return members if len(members) == len(value) else _repr(value)
        if isinstance(value, (list, tuple)):
            return [_json_value(member, above) for member in value]
        converted = json.loads(json_bytes(value))
    except Exception:  # a value's own methods may raise anything
        return _repr(value)
    return _repr(value) if converted is None else converted  # a Decimal that is NaN, for instance, is null in JSON


def _json_key(key: Any) -> str:
    return _unicode(key) if isinstance(key, str) else _repr(key)


def _unicode(text: str) -> str:
    """Return a text as it is, or with escapes if it holds half of a surrogate pair, which UTF-8 can't encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return ascii(text)
    return text


def _repr(value: Any) -> str:
    try:
        return _unicode(repr(value))
    except Exception:  # a value whose __repr__ fails
        return f"<{type(value).__name__}>"
