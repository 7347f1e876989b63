"""One measured run in a process of its own: CPU, wall and peak RSS."""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Measure:
    """What a run took.

    :param cpu: seconds of all its threads, user and system.
    :param wall: seconds.
    :param peak: bytes of resident memory at the most, above those after the imports, with records that are handed over
        in memory already and the client warm.
    """

    cpu: float
    wall: float
    peak: int


class RunFailed(Exception):
    """A run ended by an error; its text is the error's."""


def _forking() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.preloaded"])
    return context


_CONTEXT = _forking()


def measured(prepare: Callable[..., Callable[[], object]], *arguments: Any) -> Measure:
    """Prepare a run in a process of its own, and measure it alone.

    :param prepare: gives the run; a function of a module, as are those among the arguments.
    :raises RunFailed: if it or the run ends by an error.
    """
    measure: Measure = result_of(_measure, prepare, *arguments)
    return measure


def result_of(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, and give what it gives, which must be no text.

    :param function: a function of a module, as are those among the arguments.
    :raises RunFailed: if it ends by an error.
    """
    told, tells = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_call, args=(tells, function, arguments))
    process.start()
    tells.close()
    try:
        outcome = told.recv()
    except EOFError:
        process.join()
        raise RunFailed(f"the process ended with {process.exitcode}") from None
    process.join()
    if isinstance(outcome, str):
        raise RunFailed(outcome)
    return outcome


def _call(tells: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        tells.send(function(*arguments))
    except BaseException as error:
        tells.send("".join(traceback.format_exception_only(error)).strip())


def _measure(prepare: Callable[..., Callable[[], object]], *arguments: Any) -> Measure:
    run = prepare(*arguments)
    before = _begin_peak()
    wall, cpu = time.perf_counter(), _cpu()
    run()
    cpu, wall = _cpu() - cpu, time.perf_counter() - wall
    return Measure(cpu, wall, _status("VmHWM") - before)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _begin_peak() -> int:
    """Let the kernel forget the peak so far, and give the bytes that are resident."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
