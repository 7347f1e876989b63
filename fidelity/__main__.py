"""``python -m fidelity``: reads back what the provider wrote, prints the matrix and writes docs/fidelity.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from fidelity.readers.reader import Reader
from tests import isolation
from tests.servers import Bucket, SeaweedFS
from tests.servers.postgresql import PostgreSQL

_READERS = ("duckdb", "clickhouse", "postgresql", "spark", "polars", "pandas", "pyarrow", "datafusion")


def main() -> None:
    """Run everything, or with some readers alone, print what they read without writing the page."""
    parser = argparse.ArgumentParser(prog="python -m fidelity", description=__doc__)
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(_READERS)}: print the matrix of these alone")
    asked = parser.parse_args().readers
    if unknown := set(asked) - set(_READERS):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(_READERS)}")
    isolation.begin()
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    try:
        sys.exit(_run(asked))
    finally:
        isolation.end()


def _run(asked: Sequence[str]) -> int:
    from fidelity import corpora, document, explanations
    from fidelity.loading import FORMATS, connected
    from fidelity.matrix import cells

    with ExitStack() as stack:
        server = stack.enter_context(SeaweedFS.running())
        stack.enter_context(connected(server))
        bucket = Bucket("fidelity", server)
        server.client().create_bucket(Bucket=bucket.name)
        readers = [_reader(name, stack) for name in asked or _READERS]
        found = list(cells(bucket, readers, FORMATS, say=_say))
        faults = explanations.faults(found, [reader.name for reader in readers])
        results = [] if asked else list(corpora.results(bucket, readers, _say))
    page = document.page(found, readers, results)
    if not asked:
        document.PATH.write_text(page, encoding="utf-8")
    print(page)
    faults += [f"{one.corpus} by {one.reader}: {one.difference}" for one in results if one.difference]
    for fault in faults:
        print(f"!! {fault}", file=sys.stderr)
    print(f"==> {len(found):,} cells, {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


def _reader(name: str, stack: ExitStack) -> Reader:
    match name:
        case "duckdb":
            from fidelity.readers.in_duckdb import DuckDB

            return DuckDB()
        case "clickhouse":
            from fidelity.readers.in_clickhouse import ClickHouse

            return ClickHouse()
        case "postgresql":
            from fidelity.readers.in_postgresql import Copy

            return Copy(stack.enter_context(PostgreSQL.running()))
        case "spark":
            from fidelity.readers.in_spark import Spark

            spark = Spark()
            stack.callback(spark.session.stop)
            return spark
        case "polars":
            from fidelity.readers.in_polars import Polars

            return Polars()
        case "pandas":
            from fidelity.readers.in_pandas import Pandas

            return Pandas()
        case "pyarrow":
            from fidelity.readers.in_pyarrow import PyArrow

            return PyArrow()
        case _:
            from fidelity.readers.in_datafusion import DataFusion

            return DataFusion()


def _say(text: str) -> None:
    print(f"==> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
