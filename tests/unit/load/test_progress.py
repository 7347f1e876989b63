"""What the log tells of a load: lines on the way, one at the end, and a hint about many small objects."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from types import SimpleNamespace

import pytest

from airflow_provider_s3dest.load import progress
from airflow_provider_s3dest.load.progress import Progress, size_text
from airflow_provider_s3dest.report import LoadReport, TableReport

MIB = 2**20


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, progress.__name__):
        yield


def _report(objects: int, size: int, *tables: str) -> LoadReport:
    own = {table: TableReport(12_345, objects, size, ("id",), "raw/") for table in tables or ("orders",)}
    return LoadReport(12_345, objects, size, "lake", own, None)


class Lines(logging.Handler):
    """Counts the lines of the log, and waits for more."""

    def __init__(self) -> None:
        super().__init__()
        self.count = threading.Semaphore(0)

    def emit(self, record: logging.LogRecord) -> None:
        self.count.release()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The lines of loads that tell how far they are without a pause."""
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.001)
    lines = Lines()
    progress.log.addHandler(lines)
    yield lines
    progress.log.removeHandler(lines)


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "s3dest-progress"]


def test_lines_come_while_the_load_does_nothing(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    with Progress() as told:
        assert lines.count.acquire(timeout=30)
        told.begin("orders")
        assert all(lines.count.acquire(timeout=30) for _ in range(3))
    assert caplog.messages[0].startswith("Before the first table: 0 records read")
    assert caplog.messages[-1].startswith("Table orders: 0 records read")


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt])
def test_no_line_comes_after_the_end(
    lines: Lines, caplog: pytest.LogCaptureFixture, failure: type[BaseException] | None
) -> None:
    with pytest.raises(failure) if failure else nullcontext(), Progress():
        assert lines.count.acquire(timeout=30)
        assert _threads()
        if failure:
            raise failure
    assert not _threads()


def test_a_load_that_ends_soon_tells_nothing_on_the_way(caplog: pytest.LogCaptureFixture) -> None:
    with Progress() as told:
        told.begin("orders")
        told.encoded(1000)
    assert caplog.messages == []


def test_the_line_tells_table_records_objects_bytes_and_rates(clock: Clock) -> None:
    told = Progress()
    told.begin("planes")
    told.encoded(2_000)
    told.begin("flights")
    told.encoded(18_000)
    told.stored(3 * MIB)
    told.stored(2 * MIB)
    clock.now += 10
    assert told.line() == (
        "Table flights: 20,000 records read, 20,000 encoded, 2 objects stored, 5.0 MiB, 2,000 records/s, 512.0 KiB/s"
    )


def test_records_that_are_read_and_not_yet_encoded_are_counted(clock: Clock) -> None:
    told = Progress()
    clock.now += 10
    told.begin("planes")
    records = told.counted(range(2_000))
    assert list(islice(records, 1_500)) == list(range(1_500))
    assert "planes: 1,500 records read, 0 encoded" in told.line()
    told.encoded(1_000)
    assert "planes: 1,500 records read, 1,000 encoded" in told.line()
    assert len(list(records)) == 500
    told.encoded(1_000)
    told.begin("flights")
    assert list(told.counted([1])) == [1]
    assert "flights: 2,001 records read, 2,000 encoded" in told.line()


def test_no_object_is_lost_when_many_threads_count(clock: Clock) -> None:
    told = Progress()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(told.stored, [1] * 5_000))
    clock.now += 10
    assert "5,000 objects stored, 4.9 KiB" in told.line()


def test_the_last_line_sums_the_load_up(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    told = Progress()
    clock.now += 2.5
    told.end(_report(3, 1536), "Stored")
    assert caplog.messages == ["Stored 12,345 records of table orders as 3 objects (1.5 KiB) in s3://lake, 2.5 s"]


def test_the_last_line_counts_one_of_each_as_one(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    Progress().end(LoadReport(1, 1, 1, "lake", {"t": TableReport(1, 1, 1, ["a"], "")}, None), "Stored")
    assert caplog.messages == ["Stored 1 record of table t as 1 object (1 byte) in s3://lake, 0.0 s"]


def test_the_last_line_counts_several_tables(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    Progress().end(_report(3, 1536, "orders", "items"), "Would store")
    assert caplog.messages[0].startswith("Would store 12,345 records of 2 tables as 3 objects")


def test_a_load_of_nothing_has_a_last_line_too(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    Progress().end(LoadReport(0, 0, 0, "lake", {}, []), "Stored")
    assert caplog.messages == ["Stored 0 records of 0 tables as 0 objects (0 bytes) in s3://lake, 0.0 s"]


@pytest.mark.parametrize(
    ("objects", "each", "hinted"),
    [(1_001, MIB, True), (1_000, MIB, False), (1_001, 8 * MIB, False), (1_001, 8 * MIB - 1, True)],
)
def test_many_small_objects_give_a_hint(
    clock: Clock, caplog: pytest.LogCaptureFixture, objects: int, each: int, hinted: bool
) -> None:
    Progress().end(_report(objects, objects * each), "Stored")
    hints = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(hints) == hinted
    if hinted:
        assert hints[0].startswith("The load made 1,001 objects of ")
        assert "Raise `batch_size` and `batch_size_bytes`" in hints[0]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (5 * MIB, "5.0 MiB"),
        (2 * 1024 * MIB, "2.0 GiB"),
        (3 * MIB**2, "3.0 TiB"),
        (5000 * MIB**2, "5000.0 TiB"),
    ],
)
def test_sizes_are_told_in_the_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text
