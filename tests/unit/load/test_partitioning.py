"""Each partition has batches of its own, cut exactly, the same for any chunks; few enough are open at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.errors import Fault, RecordError, SpecError
from airflow_provider_s3dest.formats.batching import BatchWriter, Limits
from airflow_provider_s3dest.formats.encoding import Encoded
from airflow_provider_s3dest.load import partitioning
from airflow_provider_s3dest.load.partitioning import PartitionedWriter
from airflow_provider_s3dest.records.chunks import Origins, RowChunk

HEADER = b"h\n"
HELD = 24


class Objects:
    """Keeps the batches of all partitions in memory, and what was begun when the first byte of each was written."""

    def __init__(
        self, limits: Limits, *, whole: bool = False, drops: bool = False, fields: Sequence[str] = ("p",)
    ) -> None:
        self.batches: dict[tuple[str, int], list[bytes]] = {}
        self.ended: dict[tuple[str, int], int] = {}
        self.open = self.most_open = 0
        self.begun: list[list[tuple[str, int]]] = []
        self.lines = PartitionedWriter(
            "t",
            fields,
            drops=drops,
            whole=whole,
            batches_of=lambda partition: BatchWriter(limits, HEADER, lambda number: self._open(partition, number)),
            reserve=lambda batches: self.begun.append(list(batches)),
            held=HELD,
        )

    def _open(self, partition: str, number: int) -> Sink:
        self.batches[partition, number] = []
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return Sink(self, (partition, number))

    def add(self, records: Sequence[tuple[Any, int]], start: int = 0) -> None:
        """Add records of which the partition and the size are given, as one chunk."""
        chunk = RowChunk.of([{"p": value} for value, _ in records], Origins(start))
        texts = [b"%d" % (10 ** (size - 1)) for _, size in records]
        self.lines.add(self.lines.named(chunk), Encoded(b"".join(texts), len(texts), lambda: map(len, texts)))


class Sink:
    def __init__(self, objects: Objects, batch: tuple[str, int]) -> None:
        self._objects, self._batch = objects, batch

    def write(self, data: bytes | memoryview) -> None:
        assert self._batch not in self._objects.ended
        self._objects.batches[self._batch].append(bytes(data))

    def close(self, records: int) -> None:
        self._objects.ended[self._batch] = records
        self._objects.open -= 1


def cut(chunks: Sequence[Sequence[tuple[Any, int]]], limits: Limits) -> Objects:
    objects = Objects(limits)
    start = 0
    for chunk in chunks:
        objects.add(chunk, start)
        start += len(chunk)
    objects.lines.close()
    assert objects.ended.keys() == objects.batches.keys()
    return objects


def naively(records: Sequence[tuple[Any, int]], limits: Limits, most: int, held: int) -> dict[tuple[str, int], int]:
    """Count the records of each batch, adding one record after the other and ending what has waited longest."""
    counts: dict[tuple[str, int], int] = {}
    numbers: dict[str, int] = {}
    open_: OrderedDict[str, int] = OrderedDict()  # bytes by partition
    for value, size in records:
        name = f"p={value}"
        if name in open_ and (
            (limits.records and counts[name, numbers[name]] == limits.records)
            or (limits.bytes and len(HEADER) + open_[name] + size > limits.bytes)
        ):
            del open_[name]
        if name not in open_:
            numbers[name] = numbers.get(name, -1) + 1
            counts[name, numbers[name]] = 0
            open_[name] = 0
        counts[name, numbers[name]] += 1
        open_[name] += size
        open_.move_to_end(name)
        full = limits.bytes and len(HEADER) + open_[name] >= limits.bytes
        if full or counts[name, numbers[name]] == limits.records:
            del open_[name]
        while len(open_) > most or sum(min(one, HELD) for one in open_.values()) > held:
            open_.popitem(last=False)
    return counts


RECORDS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9)), max_size=60)
LIMITS = st.builds(Limits, st.none() | st.integers(1, 6), st.none() | st.integers(3, 40))


@settings(derandomize=True, max_examples=400, deadline=None)
@given(RECORDS, LIMITS, st.integers(1, 8), st.integers(HELD, 90), st.data())
def test_cuts_are_those_of_adding_record_by_record_for_any_chunks(
    records: list[tuple[int, int]], limits: Limits, most: int, held: int, data: st.DataObject
) -> None:
    marks = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=5)))
    chunks = [records[a:b] for a, b in zip([0, *marks], [*marks, len(records)], strict=True) if a < b]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(partitioning, "MAX_OPEN", most)
        patched.setattr(partitioning, "MAX_HELD_BYTES", held)
        objects = cut(chunks, limits)
    assert objects.ended == naively(records, limits, most, held)
    for value in {value for value, _ in records}:
        own = [b"".join(parts) for (name, _), parts in sorted(objects.batches.items()) if name == f"p={value}"]
        sizes = [size for one, size in records if one == value]
        assert all(one.startswith(HEADER) for one in own)
        assert b"".join(one.removeprefix(HEADER) for one in own) == b"".join(b"%d" % 10 ** (n - 1) for n in sizes)
    assert objects.most_open <= most + 1


def test_batches_that_begin_are_told_once_a_chunk() -> None:
    objects = Objects(Limits(2, None))
    objects.add([("a", 1), ("b", 1), ("a", 1)])
    objects.add([("a", 1), ("b", 1), ("c", 1)])
    objects.add([("c", 1)])
    assert objects.begun == [[("p=a", 0), ("p=b", 0)], [("p=a", 1), ("p=c", 0)], []]


def test_one_object_a_partition_never_ends_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitioning, "MAX_OPEN", 1)
    monkeypatch.setattr(partitioning, "MAX_HELD_BYTES", 1)
    objects = Objects(Limits(None, None), whole=True)
    for _ in range(3):
        objects.add([("a", 5), ("b", 5)])
    objects.lines.close()
    assert objects.ended == {("p=a", 0): 3, ("p=b", 0): 3}


class TestNamesThePartitionOf:
    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("eu", "eu"),
            (7, "7"),
            (-(2**70), "-1180591620717411303424"),
            (True, "true"),
            (date(2026, 2, 3), "2026-02-03"),
            (datetime(2026, 2, 3, 4, 5, 6), "2026-02-03T04%3A05%3A06"),
            (Decimal("1.10"), "1.10"),
            (0.1, "0.1"),
            (float("nan"), "NaN"),
            (b"\xff\xfe", "%2F%2F4%3D"),
            (None, "__HIVE_DEFAULT_PARTITION__"),
            ("", "__HIVE_DEFAULT_PARTITION__"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("...", "..."),
            ("a b+ü😀", "a b+ü😀"),
            ("%2E", "%252E"),
            ("\"#%'*/:=?\\{[]^\x7f\x00\x1f\n", "%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E%7F%00%1F%0A"),
        ],
    )
    def test_a_value(self, value: Any, name: str) -> None:
        objects = Objects(Limits(None, None))
        objects.add([(value, 1)])
        assert [partition for partition, _ in objects.batches] == [f"p={name}"]

    def test_equal_values_of_another_spelling_each_for_itself(self) -> None:
        noon = datetime(2026, 2, 3, 12, tzinfo=timezone.utc)
        east = noon.astimezone(timezone(timedelta(hours=1)))
        values = [1, True, 1.0, Decimal(1), Decimal("1.0"), 0.0, -0.0, noon, east]
        objects = Objects(Limits(None, None))
        objects.add([(value, 1) for value in values])
        names = [
            "1",
            "true",
            "1.0",
            "1.0",
            "0.0",
            "-0.0",
            "2026-02-03T12%3A00%3A00+00%3A00",
            "2026-02-03T13%3A00%3A00+01%3A00",
        ]
        assert sorted(partition for partition, _ in objects.batches) == sorted({f"p={name}" for name in names})

    def test_several_columns_in_the_order_of_the_path(self) -> None:
        objects = Objects(Limits(None, None), fields=["p", "odd=name", "missing"])
        chunk = RowChunk.of([{"odd=name": "x/y", "p": 1}], Origins())
        objects.lines.add(objects.lines.named(chunk), Encoded(b"1", 1, lambda: [1]))
        assert [partition for partition, _ in objects.batches] == [
            "p=1/odd%3Dname=x%2Fy/missing=__HIVE_DEFAULT_PARTITION__"
        ]


class TestRefuses:
    @pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, (1,)], ids=repr)
    def test_a_nested_value(self, value: Any) -> None:
        with pytest.raises(RecordError, match=r"table 't', record 8, column 'p': a nested value names no partition"):
            Objects(Limits(None, None)).add([("a", 1), (value, 1)], start=7)

    def test_a_value_without_a_rule(self) -> None:
        with pytest.raises(RecordError, match=r"record 0, column 'p': there is no rule for object"):
            Objects(Limits(None, None)).add([(object(), 1)])

    def test_half_of_a_surrogate_pair(self) -> None:
        with pytest.raises(RecordError, match=r"record 1: the partition .* is not valid Unicode"):
            Objects(Limits(None, None)).add([("a", 1), ("\ud83d", 1)])

    @pytest.mark.parametrize("value", ["\ufffe", "a\uffff"])
    def test_what_no_deletion_can_name(self, value: str) -> None:
        with pytest.raises(RecordError, match=r"record 1: the partition .* holds U\+FFFE or U\+FFFF"):
            Objects(Limits(None, None)).add([("a", 1), (value, 1)])

    @pytest.mark.parametrize("value", ["", "__HIVE_DEFAULT_PARTITION__"])
    def test_what_passes_for_null_where_the_column_is_left_out(self, value: str) -> None:
        objects = Objects(Limits(None, None), drops=True)
        objects.add([(None, 1)])
        with pytest.raises(RecordError, match=r"record 1, column 'p': .*Use `partition_columns: keep`"):
            objects.add([(value, 1)], start=1)

    @pytest.mark.parametrize(("name", "whole"), [("MAX_PARTITIONS", False), ("MAX_WHOLE_PARTITIONS", True)])
    def test_one_partition_too_many(self, monkeypatch: pytest.MonkeyPatch, name: str, whole: bool) -> None:
        monkeypatch.setattr(partitioning, name, 2)
        objects = Objects(Limits(None, None), whole=whole)
        objects.add([("a", 1), ("b", 1), ("a", 1)])
        with pytest.raises(RecordError, match=r"record 4: the partition 'p=c' is beyond the 2 "):
            objects.add([("a", 1), ("c", 1)], start=3)

    def test_a_partition_whose_key_is_refused(self) -> None:
        def refuse(partition: str) -> BatchWriter:
            raise SpecError([Fault("path", "gives a key that is too long.", "Shorten it.")])

        lines = PartitionedWriter(
            "t", ["p"], drops=False, whole=False, batches_of=refuse, reserve=lambda _: None, held=HELD
        )
        with pytest.raises(RecordError, match=r"record 0: the partition 'p=x' gives a key that is too long"):
            lines.named(RowChunk.of([{"p": "x"}], Origins()))
