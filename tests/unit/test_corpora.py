"""What `make corpora` compares: a value that arrives changed is not equal, however a reader returns it."""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import signal
import subprocess
import sys
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fidelity.files import originals, written
from fidelity.files.sameness import difference, is_same

ID = UUID("6f1c1f4e-5f0e-4d36-9f8e-0242ac120002")


@pytest.mark.parametrize(
    ("value", "same", "other"),
    [
        (None, [None], ["", 0, "null"]),
        ("", [""], [None]),
        (True, [True, "true"], [1, "True", False]),
        (7, [7, "7", Decimal(7)], [8, "7.5", True, "x", None]),
        (0.1, [0.1, "0.1", 0.10000000149011612], ["0.2", "NaN", None]),
        (math.nan, [math.nan, "NaN", None], [0.0, "x"]),
        (Decimal("1.10"), ["1.10", 1.1], ["1.1000000001"]),
        ("007", ["007"], ["7", 7]),
        (b"\x00", [b"\x00", "AA=="], [b"", "AQ=="]),
        (datetime(2024, 1, 2), ["2024-01-02T00:00:00"], ["2024-01-02T00:00:00+00:00", "2024-01-03T00:00:00", "x"]),
        (datetime(2024, 1, 2, tzinfo=timezone.utc), ["2024-01-02T01:00:00+01:00"], ["2024-01-02T00:00:00"]),
        (time(1), ["01:00:00"], ["02:00:00"]),
        (timedelta(1), [timedelta(1), "P1D"], ["P2D"]),
        (ID, [ID, str(ID), ID.bytes], [ID.hex]),
        ([1, {"a": None}], [[1, {"a": None}], '[1,{"a":null}]', [1, {}]], [[1, {"a": 0}], "[1]"]),
        ({"a": 1}, [[("a", 1)], {"a": 1, "b": None}], [{"a": 1, "b": 0}, {}]),
        ('{"a": 1}', ['{"a": 1}', {"a": 1}], [{"a": 2}]),
    ],
)
def test_a_value_is_the_same_only_if_nothing_of_it_changed(value: Any, same: list[Any], other: list[Any]) -> None:
    assert [found for found in same if not is_same(value, found)] == []
    assert [found for found in other if is_same(value, found)] == []


def test_files_and_objects_are_read_and_compared(tmp_path: Path) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": ["x", None], "b": [1.5, 2.0]}), out)
    typed = originals.read(out.getvalue(), ".parquet", tmp_path)
    lines = originals.read(b'{"a":"x","b":1.50}\n\n{"b":2}\n', ".json", tmp_path)
    texts = originals.read(b'\xef\xbb\xbfa,b\r\n"x",1.5\r\n,2.0\r\n', ".csv", tmp_path)
    bodies = {
        "csv": b"a,b\nx,1.5\n,2.0\n",
        "json": b'{"a":"x","b":1.5}\n{"a":null,"b":2.0}\n',
        "parquet": out.getvalue(),
    }
    for format_, body in bodies.items():
        for reader in written.READERS[format_].values():
            found = [reader(body, tmp_path)]
            for original in (typed, lines):
                assert difference(original, found, format_) == ""
            assert "record 1" in difference(originals.Original(["a", "b"], [["y", 1.5], [None, 2]]), found, format_)
            assert "2 records for 1" in difference(originals.Original(["a", "b"], [["x", 1.5]]), found, format_)
    assert difference(texts, [written.READERS["csv"]["DuckDB"](bodies["csv"], tmp_path)], "csv") == ""


def _end_by_signal(_path: Path, _bucket: str, _prefix: str, answers: Any) -> None:
    answers.send("csv")
    os.kill(os.getpid(), signal.SIGKILL)


def _never_end(_path: Path, _bucket: str, _prefix: str, answers: Any) -> None:
    answers.send("json")
    signal.pause()


def test_crash_and_timeout_are_outcomes() -> None:
    from fidelity.files.__main__ import in_a_process

    context = multiprocessing.get_context("fork")
    [crash] = in_a_process(context, 60, (_end_by_signal, 0, Path("x")))
    assert (crash.way, crash.outcome) == ("csv", "crash")
    [timeout] = in_a_process(context, 1, (_never_end, 0, Path("x")))
    assert (timeout.way, timeout.outcome) == ("json", "timeout")


def test_without_a_folder_it_says_what_to_give() -> None:
    answer = subprocess.run([sys.executable, "-m", "fidelity.files"], capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "make corpora CORPORA=" in answer.stderr
