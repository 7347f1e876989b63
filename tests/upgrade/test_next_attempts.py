"""The next attempt of a load that version 0.1.0 began: it delivers each record once, whatever the earlier ones left."""

from __future__ import annotations

import json

import pytest

from tests.servers import Bucket
from tests.upgrade import exactly_once, stored
from tests.upgrade.record import WORLDS_FOLDER, run_next_attempt
from tests.upgrade.worlds import WORLDS


def test_every_world_is_recorded() -> None:
    assert sorted(file.stem for file in WORLDS_FOLDER.iterdir()) == sorted(WORLDS)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("name", sorted({*WORLDS} - {"finished_without_an_id_then_other_tables"}))
def test_the_next_attempt_delivers_each_record_once(name: str, seaweedfs_recorded: Bucket) -> None:
    snapshot = json.loads((WORLDS_FOLDER / f"{name}.json").read_text())

    report, task_state = run_next_attempt(name, snapshot, seaweedfs_recorded)

    world = WORLDS[name]()
    exactly_once.check(seaweedfs_recorded, world, report, task_state)
    # And under the names that version 0.1.0 would have used, which may still run elsewhere.
    then = exactly_once.describe(seaweedfs_recorded, task_state, by_clock=world.by_hook)
    then["record"] = json.loads(stored.state_without_marks(json.dumps(then["record"])))
    assert then == snapshot["then"]


@pytest.mark.usefixtures("no_waits")
def test_surplus_that_does_not_tell_whose_it_is_stays_and_is_named(seaweedfs_recorded: Bucket) -> None:
    name = "finished_without_an_id_then_other_tables"
    snapshot = json.loads((WORLDS_FOLDER / f"{name}.json").read_text())

    with pytest.raises(Exception, match=r"raw/gone/2026\.json .* can't be deleted safely: an older version wrote it"):
        run_next_attempt(name, snapshot, seaweedfs_recorded)

    assert seaweedfs_recorded.keys("raw/gone/") == ["raw/gone/2026.json"]
