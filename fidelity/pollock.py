"""``python -m fidelity.pollock CHECKOUT``: loads the files of Pollock's survey, and writes docs/pollock.md.

Pollock (https://github.com/HPI-Information-Systems/Pollock) has CSV files of the real world, each beside a version that
people cleaned by hand. ``pollock.json`` says with which ``staging_format`` each file loads, and why the values of some
differ from the clean version. A file that is not as it says there is a fault.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_s3dest.errors import RecordError
from airflow_provider_s3dest.formats.csv import CsvEncoder
from airflow_provider_s3dest.records.chunks import PassthroughChunk
from airflow_provider_s3dest.sources.file_stores import LocalFiles
from airflow_provider_s3dest.sources.staged_files import open_staged
from airflow_provider_s3dest.sources.staging import staged_tables
from airflow_provider_s3dest.sources.staging_format import StagingFormat
from airflow_provider_s3dest.sources.staging_pattern import literal_path

TABLE = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "pollock.md"

_INTRODUCTION = """\
# CSV files of the real world

[Pollock](https://github.com/HPI-Information-Systems/Pollock) is a benchmark for loading CSV. Its survey has files that
were found on open data portals, each beside a version that people cleaned by hand. This page is written by
`make pollock`, and shows with which [`staging_format`](staging.md#other-forms-of-text) each of them loads.

Of {measured} files, {same} load with the values of their clean version. {differs} load with other values and {refused}
do not load, for the reasons below. Two values are the same if their texts are; null and empty text are not told apart,
since the clean versions do not tell them apart. Records without any value are not compared: people removed them, and a
load keeps them as records of nulls. `{{"clean": 9}}` as a header stands for the first nine names of the clean version,
numbered where they repeat or are empty.
"""

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Entry:
    """What the table says about a file.

    :param options: ``staging_format``. A ``header`` of ``{"clean": 9}`` stands for the first nine names of the clean
        version, numbered where they are no names.
    :param why: why the values differ from the clean version, or why the file is refused; empty if neither is so.
    """

    file: str
    options: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    :param verdict: ``same``, ``differs``, ``refused`` or ``missing``.
    """

    entry: Entry
    verdict: str
    records: int = 0
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether the table does not say so."""
        return self.verdict != "missing" and (self.verdict == "same") == bool(self.entry.why)


def main() -> None:
    """Load every file of a checkout, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m fidelity.pollock", description=__doc__)
    parser.add_argument("checkout", type=Path, help="folder of a checkout of Pollock")
    folder = parser.parse_args().checkout / "survey_sample"
    csv.field_size_limit(2**30)
    found = [outcome(folder, entry) for entry in entries()]
    for one in found:
        print(f"{'!!' if one.is_fault else '  '} {one.verdict:8} {one.entry.file} {one.detail}")
    PAGE.write_text(page(found), encoding="utf-8")
    sys.exit(1 if any(one.is_fault for one in found) else 0)


def entries() -> Iterator[Entry]:
    """Yield what the table says, file by file."""
    for line in json.loads(TABLE.read_text(encoding="utf-8")):
        yield Entry(line["file"], line.get("options", {}), line.get("why", ""))


def outcome(folder: Path, entry: Entry) -> Outcome:
    """Load a file as it is staged, encode it, and compare what was written with the clean version."""
    path, clean_path = folder / "csv" / entry.file, folder / "clean" / entry.file
    if not path.exists() or not clean_path.exists():
        return Outcome(entry, "missing")
    clean = _rows(clean_path.read_text(encoding="utf-8-sig"))
    names, records = (clean[0], clean[1:]) if clean else ((), ())
    try:
        written = _rows(_written(path, staging_format(entry, names)))
    except RecordError as error:
        return Outcome(entry, "refused", detail=str(error).replace(str(path), entry.file))
    loaded = written[1:]
    ours, theirs = _not_blank(loaded), _not_blank(records)
    if ours == theirs:
        return Outcome(entry, "same", len(loaded))
    return Outcome(entry, "differs", len(loaded), _difference(ours, theirs))


def staging_format(entry: Entry, names: Sequence[str]) -> dict[str, Any]:
    """Return the ``staging_format`` of a file.

    :param names: the names in the header of the clean version.
    """
    header = entry.options.get("header", True)
    if not isinstance(header, Mapping):
        return dict(entry.options)
    numbered: list[str] = []
    for position in range(header["clean"]):
        name = names[position] if position < len(names) else ""
        numbered.append(name if name and name not in numbered else f"column_{position + 1}")
    return {**entry.options, "header": numbered}


def _written(path: Path, options: Mapping[str, Any]) -> str:
    """Read a staged file as a load does, and return the CSV that is written."""
    files = staged_tables(literal_path(str(path)), "t", lambda _: LocalFiles(), StagingFormat.of(options))
    table = open_staged("t", files["t"], None)
    encoder = CsvEncoder("t", table.columns, ",", False)
    content = bytearray(encoder.header)
    for chunk in table.chunks:
        content += chunk.data if isinstance(chunk, PassthroughChunk) else encoder.encode(chunk).data
    return content.decode()


def _rows(text: str) -> Rows:
    return list(csv.reader(io.StringIO(text, newline="")))


def _not_blank(rows: Rows) -> list[Sequence[str]]:
    """Return the records that have a value: people removed the others, which are records of nulls here."""
    return [row for row in rows if any(row)]


def _difference(ours: Rows, theirs: Rows) -> str:
    cells = [
        f"{a!r} for {b!r}"
        for one, other in zip(ours, theirs, strict=False)
        for a, b in zip(one, other, strict=False)
        if a != b
    ]
    return f"{len(ours)} records for {len(theirs)}, {len(cells)} cells differ: {'; '.join(cells[:2])}"


def page(found: Sequence[Outcome]) -> str:
    """Write the page of the documents."""
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("same", "differs", "refused")}
    measured = sum(counts.values())
    missing = [one.entry.file for one in found if one.verdict == "missing"]
    lines = [_INTRODUCTION.format(measured=measured, **counts)]
    if missing:
        lines += [
            f"Not measured, since they were not in the checkout at hand: {', '.join(f'`{one}`' for one in missing)}.",
            "",
        ]
    lines += ["| file | `staging_format` | records | values | why |", "|---|---|---|---|---|"]
    for one in found:
        if one.verdict != "missing":
            options = f"`{json.dumps(one.entry.options, ensure_ascii=False)}`" if one.entry.options else ""
            cells = [
                f"`{one.entry.file}`",
                options,
                f"{one.records:,}" if one.records else "",
                one.verdict,
                one.entry.why,
            ]
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
