"""Logs every few seconds how far a load is, and at the end what it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.safe_text import safe_logger

T = TypeVar("T")

log = safe_logger(__name__)

INTERVAL_SECONDS = 5.0
SMALL_OBJECT_BYTES = 8 * 2**20
MANY_OBJECTS = 1_000


class Progress:
    """Counts what a load has done so far, and logs it every few seconds; used as a context around the load.

    A separate thread writes the lines, so that they also come while the load waits for a source or a request. The
    thread ends with the context.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._table: str | None = None
        self._encoded = self._ahead = self._objects = self._bytes = 0

    def __enter__(self) -> Progress:
        self._thread = threading.Thread(target=self._log_often, name="s3dest-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, table: str) -> None:
        """Note that this table is opened now and that its records come next."""
        self._table, self._ahead = table, 0

    def counted(self, records: Iterable[T]) -> Iterator[T]:
        """Yield the records, and note each as read."""
        for record in records:
            self._ahead += 1
            yield record

    def encoded(self, records: int) -> None:
        """Note that more records are encoded."""
        self._encoded += records
        self._ahead = max(0, self._ahead - records)  # 0 for sources whose records are not counted one by one

    def stored(self, size: int) -> None:
        """Note that one more object is stored; called from any thread.

        :param size: bytes of the object.
        """
        with self._lock:
            self._objects += 1
            self._bytes += size

    def line(self) -> str:
        """Return a line of text that says how far the load is."""
        seconds = time.monotonic() - self._began
        return (
            f"{'Before the first table' if self._table is None else f'Table {self._table}'}: "
            f"{_count(self._encoded + self._ahead, 'record')} read, {self._encoded:,} encoded, "
            f"{_count(self._objects, 'object')} stored, {size_text(self._bytes)}, "
            f"{self._encoded / seconds:,.0f} records/s, {size_text(self._bytes / seconds)}/s"
        )

    def _log_often(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            log.info("%s", self.line())

    def end(self, report: LoadReport, verb: str) -> None:
        """Log what the load did, and a hint if it made many small objects.

        :param verb: what was done with the records, such as ``Stored``.
        """
        seconds = time.monotonic() - self._began
        log.info(
            "%s %s of %s as %s (%s) in s3://%s, %.1f s",
            verb,
            _count(report.records, "record"),
            f"table {next(iter(report.tables))}" if len(report.tables) == 1 else f"{len(report.tables)} tables",
            _count(report.objects, "object"),
            size_text(report.bytes),
            report.bucket,
            seconds,
        )
        if report.objects > MANY_OBJECTS and report.bytes / report.objects < SMALL_OBJECT_BYTES:
            log.warning(
                "The load made %s objects of %s on average. Many small objects are slow to read, and S3 charges for "
                "each request. Raise `batch_size` and `batch_size_bytes`, for instance to 1,000,000 and 128 MiB.",
                f"{report.objects:,}",
                size_text(report.bytes / report.objects),
            )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def size_text(size: float) -> str:
    """Format a number of bytes, such as ``5.0 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return _count(round(size), "byte") if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
