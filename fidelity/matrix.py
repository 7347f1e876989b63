"""All cells of the matrix."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fidelity.kinds import KINDS, Kind
from fidelity.lanes import LANES, Lane
from fidelity.loading import load
from fidelity.readers.reader import Column, Reader
from fidelity.verdicts import Verdict, judge
from tests.servers.endpoint import Bucket


@dataclass(frozen=True)
class Cell:
    """One kind of value, through one lane, in one format, by one reader."""

    kind: Kind
    lane: Lane
    format: str
    reader: str
    verdict: Verdict


def cells(
    bucket: Bucket,
    readers: Sequence[Reader],
    formats: Iterable[str],
    kinds: Sequence[Kind] = KINDS,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Cell]:
    """Write and read all kinds through all lanes.

    Files of the same bytes, as most lanes write them, are read once.
    """
    by_table = {f"kind_{number}": kind for number, kind in enumerate(kinds)}
    known: dict[tuple[str, str, Column], Verdict] = {}
    with tempfile.TemporaryDirectory(prefix="fidelity-") as home:
        for format_ in formats:
            for lane in LANES:
                say(f"{lane.name} to {format_}")
                folder = Path(home, format_, lane.short)
                given, tables = lane.hand_over(by_table, folder / "staged")
                if format_ == "parquet":
                    given = {**given, **lane.types_of({table: by_table[table] for table in tables})}
                objects = load(bucket, f"{format_}-{lane.short}", format_, folder / "objects", **given)
                for table in tables:
                    kind, (path,) = by_table[table], objects[table]
                    column = Column(kind.type, lane.has_text(kind, format_))
                    for reader in readers:
                        key = (reader.name, hashlib.sha256(path.read_bytes()).hexdigest(), column)
                        if key not in known:
                            known[key] = _verdict(reader, path, format_, column, kind)
                        yield Cell(kind, lane, format_, reader.name, known[key])


def _verdict(reader: Reader, path: Path, format_: str, column: Column, kind: Kind) -> Verdict:
    try:
        found = reader.read(path, format_, column)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return Verdict("refused", " ".join(str(error).split())[:150])
    return judge(kind, found)
