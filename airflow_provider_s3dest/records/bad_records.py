"""Sets records aside that can't be delivered, each as it came and with the reason, and lets the others go on."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.records.values import json_bytes

FIRST = 5
"""Bad records whose places and reasons are kept, for the error that names them."""

_LEVELS = 100
"""Levels of a record that are told as JSON; what lies deeper is told as Python spells it."""


class _Origins(Protocol):
    @property
    def originals(self) -> Sequence[Any] | None: ...


class Divisible(Protocol):
    """Consecutive records that can be looked at in smaller pieces."""

    @property
    def origins(self) -> _Origins: ...

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> Any:
        """Give the records from ``start`` up to ``stop``."""
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
        """Set a record aside.

        :param error: what is wrong with it.
        :param original: the record as it came: the text of a staged one, else the object.
        """
        self.counts[error.table] += 1
        if len(self.first) < FIRST:
            self.first.append(error)
        self._put(error.table, _line(error, original))


def discarding() -> BadRecords:
    """Give what takes bad records and tells nobody: for a first look at a file, which is then read."""
    return BadRecords(lambda table, line: None)


def isolate_bad_records(work: Callable[[C], T], records: C, bad: BadRecords | None) -> Iterator[T]:
    """Do something with records, and set those aside that it refuses; gives what comes of the others, in their order.

    Of records that are refused as a whole each half is tried, so that many good ones cost little more for a bad one.

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
        bad.add(refused, None if originals is None else originals[0])
        return
    half = len(records) // 2
    yield from isolate_bad_records(work, records.slice(0, half), bad)
    yield from isolate_bad_records(work, records.slice(half, len(records)), bad)


def _line(error: RecordError, original: Any) -> bytes:
    place = error.place
    where = {"index": place.index} if place.file is None else {"file": _unicode(place.file), place.unit: place.line}
    column = {} if error.column is None else {"column": error.column}
    is_text = place.file is not None and isinstance(original, (str, bytes))
    record = _text(original) if is_text else {"record": _told(original)}
    document = {"table": error.table, **where, **column, "error": _unicode(str(error)), **record}
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _text(line: str | bytes) -> dict[str, str]:
    """Tell a piece of a staged file; where it is no UTF-8, in base64."""
    data = line.encode(errors="surrogateescape") if isinstance(line, str) else bytes(line)
    try:
        return {"record": data.decode()}
    except UnicodeDecodeError:
        return {"record": b64encode(data).decode(), "encoding": "base64"}


def _told(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Turn a value into what JSON can say, and what it can't into the text by which Python spells it.

    :param above: the identities of what holds it; what holds itself twice would be told without end.
    """
    if value is None or isinstance(value, bool):
        return value
    if type(value) is str:
        return _unicode(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if len(above) == _LEVELS or id(value) in above:
        return _spelled(value)
    above = (*above, id(value))
    try:
        if isinstance(value, Mapping):
            named = {_key(key): _told(member, above) for key, member in value.items()}
            return named if len(named) == len(value) else _spelled(value)
        if isinstance(value, (list, tuple)):
            return [_told(member, above) for member in value]
        told = json.loads(json_bytes(value))
    except Exception:  # whatever it is, it is to be told
        return _spelled(value)
    return _spelled(value) if told is None else told  # such as a Decimal that is NaN


def _key(key: Any) -> str:
    return _unicode(key) if isinstance(key, str) else _spelled(key)


def _unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return ascii(text)
    return text


def _spelled(value: Any) -> str:
    try:
        return _unicode(repr(value))
    except Exception:
        return f"<{type(value).__name__}>"
