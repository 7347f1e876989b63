"""``python -m fidelity.files FOLDER``: loads each file of a folder in every format, and reads the objects back."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fidelity.files.outcomes import ENDINGS, FAULTS, Result
from fidelity.loading import connected
from tests import isolation
from tests.servers import SeaweedFS

BUCKET = "corpora"


def main() -> None:
    """Run all files, print a line for each outcome, and end with 1 if one of them is a fault."""
    parser = argparse.ArgumentParser(prog="python -m fidelity.files", description=__doc__)
    parser.add_argument("folder", nargs="*", type=Path, help=f"files or folders; files end with {', '.join(ENDINGS)}")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one file (60)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="files at a time (one a CPU)")
    parser.add_argument("--faults", action="store_true", help="print the faults alone, and the numbers")
    given = parser.parse_args()
    if not given.folder:
        parser.error("name a folder of files: make corpora CORPORA=path/of/folder")
    if missing := [str(path) for path in given.folder if not path.exists()]:
        parser.error(f"there is no {', '.join(missing)}")
    paths = list(dict.fromkeys(path for folder in given.folder for path in _files(folder)))
    if not paths:
        parser.error(f"no file ends with {', '.join(ENDINGS)}")
    isolation.begin()
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    try:
        sys.exit(_run(paths, given))
    finally:
        isolation.end()


def _files(path: Path) -> Iterator[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    yield from (one for one in found if one.is_file() and one.name.lower().endswith(ENDINGS))


def _run(paths: Sequence[Path], given: argparse.Namespace) -> int:
    # The fork server has imported all that a file needs, and has no threads: a process for each file costs little.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fidelity.files.one_file"])
    worst: Counter[str] = Counter()
    with SeaweedFS.running() as server, connected(server), ThreadPoolExecutor(given.processes) as pool:
        server.client().create_bucket(Bucket=BUCKET)
        from fidelity.files.one_file import run

        one_by_one = ((run, number, path) for number, path in enumerate(paths))
        all_results = pool.map(partial(in_a_process, context, given.timeout), one_by_one)
        for path, results in zip(paths, all_results, strict=True):
            worst[max((one.outcome for one in results), key=_severity)] += 1
            _print(path, [one for one in results if not given.faults or one.outcome in FAULTS])
    print(f"==> {len(paths):,} files: " + ", ".join(f"{count:,} {outcome}" for outcome, count in worst.most_common()))
    return 1 if any(worst[outcome] for outcome in FAULTS) else 0


def _severity(outcome: str) -> int:
    return ("equal", "refused", *FAULTS).index(outcome)


def in_a_process(context: Any, timeout: float, one: tuple[Callable[..., None], int, Path]) -> list[Result]:
    """Run one file in a process of its own, and return what became of it, even if the process does not end well.

    :param one: the function that runs a file; a number, for the keys; the file.
    """
    run, number, path = one
    reading, writing = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(path, BUCKET, str(number), writing), daemon=True)
    process.start()
    writing.close()
    results: list[Result] = []
    way, stop = "", time.monotonic() + timeout
    try:
        while reading.poll(max(0, stop - time.monotonic())):
            message = reading.recv()
            if isinstance(message, str):
                way = message  # the way that is begun, which the process may not survive
            else:
                results.append(message)
    except EOFError:
        process.join()
        if process.exitcode:
            results.append(Result(way, "crash", f"the process ended with {process.exitcode}"))
        return results
    process.kill()
    process.join()
    return [*results, Result(way, "timeout", f"more than {timeout:g} s")]


def _print(path: Path, results: Sequence[Result]) -> None:
    ways: dict[tuple[str, str], list[str]] = {}
    for one in results:
        ways.setdefault((one.outcome, one.text), []).append(one.way)
    for (outcome, text), names in ways.items():
        print(f"{path} | {', '.join(names)} | {outcome} | {text}".rstrip(" |"), flush=True)


if __name__ == "__main__":
    main()
