"""The kinds of values that are written, each with its edges, and how a user spells them in staged text."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

Type = Literal[
    "bool", "int64", "decimal(38,0)", "decimal(38,10)", "float", "text", "date", "time", "timestamp", "timestamptz",
    "duration", "bytes", "uuid", "json",
]  # fmt: skip
"""What a user declares the column as, in the words of no reader."""


@dataclass(frozen=True)
class Kind:
    """Values of one kind, one a record, with a null behind them.

    :param type: what the column is declared as.
    :param arrow: the Arrow type that carries it, if one does.
    :param as_python: the values as Python records hold them, where that is not how they read back.
    :param write: writes a Parquet file of columns ``id`` and ``value``, where that alone carries the values.
    """

    name: str
    type: Type
    edges: Sequence[Any]
    arrow: pa.DataType | None
    as_python: Sequence[Any] | None = None
    write: Callable[[Sequence[str], Sequence[Any], Path], None] | None = None

    @property
    def values(self) -> list[Any]:
        """What is to be read back."""
        return [*self.edges, None]

    @property
    def in_records(self) -> list[Any]:
        """What a Python record holds."""
        return [*(self.edges if self.as_python is None else self.as_python), None]

    @property
    def is_json_text(self) -> bool:
        """Whether our JSON has it as a string."""
        return self.type not in ("bool", "int64", "float", "json") and self.name != _BIG


def spelled(value: Any) -> str:
    """Spell a value as docs/values.md promises, by code that is not the provider's."""
    for types, spelling in _SPELLINGS:
        if isinstance(value, types):
            return spelling(value)
    return str(value)


def _float(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "NaN" if math.isnan(value) else repr(value)


def _duration(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    minutes, seconds = divmod(Decimal(abs(micros)).scaleb(-6), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(hours, "H"), (minutes, "M"), (seconds, "S")]
    time_part = "".join(f"{_plain(number)}{unit}" for number, unit in parts if number)
    day_part = f"{_plain(days)}D" if days else ""
    if not micros:
        return "PT0S"
    return f"{'-' if micros < 0 else ''}P{day_part}{'T' if time_part else ''}{time_part}"


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_SPELLINGS: Sequence[tuple[Any, Callable[[Any], str]]] = [
    (bool, lambda value: str(value).lower()),
    (float, _float),
    (Decimal, lambda value: format(value, "f")),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, _duration),
    (bytes, lambda value: base64.b64encode(value).decode()),
    ((list, dict), lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))),
]

_BIG = "int beyond 64 bits"
DEEP = "nested 100 deep"
"""More than any type of Parquet."""


class _Colour(Enum):
    RED = "red"
    BLUE = "blue"


def _deep(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def _utc(*parts: int, hours: float = 0) -> datetime:
    return datetime(*parts, tzinfo=timezone(timedelta(hours=hours)))  # type: ignore[arg-type,misc]


def _write_json(ids: Sequence[str], values: Sequence[Any], path: Path) -> None:
    texts = [None if value is None else json.dumps(value) for value in values]
    pq.write_table(pa.table({"id": ids, "value": pa.array(texts, pa.json_())}), path)


def _write_enum(ids: Sequence[str], values: Sequence[Any], path: Path) -> None:
    # pyarrow writes no ENUM. In its footer, the texts' annotation (UTF8, STRING) has as many bytes as ENUM's.
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ids, "value": values}), out, store_schema=False)
    before, after = out.getvalue().rsplit(b"\x25\x00\x4c\x1c\x00", 1)
    path.write_bytes(before + b"\x25\x08\x4c\x4c\x00" + after)


def _write_utc_times(ids: Sequence[str], values: Sequence[Any], path: Path) -> None:
    times = [None if value is None else time.fromisoformat(value).replace(tzinfo=None) for value in values]
    table = pa.table({"id": ids, "value": pa.array(times, pa.time64("us"))})
    pq.write_table(table, path, write_time_adjusted_to_utc=True, store_schema=False)


def _write_int96(ids: Sequence[str], values: Sequence[Any], path: Path) -> None:
    table = pa.table({"id": ids, "value": pa.array(values, pa.timestamp("us"))})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True, store_schema=False)


def _write_extension(name: str, storage: pa.DataType) -> Callable[[Sequence[str], Sequence[Any], Path], None]:
    def write(ids: Sequence[str], values: Sequence[Any], path: Path) -> None:
        stored = [None if value is None else bytes.fromhex(value.replace("-", "").replace(":", "")) for value in values]
        field = pa.field("value", storage, metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": ""})
        columns = [pa.array(ids), pa.array(stored, storage)]
        pq.write_table(pa.table(columns, schema=pa.schema([pa.field("id", pa.string()), field])), path)

    return write


_TEXTS = [
    "plain", "007", "1.10", "1e2", " spaced ", "a,b", 'say "hi"', '"', "a\nb", "a\r\nb", "a\tb", "back\\slash", "\\n",
    "\\N", "NULL", "null", "NaN", "true", "'", "#no comment", "=1+1", "{}", "é", "e\u0301", "日本語", "مرحبا", "😀",
    "👩‍👩‍👧", "\u200b", "2024-01-31",
]  # fmt: skip
_SETS = [{3, 1, 2}, frozenset({2, 1}), set()]

KINDS: Sequence[Kind] = [
    Kind("bool", "bool", [True, False], pa.bool_()),
    Kind("int", "int64", [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)], pa.int64()),
    Kind(_BIG, "decimal(38,0)", [2**63, 2**64 + 5, -(2**64) - 5, 10**38 - 1, 1 - 10**38], pa.decimal128(38, 0)),
    Kind("float", "float", [0.1, 1.0, 1 / 3, 1e16, 2.0**53, 1.7976931348623157e308, 1e-300], pa.float64()),
    Kind("float -0.0", "float", [-0.0, 0.0], pa.float64()),
    Kind("float 5e-324", "float", [5e-324, -5e-324], pa.float64()),
    Kind("NaN, infinities", "float", [math.nan, math.inf, -math.inf], pa.float64()),
    Kind(
        "Decimal",
        "decimal(38,10)",
        [Decimal("1234567890123456789012345678.0123456789"), *map(Decimal, ("-0.0000000001", "1.10", "0", "-7"))],
        pa.decimal128(38, 10),
    ),
    Kind("text", "text", _TEXTS, pa.string()),
    Kind("empty text", "text", ["", "x", ""], pa.string()),
    Kind(
        "text: control characters",
        "text",
        ["\x01", "\x1b[0m", "\x7f", "a\x0bb", "a\x0cb", "\x85", "\u2028"],
        pa.string(),
    ),
    Kind("text: lone CR", "text", ["a\rb", "\r"], pa.string()),
    Kind("text: BOM", "text", ["\ufeff", "\ufeffa"], pa.string()),
    Kind("text: NUL", "text", ["a\0b", "\0"], pa.string()),
    Kind("Enum", "text", ["red", "blue"], None, [_Colour.RED, _Colour.BLUE]),
    Kind("Path", "text", ["/a/b c"], None, [PurePosixPath("/a/b c")]),
    Kind("date", "date", [date(1970, 1, 1), date(2024, 2, 29), date(1950, 12, 31)], pa.date32()),
    Kind("date: years 1 and 9999", "date", [date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31)], pa.date32()),
    Kind("time", "time", [time(0), time(12, 30, 0, 500000), time(23, 59, 59, 999999)], pa.time64("us")),
    Kind(
        "datetime",
        "timestamp",
        [datetime(1970, 1, 1), datetime(2024, 2, 29, 12, 0, 0, 500000), datetime(1969, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001
        pa.timestamp("us"),
    ),
    Kind(
        "datetime: years 1 and 9999",
        "timestamp",
        [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001
        pa.timestamp("us"),
    ),
    Kind(
        "datetime with offset",
        "timestamptz",
        [_utc(1970, 1, 1), _utc(2024, 2, 29, 12, 0, 0, 500000, hours=5.5), _utc(2024, 3, 1, 0, 0, 0, 1, hours=-3)],
        pa.timestamp("us", "UTC"),
    ),
    Kind(
        "datetime with offset: years 1 and 9999",
        "timestamptz",
        [_utc(1, 1, 1), _utc(9999, 12, 31, 23, 59, 59, 999999)],
        pa.timestamp("us", "UTC"),
    ),
    Kind(
        "timedelta",
        "duration",
        [timedelta(0), timedelta(1, 7203, 500000), timedelta(36_500)],
        pa.duration("us"),
    ),
    Kind(
        "negative timedelta", "duration", [timedelta(microseconds=-1), -timedelta(1, 7203, 500000)], pa.duration("us")
    ),
    Kind("bytes", "bytes", [b"x", bytes(range(256)), b"\0"], pa.binary()),
    Kind("empty bytes", "bytes", [b""], pa.binary()),
    Kind("UUID", "uuid", [UUID(int=0), UUID("6f1c1f4e-5f0e-4d36-9f8e-0242ac120002")], pa.string()),
    Kind("list", "json", [[1, None, 2**53 + 1], [], [3]], pa.list_(pa.int64())),
    Kind("list that begins with null", "json", [[None, 1], []], pa.list_(pa.int64())),
    Kind("tuple", "json", [[1, 2], []], None, [(1, 2), ()]),
    Kind("set", "json", [[1, 2, 3], [1, 2], []], None, _SETS),
    Kind(
        "mapping",
        "json",
        [{"a": 'x,"y"\n', "b": 0.1}, {"a": "", "b": None}],
        pa.struct({"a": pa.string(), "b": pa.float64()}),
    ),
    Kind("mapping of other keys", "json", [{"a": 1}, {"b": {"c": None}}, {}], None),
    Kind(DEEP, "json", [_deep(100)], None),
    Kind("JSON of Parquet", "json", [{"a": 0.1, "b": [None, "x"]}, {"a": 7.5, "b": []}], None, write=_write_json),
    Kind("ENUM of Parquet", "text", ["red", "b,\u00e9"], None, write=_write_enum),
    Kind("TIME of Parquet in UTC", "text", ["00:00:00+00:00", "23:59:59.999999+00:00"], None, write=_write_utc_times),
    Kind(
        "INT96 of Parquet: years 1 and 9999",
        "timestamp",
        [datetime(1, 1, 1), datetime(2024, 2, 29, 12), datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001
        None,
        write=_write_int96,
    ),
    Kind(
        "uuid of CloudQuery",
        "uuid",
        [str(UUID(int=0)), "6f1c1f4e-5f0e-4d36-9f8e-0242ac120002"],
        None,
        write=_write_extension("uuid", pa.binary(16)),
    ),
    Kind("mac of CloudQuery", "text", ["00:1b:44:11:3a:b7"], None, write=_write_extension("mac", pa.binary())),
]
