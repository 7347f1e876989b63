"""Small loads: ten records by the operator against one ``S3Hook.load_string``, and the import of the operator."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from itertools import count
from statistics import median
from types import SimpleNamespace
from typing import Any

from bench.cases import Target
from bench.contenders import ours
from bench.document import number, table
from bench.process import result_of
from bench.speed import target_of
from tests.servers.bulk_s3 import FORGOTTEN, BulkS3

_RECORDS = [{"id": position, "name": f"name {position}"} for position in range(10)]
_TEXT = "".join(f"{json.dumps(record)}\n" for record in _RECORDS)
_MOST, _MOST_CALLS, _MOST_IMPORT = 1.3, 4, 50
_HEAVY = ("boto3", "botocore", "pyarrow", "polars", "pandas", "numpy")

_OPERATOR, _LOAD_STRING = "the operator", "S3Hook.load_string"
_HELD, _HELD_LOAD_STRING = "the load alone, its client made before", "load_string of a hook that has its client"

_HEAD = f"""\
{len(_RECORDS)} records to one object of JSON in a warm process, by turns with a text of the same size, medians of the
rounds. A task makes its client anew, by either way; that is most of both. The operator's state lies in memory here, and
its calls are counted. Wanted are at most {_MOST:.1f} x the CPU and the wall of {_LOAD_STRING}, and {_MOST_CALLS}
calls."""

_IMPORT = """\
import sys, time
from airflow.providers.common.compat.sdk import BaseOperator
before, cpu, wall = set(sys.modules), time.process_time(), time.perf_counter()
import airflow_provider_s3dest.operators.s3_destination
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(cpu, wall, *({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def small_section(server: BulkS3, short: bool, say: Callable[[str], None]) -> str:
    """Measure small loads and the import, and write tables."""
    target = target_of(server, FORGOTTEN, "small")
    rounds = 10 if short else 40
    say(f"small loads, {rounds} rounds")
    measures, calls = result_of(_measure, target, rounds)
    return "\n\n".join(
        [
            _HEAD,
            table(
                ["load", "CPU ms", "wall ms", "x CPU", "x wall", "calls to the state"],
                [
                    _line(measures, _OPERATOR, _LOAD_STRING, str(calls)),
                    _line(measures, _LOAD_STRING),
                    _line(measures, _HELD, _HELD_LOAD_STRING),
                    _line(measures, _HELD_LOAD_STRING),
                ],
            ),
            _import_line(short),
        ]
    )


def _import_line(short: bool) -> str:
    _import_of()  # which leaves bytecode behind, as an installation does
    imports = [_import_of() for _ in range(5 if short else 15)]
    cpu, wall = (number(median(times) * 1e3) for times in zip(*(times for times, _ in imports), strict=True))
    heavy = sorted(set().union(*(heavy for _, heavy in imports)))
    return (
        f"Importing the operator's module in a process that has BaseOperator takes {cpu} ms of CPU and {wall} ms;\n"
        f"wanted are at most {_MOST_IMPORT}. Of {', '.join(_HEAVY)} it imports {' and '.join(heavy) or 'none'}."
    )


def _line(measures: Mapping[str, tuple[float, float]], name: str, against: str = "", calls: str = "") -> list[str]:
    own = measures[name]
    ratios = (
        [f"{value / least:.2f}" for value, least in zip(own, measures[against], strict=True)] if against else ["", ""]
    )
    return [name, *(number(value * 1e3) for value in own), *ratios, calls]


def _measure(target: Target, rounds: int) -> tuple[dict[str, tuple[float, float]], int]:
    """Run all by turns: medians of CPU and wall seconds by name, and the calls to the state in a load."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    logging.disable(logging.WARNING)  # Airflow says at each call of execute that a task runner should do it
    state = _State()
    held, spec = S3Hook(aws_conn_id="aws_default"), ours.spec_of(target, "json")
    ways: dict[str, Callable[[], Callable[[], object]]] = {
        _OPERATOR: lambda: _operator_run(target, state),
        _LOAD_STRING: lambda: lambda: _load_string(S3Hook(aws_conn_id="aws_default"), target),
        _HELD: lambda: lambda: ours.load(_RECORDS, spec),
        _HELD_LOAD_STRING: lambda: lambda: _load_string(held, target),
    }
    for prepare in (*ways.values(), *ways.values()):
        prepare()()
    state.calls = 0
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, prepare in ways.items():
            run = prepare()
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    medians = {name: (median(cpu for cpu, _ in own), median(wall for _, wall in own)) for name, own in taken.items()}
    return medians, -(-state.calls // rounds)


def _load_string(hook: Any, target: Target) -> None:
    hook.load_string(_TEXT, key=f"{target.prefix}/text", bucket_name=target.bucket, replace=True)


_NUMBERS = count()


def _operator_run(target: Target, state: _State) -> Callable[[], object]:
    """Prepare the execution of a task instance that never ran before."""
    from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator

    operator = S3DestinationOperator(
        task_id="load",
        records=_RECORDS,
        table="t",
        bucket=target.bucket,
        path=f"{target.prefix}/{{{{TABLE}}}}/{{{{UUID}}}}.{{{{FORMAT}}}}",
        format="json",
    )
    now = datetime.now(timezone.utc)
    context: Any = {
        "ti": SimpleNamespace(
            dag_id="bench", run_id=f"run {next(_NUMBERS)}", task_id="load", map_index=-1, try_number=1
        ),
        "dag_run": SimpleNamespace(logical_date=now, start_date=now),
        "task_state_store": state,
    }
    state.values.clear()
    return lambda: operator.execute(context)


class _State:
    """A task state store that costs nothing and counts its calls."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.calls = 0

    def get(self, key: str) -> Any:
        self.calls += 1
        return self.values.get(key)

    def set(self, key: str, value: Any, *, retention: object) -> None:
        self.calls += 1
        self.values[key] = value

    def delete(self, key: str) -> None:
        self.calls += 1
        self.values.pop(key, None)


def _import_of() -> tuple[tuple[float, float], set[str]]:
    """Import the operator in a new process: seconds of CPU and wall, and which heavy libraries came with it."""
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
    cpu, wall, *imported = done.stdout.split()
    return (float(cpu), float(wall)), {*imported} & {*_HEAVY}
