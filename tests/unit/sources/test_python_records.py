"""What a task may hand over as records, and what is refused with the place and the way out."""

from __future__ import annotations

import re
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow
import pytest

from airflow_provider_s3dest.errors import RecordError, SpecError
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.records.bad_records import BadRecords, isolate_bad_records
from airflow_provider_s3dest.records.safe_names import with_safe_keys
from airflow_provider_s3dest.sources.chunking import CHUNK_BYTES, CHUNK_RECORDS
from airflow_provider_s3dest.sources.python_records import NoRecordsError, open_records, tables_of
from tests.unit.tables import csv_of, json_of, read_chunks, rows_of

RECORDS = [{"a": 1}, {"a": 2}, {"a": 3}]


class LazyXComSequence(Sequence[Any]):
    """The results of a mapped task: fetched by slices, each a request that is kept on record."""

    __module__ = "airflow.sdk.execution_time.lazy_sequence"  # by which it is known

    def __init__(self, results: list[Any]) -> None:
        self._results = results
        self.requests: list[tuple[int, int]] = []

    def __getitem__(self, part: Any) -> Any:
        assert isinstance(part, slice), "one request a result is too many"
        self.requests.append((part.start, part.stop))
        return self._results[part]

    def __len__(self) -> int:
        raise AssertionError("asking for the length is one more request")


class Mapped(Sequence[Any]):
    """What .map() of a task's output gives: no slices, and a function that may fail in any way."""

    def __init__(self, results: list[Any], function: Callable[[Any], Any] = lambda result: result) -> None:
        self._results, self._function = results, function

    def __getitem__(self, position: Any) -> Any:
        return self._function(self._results[position])

    def __len__(self) -> int:
        return len(self._results)


class Forgetful:
    """Can be read once only, and not asked for its length."""

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[Any]:
        records, self._records = self._records, []
        return iter(records)


@pytest.mark.parametrize(
    "records",
    [
        RECORDS,
        tuple(RECORDS),
        iter(RECORDS),
        (record for record in RECORDS),
        map(dict, RECORDS),
        Forgetful(RECORDS),
        deque(RECORDS),
        UserList(RECORDS),
        {1: {"a": 1}, 2: {"a": 2}, 3: {"a": 3}}.values(),
        LazyXComSequence(list(RECORDS)),
        LazyXComSequence([RECORDS[:2], [], RECORDS[2:]]),
        LazyXComSequence([tuple(RECORDS[:1]), RECORDS[1], RECORDS[2:]]),
        Mapped(list(RECORDS)),
        Mapped([RECORDS[:2], [], RECORDS[2:]]),
        Mapped([1, 2, 3], lambda number: {"a": number}),
        [UserDict(record) for record in RECORDS],
        [OrderedDict(record) for record in RECORDS],
        pyarrow.table({"a": [1, 2, 3]}),
    ],
    ids=lambda records: type(records).__name__,
)
def test_records_may_come_in_any_of_these(records: Any) -> None:
    assert csv_of(records) == "a\n1\n2\n3\n"


@pytest.mark.parametrize("records", [[], (), iter([]), LazyXComSequence([]), LazyXComSequence([[], []]), deque()])
def test_no_records_are_a_load_of_none(records: Any) -> None:
    table = open_records("t", records, None)
    assert (table.columns, rows_of(table)) == ((), [])


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (None, "The records of table 't' are None. Return a list, an empty one for no records."),
        ("[{'a': 1}]", "render_template_as_native_obj=True"),
        (b"x", "must be a list of mappings, not bytes: b'x'"),
        (bytearray(b"x"), "must be a list of mappings, not bytearray"),
        (5, "must be a list of mappings, not int: 5"),
        (True, "must be a list of mappings, not bool"),
        ({"a": 1}, "must be a list of mappings, not dict"),
        (object(), "must be a list of mappings, not object"),
    ],
)
def test_what_is_no_records_is_refused(records: Any, said: str) -> None:
    with pytest.raises(NoRecordsError) as refused:
        open_records("t", records, None)
    assert said in str(refused.value)
    assert refused.value.final


@pytest.mark.parametrize("wanted", [None, ("a",)])
@pytest.mark.parametrize("position", [0, 1, 1500, 12_000])
@pytest.mark.parametrize("kind", ["list", "stream"])
@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, "not NoneType: None"),
        ("text", "not str: 'text'"),
        (5, "not int: 5"),
        ([{"a": 1}], "not list"),
        ([("a", 1)], "not list"),
        ({1: 2}, "the key 1 is no string but int"),
        ({"a": 1, None: 2}, "the key None is no string but NoneType"),
        ({"a": 1, ("x", "y"): 2}, "is no string but tuple"),
        ({"\ud800": 1}, "half of a surrogate pair"),
    ],
)
def test_record_that_is_none_is_refused_with_its_index(
    record: Any, said: str, kind: str, position: int, wanted: tuple[str, ...] | None
) -> None:
    records: list[Any] = [{"a": 1}] * position + [record] + [{"a": 1}] * 5
    with pytest.raises(RecordError) as refused:
        json_of(records if kind == "list" else iter(records), wanted)
    assert said in str(refused.value)
    assert (refused.value.table, refused.value.index) == ("t", position)
    assert f"table 't', record {position}" in str(refused.value)


def test_results_of_a_mapped_task_are_fetched_many_at_a_time_and_few_when_they_are_long() -> None:
    short = LazyXComSequence([{"a": number} for number in range(3500)])
    assert [row["a"] for row in rows_of(open_records("t", short, None))] == list(range(3500))
    assert len(short.requests) <= 6
    long = LazyXComSequence([[{"a": number}] * 20_000 for number in range(4)])
    assert len(rows_of(open_records("t", long, None))) == 80_000
    frames = LazyXComSequence([pyarrow.table({"a": range(20_000)})] * 4)
    assert len(rows_of(open_records("t", frames, None))) == 80_000
    assert all(stop - start == 1 for start, stop in long.requests + frames.requests)
    starts = [start for start, _ in short.requests]
    assert starts == sorted(set(starts))


def test_an_index_error_of_a_mapped_function_is_not_taken_for_the_end() -> None:
    with pytest.raises(IndexError):
        csv_of(Mapped([[1], [], [3]], lambda numbers: {"a": numbers[0]}))


def test_stream_is_read_no_further_than_needed_before_its_first_chunk() -> None:
    read = 0

    def records() -> Iterator[dict[str, int]]:
        nonlocal read
        for read in range(1, 50_001):
            yield {"a": read}

    table = open_records("t", records(), None)
    assert 10_000 <= (window := read) < 10_000 + CHUNK_RECORDS
    next(table.chunks)
    assert read == window
    with_columns = open_records("t", records(), ("a",))
    next(with_columns.chunks)
    assert read <= CHUNK_RECORDS


@pytest.mark.parametrize("many", [list, iter])
def test_chunks_of_large_records_hold_few_of_them(many: Any) -> None:
    small, large = [{"a": "x"}] * 3_000, [{"a": "x" * 2**20}] * 1_010
    assert max(map(len, open_records("t", many(small), None).chunks)) == CHUNK_RECORDS
    chunks = list(read_chunks(open_records("t", many(large + small), None)))
    assert max(len(chunk) for chunk in chunks if len(chunk.column("a")[0]) > 1) * 2**20 <= CHUNK_BYTES
    assert sum(map(len, chunks)) == 4_010


class Loud(dict[str, Any]):
    """A dict whose values are others when they are asked for."""

    def get(self, key: str, default: Any = None) -> Any:
        return f"{dict.get(self, key, default)}!"


class Backed(MutableMapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@pytest.mark.parametrize(
    "row",
    [
        OrderedDict(),
        defaultdict(int),
        Counter(),
        UserDict(),
        type("Own", (dict,), {})(),
        ChainMap(),
        Backed(),
        Loud(),
    ],
    ids=lambda row: type(row).__name__,
)
def test_generator_may_yield_one_mapping_of_any_class_over_and_over(row: Any) -> None:
    def records() -> Iterator[Any]:
        for number in range(3):
            row["id"] = number
            yield row

    def views() -> Iterator[Any]:
        return map(MappingProxyType, records())

    texts = [f"{number}!" for number in range(3)] if isinstance(row, Loud) else ["0", "1", "2"]
    assert csv_of(records()) == csv_of(records(), ("id",)) == "\n".join(["id", *texts, ""])
    if isinstance(row, dict):
        assert csv_of(views()) == csv_of(records())


def test_generator_may_yield_one_dict_over_and_over() -> None:
    def records() -> Iterator[dict[str, int]]:
        record: dict[str, int] = {}
        for number in range(3):
            record["a"] = number
            yield record

    assert csv_of(records()) == "a\n0\n1\n2\n"


def test_error_of_a_generator_is_the_error_of_the_load() -> None:
    def records() -> Iterator[dict[str, int]]:
        yield {"a": 1}
        raise RuntimeError("the source went away")

    with pytest.raises(RuntimeError, match="the source went away"):
        csv_of(records())


def test_mapping_gives_tables_by_name() -> None:
    given = {"one": [{"a": 1}], "two": iter([{"b": 2}]), "three": pyarrow.table({"c": [3]})}
    tables = {name: open_records(name, records, None) for name, records in tables_of(given, None).items()}
    assert list(tables) == ["one", "two", "three"]
    assert [rows_of(table) for table in tables.values()] == [[{"a": 1}], [{"b": 2}], [{"c": 3}]]


def test_records_of_one_table_need_its_name_and_a_mapping_of_tables_has_its_own() -> None:
    assert tables_of(RECORDS, "t") == {"t": RECORDS}
    frame = pyarrow.table({"a": [1]})
    assert tables_of(frame, "t") == {"t": frame}
    with pytest.raises(SpecError, match=r"`table`: is missing"):
        tables_of(RECORDS, None)
    with pytest.raises(SpecError, match=r"`table`: is 't' beside a mapping of tables"):
        tables_of({"one": RECORDS}, "t")


class _Row(Mapping[str, Any]):
    """A record of a class of its own, one of whose methods may be replaced."""

    def __getitem__(self, name: str) -> Any:
        return {"a": 1, "b": 2}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


def _fails(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no connection")


@pytest.mark.parametrize("base", [_Row, dict], ids=["mapping", "dict"])
@pytest.mark.parametrize(
    "method", ["get", "keys", "items", "values", "__iter__", "__getitem__", "__len__", "__contains__"]
)
def test_record_whose_method_fails_is_written_or_named_and_quarantined(base: Any, method: str) -> None:
    row = type("Row", (base,), {method: _fails})
    records = [{"a": 1, "b": 2}, row() if base is _Row else row(a=1, b=2), {"a": 1, "b": 2}]
    for columns in (None, ("a", "b")):
        for given in (records, iter(records)):
            bad = BadRecords(lambda table, line: None)
            table = open_records("t", given, columns, bad=bad)
            encode = CsvEncoder("t", ("a", "b"), ",", True).encode
            data = b"".join(bytes(encode(chunk).data) for chunk in read_chunks(table))
            assert data == b"1,2\n" * (3 - bad.counts["t"])
            for error in bad.first:
                told = r"table 't', record 1: the (keys|values) of the Row can't be read: RuntimeError: no connection"
                assert re.match(told, str(error))


def test_value_whose_method_fails_is_named_also_where_its_keys_are_made_safe() -> None:
    value = type("Value", (_Row,), {"items": _fails, "values": _fails})()
    bad = BadRecords(lambda table, line: None)
    table = with_safe_keys(open_records("t", [{"a": 1}, {"a": value}], None, bad=bad))
    encode = CsvEncoder("t", ("a",), ",", True).encode
    done = [part.records for chunk in read_chunks(table) for part in isolate_bad_records(encode, chunk, bad)]
    assert (sum(done), bad.counts["t"]) == (1, 1)
    assert "record 1, column 'a': RuntimeError: no connection" in str(bad.first[0])


def test_record_that_names_a_key_which_it_lacks_has_null_there() -> None:
    row = type("Row", (_Row,), {"__iter__": lambda self: iter(("a", "c"))})
    assert csv_of([row()]) == "a,c\n1,\n"
