"""``python -m bench``: measures, and writes what it measured into docs/performance.md and docs/profiles.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench import document
from bench.cases import connect
from tests.servers.bulk_s3 import BulkS3

Measuring = Callable[[BulkS3, bool, Callable[[str], None]], dict[str, str]]


def speed(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure all contenders, and the targets."""
    from bench.speed import measure_speed
    from bench.speed_tables import contenders_section, targets_section

    size = "short" if short else "full"
    results = measure_speed(server, size, 3 if short else 5, say)
    return {"Targets": targets_section(results, size), "Against others": contenders_section(results, size)}


def small(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure loads of a few records, and the import of the operator."""
    from bench.small import small_section

    return {"Small loads": small_section(server, short, say)}


def growth(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure loads of more and more tables, objects and columns."""
    from bench.growth import growth_section

    return {"Growth": growth_section(server, short, say)}


def memory(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure the peak of resident memory over large inputs, and over inputs of which one thing is large."""
    from bench.large import large_section
    from bench.memory import memory_section

    return {"Large things": large_section(server, say), "Memory": memory_section(server, short, say)}


def queries(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure queries against SqlToS3Operator."""
    from bench.queries import queries_section

    return {"Queries": queries_section(server, short, say)}


def scale_out(server: BulkS3, short: bool, say: Callable[[str], None]) -> dict[str, str]:
    """Measure shards under a real Airflow."""
    from bench.scale_out import scale_out_section

    return {"Scaling out": scale_out_section(server, short, say)}


_PARTS: dict[str, Measuring] = {
    "speed": speed,
    "small": small,
    "growth": growth,
    "queries": queries,
    "scale-out": scale_out,
    "memory": memory,
}
_PROFILES = "profiles"
_KNOWN = (*_PARTS, _PROFILES)
_DEFAULT = ("speed", "small", "growth", "queries", "scale-out")
_DEFAULT_SHORT = ("speed", "small", "growth")


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(_KNOWN)}; by default {', '.join(_DEFAULT)}")
    parser.add_argument("--short", action="store_true", help="less of it, to see that it works")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(_KNOWN):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(_KNOWN)}")
    only = f" ONLY='{' '.join(asked.parts)}'" if asked.parts else ""
    command = f"make bench{' SHORT=1' if asked.short else ''}{only}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server ends, and its objects go
    with _server() as server:
        for part in asked.parts or (_DEFAULT_SHORT if asked.short else _DEFAULT):
            if part == _PROFILES:
                from bench.profiles import profiles_section

                document.write_profiles(profiles_section(server, asked.short, _say), command)
            else:
                document.write(_PARTS[part](server, asked.short, _say), command)
    for page in (document.PATH, document.PROFILES):
        print(page.read_text(encoding="utf-8"))


@contextmanager
def _server() -> Iterator[BulkS3]:
    """Run the S3 server, and let all that is started here lead to it, in an Airflow of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home, BulkS3.running() as server:
        os.environ["AIRFLOW_HOME"] = home
        connect(server.endpoint_url, server.access_key, server.secret_key, server.region, server.certificate)
        yield server


_BEGAN = time.monotonic()


def _say(text: str) -> None:
    print(f"==> {time.monotonic() - _BEGAN:4.0f} s: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
