"""A load stores what version 0.1.0 stored: keys, bytes, headers, checksums, the record of the load.

Its report is the same too.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.servers import Bucket
from tests.upgrade import stored
from tests.upgrade.loads import LOADS
from tests.upgrade.record import RECORDED_LOADS, run_load

WORDING_IS_HELD = True
"""Whether the reasons in bad records and the comments in table definitions must stay, which no retry depends on."""

MARKED = ("names_without_an_id", "partitions_of_one_object_each", "beside_manifest_for_redshift")
"""Loads with keys that do not identify them: their objects now carry their identity beside what was recorded."""

RECORDED: dict[str, Any] = json.loads(RECORDED_LOADS.read_text())


def test_every_load_is_recorded() -> None:
    assert list(RECORDED["loads"]) == list(LOADS)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", LOADS)
def test_a_load_stores_what_was_recorded(name: str, moto_recorded: Bucket) -> None:
    load, recorded = LOADS[name](), RECORDED["loads"][name]

    found = json.loads(json.dumps(run_load(name, load, moto_recorded)))
    if not WORDING_IS_HELD:
        found, recorded = stored.without_wording(found), stored.without_wording(recorded)

    if name in MARKED:
        assert found != recorded
        found = stored.without_marks(found)

    # Keys, cuts, row groups and contents are the same with every version of the libraries.
    assert stored.without_compressed_bytes(found) == stored.without_compressed_bytes(recorded)
    # What pyarrow makes of a table, and isal and zlib of a text, is the same with the same version only.
    versions = stored.library_versions()
    if all(versions[library] == RECORDED["versions"][library] for library in load.compresses_with):
        assert found == recorded
