"""The result of the check as a table, and every fault by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from demo.verification import StoredTable, Verification

_HEADER = ("table", "format", "objects", "records", "bytes", "in source", "sums equal", "nulls equal", "records equal")
_TEXT_COLUMNS = 2


def lines(verification: Verification) -> Iterator[str]:
    """Give the report, line by line."""
    yield from _aligned([_HEADER, *map(_row, verification.tables)])
    yield ""
    for fault in verification.strangers:
        yield f"FAULT: {fault}"
    for table in verification.tables:
        for fault in table.faults():
            yield f"FAULT in {table.place.table} as {table.place.format}: {fault}"
    objects = sum(table.objects for table in verification.tables)
    records = sum(table.stored.records for table in verification.tables)
    if verification.passed:
        yield f"All {records:,} records in {objects} objects agree with the source: none is lost, doubled or changed."
    else:
        yield "What lies in the bucket does NOT agree with the source."


def _row(table: StoredTable) -> tuple[str, ...]:
    comparison = table.comparison
    sums, columns = len(table.source.sums()), len(table.source.columns)
    return (
        table.place.table,
        table.place.format,
        f"{table.objects:,}",
        f"{table.stored.records:,}",
        f"{table.bytes:,}",
        f"{table.source.records:,}",
        f"{sums - len(comparison.wrong_sums)} of {sums}",
        f"{columns - len(comparison.wrong_nulls)} of {columns}",
        "all" if comparison.rows_agree else "NO",
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lay out rows in columns: texts to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if number < _TEXT_COLUMNS else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells)
