"""Tells in the log how far a load is, every few seconds, and what it did at the end."""

from __future__ import annotations

import logging
import threading
import time

from airflow_provider_s3dest.report import LoadReport

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
SMALL_OBJECT_BYTES = 8 * 2**20
MANY_OBJECTS = 1_000


class Progress:
    """Counts what a load has done so far; the counts of objects and bytes come from the uploading threads."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._lock = threading.Lock()
        self._table = ""
        self._records = self._objects = self._bytes = 0

    def begin(self, table: str) -> None:
        """Note that the records of this table come now."""
        self._table = table

    def encoded(self, records: int) -> None:
        """Note that so many more records are encoded."""
        self._records += records

    def stored(self, size: int) -> None:
        """Note that one more object of so many bytes is stored."""
        with self._lock:
            self._objects += 1
            self._bytes += size

    def tick(self) -> None:
        """Write a line, if the last is some seconds old."""
        now = time.monotonic()
        if now - self._told < INTERVAL_SECONDS:
            return
        self._told = now
        seconds = now - self._began
        log.info(
            "Table %s: %s records encoded, %s objects stored, %s, %s records/s, %s/s",
            self._table,
            f"{self._records:,}",
            f"{self._objects:,}",
            size_text(self._bytes),
            f"{self._records / seconds:,.0f}",
            size_text(self._bytes / seconds),
        )

    def end(self, report: LoadReport, verb: str) -> None:
        """Write the line that sums the load up, and a hint if it made many small objects."""
        seconds = time.monotonic() - self._began
        log.info(
            "%s %s records of %s as %s objects (%s) in s3://%s, %.1f s",
            verb,
            f"{report.records:,}",
            f"table {next(iter(report.tables))}" if len(report.tables) == 1 else f"{len(report.tables)} tables",
            f"{report.objects:,}",
            size_text(report.bytes),
            report.bucket,
            seconds,
        )
        if report.objects > MANY_OBJECTS and report.bytes / report.objects < SMALL_OBJECT_BYTES:
            log.warning(
                "%s objects of %s on average: readers and S3's request prices suffer from many small objects. "
                "Raise `batch_size` and `batch_size_bytes`, for instance to 1,000,000 and 128 MiB.",
                f"{report.objects:,}",
                size_text(report.bytes / report.objects),
            )


def size_text(size: float) -> str:
    """Spell a number of bytes, such as ``5.0 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
