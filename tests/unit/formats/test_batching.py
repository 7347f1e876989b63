"""Batches are cut exactly: never over a limit, as full as the limits allow, in order, the same for any chunks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_s3dest.formats.batching import BatchWriter, Limits
from airflow_provider_s3dest.formats.encoding import Encoded
from tests.unit.tables import csv_of


class Objects:
    """Keeps the objects of a batch writer in memory, and checks that they come one after the other."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.records: list[int] = []

    def open(self, batch: int) -> Objects:
        assert batch == len(self.contents) == len(self.records)
        self.contents.append(b"")
        return self

    def write(self, data: bytes | memoryview) -> None:
        assert len(self.records) == len(self.contents) - 1, "written after its end"
        self.contents[-1] += bytes(data)

    def close(self, records: int) -> None:
        self.records.append(records)
        assert len(self.records) == len(self.contents)


def encoded(records: list[bytes]) -> Encoded:
    return Encoded(b"".join(records), len(records), lambda: map(len, records))


def cut(chunks: list[list[bytes]], limits: Limits, header: bytes = b"") -> Objects:
    objects = Objects()
    line = BatchWriter(limits, header, objects.open)
    for chunk in chunks:
        line.add(encoded(chunk))
    line.close()
    assert line.batches == len(objects.contents) == len(objects.records)
    return objects


def naively(records: list[bytes], limits: Limits, header: bytes) -> list[list[bytes]]:
    """Put records one by one into a batch until one does not fit."""
    batches: list[list[bytes]] = []
    for record in records:
        candidate = [*batches[-1], record] if batches else []
        too_many = limits.records is not None and len(candidate) > limits.records
        too_large = limits.bytes is not None and len(header) + sum(map(len, candidate)) > limits.bytes
        if not batches or too_many or too_large:
            batches.append([record])
        else:
            batches[-1] = candidate
    return batches


RECORDS = st.lists(st.integers(1, 30), max_size=60).map(
    lambda sizes: [bytes([65 + number % 26]) * (size - 1) + b"\n" for number, size in enumerate(sizes)]
)
LIMITS = st.builds(Limits, st.none() | st.integers(1, 12), st.none() | st.integers(1, 90))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(RECORDS, LIMITS, st.sampled_from([b"", b"h\n", b"a,long,header\n"]), st.data())
def test_cuts_are_those_of_adding_record_by_record(
    records: list[bytes], limits: Limits, header: bytes, data: st.DataObject
) -> None:
    marks = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=5)))
    chunks = [records[a:b] for a, b in zip([0, *marks], [*marks, len(records)], strict=True)]
    objects = cut(chunks, limits, header)
    expected = naively(records, limits, header)
    assert objects.contents == [header + b"".join(batch) for batch in expected]
    assert objects.records == [len(batch) for batch in expected]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(RECORDS, st.integers(1, 12), st.integers(1, 90), st.sampled_from([b"", b"head\n"]))
def test_no_object_is_over_a_limit_and_the_next_record_would_not_have_fitted(
    records: list[bytes], most_records: int, most_bytes: int, header: bytes
) -> None:
    objects = cut([records], Limits(most_records, most_bytes), header)
    assert b"".join(content.removeprefix(header) for content in objects.contents) == b"".join(records)
    assert sum(objects.records) == len(records)
    done = 0
    for content, count in zip(objects.contents, objects.records, strict=True):
        assert content.startswith(header)
        assert 1 <= count <= most_records
        assert len(content) <= most_bytes or count == 1
        done += count
        if done < len(records):
            assert count == most_records or len(content) + len(records[done]) > most_bytes


def test_batch_that_is_exactly_full_takes_no_further_record_and_leaves_no_empty_object() -> None:
    objects = cut([[b"aaa\n", b"bbb\n"], [b"ccc\n", b"ddd\n"]], Limits(None, 8))
    assert objects.contents == [b"aaa\nbbb\n", b"ccc\nddd\n"]
    assert cut([[b"a\n", b"b\n"]], Limits(2, None)).contents == [b"a\nb\n"]


def test_header_counts_in_the_bytes_of_every_object() -> None:
    objects = cut([[b"aaa\n"] * 4], Limits(None, 12), b"head\n")
    assert objects.contents == [b"head\naaa\n"] * 4
    assert cut([[b"aaa\n"] * 4], Limits(None, 13), b"head\n").contents == [b"head\naaa\naaa\n"] * 2


def test_record_larger_than_the_limit_is_an_object_of_its_own() -> None:
    large = b"x" * 50 + b"\n"
    objects = cut([[b"a\n", large, b"b\n", b"c\n"]], Limits(10, 10))
    assert objects.contents == [b"a\n", large, b"b\nc\n"]
    assert cut([[large, large]], Limits(None, 10)).contents == [large, large]


def test_header_larger_than_the_limit_leaves_one_record_an_object() -> None:
    assert cut([[b"a\n", b"b\n"]], Limits(None, 3), b"header\n").contents == [b"header\na\n", b"header\nb\n"]


def test_without_limits_all_records_lie_in_one_object() -> None:
    objects = cut([[b"a\n"] * 700, [b"b\n"] * 800], Limits(None, None), b"h\n")
    assert objects.contents == [b"h\n" + b"a\n" * 700 + b"b\n" * 800]
    assert objects.records == [1500]


def test_no_records_open_no_object() -> None:
    assert cut([[], []], Limits(10, 10), b"header\n").contents == []


@pytest.mark.parametrize("text", ["x", "é", "👩‍👩‍👧", "a,b\n"])
def test_bytes_are_counted_as_encoded_and_not_as_characters(text: str) -> None:
    line = csv_of([{"a": text}]).removeprefix("a\n").encode()
    objects = cut([[line] * 10], Limits(None, 2 + 3 * len(line)), b"a\n")
    assert objects.records == [3, 3, 3, 1]
