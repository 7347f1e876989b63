"""Loads one file in every way, and compares the objects with the file."""

from __future__ import annotations

import gc
import gzip
import importlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from airflow_provider_s3dest.errors import S3DestinationError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from fidelity.files import originals, written
from fidelity.files.outcomes import ENDINGS, Result
from fidelity.files.sameness import difference

# What a load imports when it needs it, so that no process imports it again.
for _name in ("formats.encoders", "formats.parquet", "formats.arrow.json", "records.arrow.typed_table"):
    importlib.import_module(f"airflow_provider_s3dest.{_name}")
for _name in ("pandas", "pyarrow.dataset"):
    importlib.import_module(_name)

_WAYS: Mapping[str, Mapping[str, Any]] = {
    "csv": {"format": "csv"},
    # No staged line passes through where all fields are quoted.
    "csv quoted": {"format": "csv", "format_spec": {"quoting": "all"}},
    "csv.gz": {"format": "csv", "compression": "gzip"},
    "json": {"format": "json"},
    "json.gz": {"format": "json", "compression": "gzip"},
    "parquet": {"format": "parquet"},
}


# Made once, in the process that all others are forked from.
_HOOK = S3DestinationHook()
_CLIENT = _HOOK.get_conn()


def run(path: Path, bucket: str, prefix: str, answers: Connection) -> None:
    """Send the name of each way as it begins, and its result as it ends."""
    gc.freeze()  # else the garbage collector walks through all of Airflow, again and again
    with tempfile.TemporaryDirectory(prefix="corpora-") as home:
        ending = next(one for one in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(one))
        # Under a name in which nothing is a wildcard.
        staged = Path(home, f"file{ending}")
        staged.write_bytes(path.read_bytes())
        original: originals.Original | Exception | None = None
        for way, spec in _WAYS.items():
            answers.send(way)
            try:
                objects = _loaded(staged, bucket, f"{prefix}/{way.replace(' ', '-')}", spec)
            except S3DestinationError as error:
                answers.send(Result(way, "refused", _one_line(error, home)))
                continue
            except Exception as error:
                answers.send(Result(way, "foreign exception", f"{type(error).__name__}: {_one_line(error, home)}"))
                continue
            if original is None:
                original = _original(staged, ending)
            answers.send(_compared(way, original, objects, Path(home)))
    answers.close()
    os._exit(0)  # what is frozen would be reported as leaked


def _loaded(staged: Path, bucket: str, prefix: str, spec: Mapping[str, Any]) -> list[bytes]:
    path = f"{prefix}/{{{{TABLE}}}}/{{{{BATCH}}}}-{{{{UUID}}}}.{{{{FORMAT}}}}"
    _HOOK.load(staging_path=str(staged), table="t", bucket=bucket, path=path, **spec)
    listed = _CLIENT.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    bodies = [_CLIENT.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in listed]
    return [gzip.decompress(body) if "compression" in spec else body for body in bodies]


def _original(staged: Path, ending: str) -> originals.Original | Exception:
    content = staged.read_bytes()
    try:
        if ending.endswith(".gz"):
            content = gzip.decompress(content)
        return originals.read(content, ending.removesuffix(".gz"), staged.parent)
    except Exception as error:
        return error


def _compared(way: str, original: originals.Original | Exception, objects: Sequence[bytes], home: Path) -> Result:
    if isinstance(original, Exception):
        return Result(way, "differs", f"loaded, and no other reader reads it: {_one_line(original, str(home))}")
    format_ = way.partition(".")[0].partition(" ")[0]
    agreed = []
    unread = []
    for name, reader in written.READERS[format_].items():
        try:
            tables = [reader(body, home) for body in objects]
        except Exception as error:
            unread.append(f"{name}: {type(error).__name__}: {_one_line(error, str(home))}")
            continue
        if told := difference(original, tables, format_):
            return Result(way, "differs", f"read by {name}, {told}")
        agreed.append(name)
    if not agreed:
        return Result(way, "differs", f"no reader reads the object: {'; '.join(unread)}")
    return Result(way, "equal", f"unread by {'; '.join(unread)}" if unread else "")


def _one_line(error: Exception, home: str) -> str:
    return ascii(" ".join(str(error).split()).replace(f"{home}/", ""))[1:-1][:300]
