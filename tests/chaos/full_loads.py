"""Loads that set bad records aside and write a manifest and table definitions, and what all of that must be."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import Any
from uuid import uuid4
from zlib import crc32

from pyarrow import parquet

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.delivery.load_state import BatchRanges
from airflow_provider_s3dest.report import LoadReport
from tests.chaos.loads import BATCH_SIZE, Load, Tables, bodies, is_bad
from tests.integration.loading import load

SCHEMA = {"n": "int64", "text": "string"}
SIDECARS = ("_manifest", "_ddl")
"""The folders of what tells of the objects."""

DIALECTS = ("athena", "redshift")


@dataclass(frozen=True)
class FullLoad(Load):
    """A load of all that can lie beside the data too."""

    format: str = "json"

    @property
    def kind(self) -> str:
        """Its name in `KINDS`."""
        return self.format

    def settings(self) -> dict[str, Any]:
        """Return what every attempt of the load is told."""
        return {
            **super().settings(),
            "format": self.format,
            "path": self.folder + "{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}",
            "schema": SCHEMA,
            "on_bad_record": "quarantine",
            "quarantine_path": self.folder + "_quarantine/{{TABLE}}/{{BATCH}}-{{UUID}}.json",
            "manifest": "s3dest",
            "ddl": list(DIALECTS),
        }

    def expected(self, wanted: Tables) -> dict[str, list[bytes]]:
        """Tell what the objects of each folder must hold: what a load of the same, which nothing befell, wrote."""
        twin = replace(self, atomic=False, keeps_state=False, name=str(uuid4()))
        load(self.bucket, wanted, None, **twin.settings())
        found = twin.found()
        del found["_manifest"]
        own = {
            folder: [body.replace(twin.folder.encode(), self.folder.encode()) for body in written]
            for folder, written in found.items()
        }
        self._assert_meant(own, wanted)
        return {**own, "_manifest": [self._manifest(own, wanted)]}

    def assert_exact(self, wanted: Tables, report: LoadReport, open_uploads: Sequence[str] = ()) -> None:
        """Check also that the state of the load names what is there, and nothing else."""
        super().assert_exact(wanted, report, open_uploads)
        state = self.load_state()
        assert self.keys() == sorted({*self._keys_of(state.live), *(key for _, key in state.sidecars)})
        assert [state.pending, state.doomed, state.uploads, state.old_sidecars] == [[], [], [], []]

    def assert_sound(self, *, written: bool) -> None:
        """Check that an attempt that died left nothing that the next can't find, and nothing that is wrong.

        :param written: whether it had begun to write records.
        """
        state, there = self.load_state(), self.keys()
        sidecars = {key for _, key in state.sidecars + state.old_sidecars}
        assert {*there} <= sidecars | self._keys_of(state.live + state.pending + state.doomed)
        beside = [key for key in there if key.removeprefix(self.folder).startswith(SIDECARS)]
        if not self.atomic and written and not state.sidecars:
            assert beside == []
        if beside:
            assert self._keys_of(state.live) <= {*there}
        for key in beside:
            if "/_manifest/" in key:
                for table in json.loads(self.bucket.read(key))["tables"].values():
                    for one in table["objects"]:
                        body = self.bucket.read(one["uri"].removeprefix(f"s3://{self.bucket.name}/"))
                        assert (one["bytes"], one["crc32"]) == (len(body), _checksum(body))

    def _keys_of(self, several: Sequence[BatchRanges]) -> set[str]:
        identity = LoadIdentity.of_load_id(self.name)
        return {key for names in several for _, key in names.keys(identity)}

    def _assert_meant(self, written: Mapping[str, Sequence[bytes]], wanted: Tables) -> None:
        """Check that each folder holds what it must, however it is spelled."""
        good = {name: [record for record in records if not is_bad(record)] for name, records in wanted.items()}
        definitions = [len(DIALECTS) * len(wanted)]
        assert [len(own) for folder, own in written.items() if folder == "_ddl"] == definitions
        for name, records in wanted.items():
            if self.format == "json":
                assert written[name] == bodies(good)[name]
            else:
                assert [parquet.read_table(BytesIO(body)).to_pylist() for body in written[name]] == _cut(good[name])
            bad = [{"index": index, "record": record} for index, record in enumerate(records) if is_bad(record)]
            aside = [
                [{part: json.loads(line)[part] for part in ("index", "record")} for line in body.splitlines()]
                for body in written.get(f"_quarantine/{name}", [])
            ]
            assert aside == _cut(bad)

    def _manifest(self, written: Mapping[str, Sequence[bytes]], wanted: Tables) -> bytes:
        """Spell the manifest of what is there."""
        tables = {}
        for name, records in wanted.items():
            good = _cut([record for record in records if not is_bad(record)])
            keys = [key for key in self.keys() if key.startswith(f"{self.folder}{name}/")]
            objects = [
                {
                    "uri": f"s3://{self.bucket.name}/{key}",
                    "records": len(own),
                    "bytes": len(body),
                    "crc32": _checksum(body),
                }
                for key, own, body in zip(keys, good, written[name], strict=False)
            ]
            tables[name] = {
                "columns": list(SCHEMA),
                "records": sum(map(len, good)),
                "bytes": sum(map(len, written[name])),
                "objects": objects,
            }
        document = {"version": 1, "format": self.format, "compression": "", "tables": tables}
        return json.dumps(document, ensure_ascii=False, indent=1).encode()


KINDS: Mapping[str, Callable[..., Load]] = {
    "data": Load,
    "json": partial(FullLoad, format="json"),
    "parquet": partial(FullLoad, format="parquet"),
}
"""Makes a load of data alone, or one with all that can lie beside the data, by its format."""


def _cut(records: Sequence[Any]) -> list[list[Any]]:
    return [list(records[begin : begin + BATCH_SIZE]) for begin in range(0, len(records), BATCH_SIZE)]


def _checksum(body: bytes) -> str:
    return b64encode(crc32(body).to_bytes(4, "big")).decode()
