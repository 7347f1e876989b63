"""Airflow's task state store keeps the state of a load, and refuses attempts that were superseded."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.operators.task_state_store import KEY
from tests.servers import Bucket
from tests.servers.fault_proxy import FaultProxy
from tests.servers.postgresql import PostgreSQL
from tests.system.airflow_server import AirflowServer, wait_for

pytestmark = pytest.mark.slow


def test_the_store_refuses_a_superseded_attempt_and_gives_the_next_what_the_first_wrote(
    airflow: AirflowServer, tmp_path: Path
) -> None:
    outcomes = tmp_path / "outcomes"
    run = airflow.trigger("owners", {"outcomes": str(outcomes)})
    wait_for(outcomes.with_suffix(".began").exists, "the first try to own the load")
    run.clear()
    outcomes.with_suffix(".cleared").touch()
    wait_for(outcomes.exists, "the first try to find itself superseded")

    assert json.loads(outcomes.read_text()) == {
        "get": "default",
        "set": 404,
        "delete": 404,
        "peek": None,
        "verify": "superseded",
        "write": "superseded",
        "update": "superseded",
        "update of another": "superseded",
    }
    assert run.wait() == "success"
    assert run.task("own")["try_number"] == 2
    assert run.xcom("own") == {"found": "the first try's", "wrote": True}
    entries = run.state_store("own")
    assert entries.keys() == {KEY, *entries[KEY]["value"]["chunks"]}  # and nothing is left of earlier texts
    assert {entry["expires_at"] for entry in entries.values()} == {None}


@pytest.mark.parametrize("mode", ["plain", "atomic"])
def test_the_state_of_a_success_names_its_objects_and_lasts_as_long_as_the_run(
    airflow: AirflowServer, database: PostgreSQL, lake: Bucket, proxy: FaultProxy, tmp_path: Path, mode: str
) -> None:
    upstream = tmp_path / "input"
    upstream.write_text(json.dumps([{"id": number, "input": "first"} for number in range(5)]))
    run = airflow.trigger(f"handed_over_{mode}", {"bucket": lake.name, "input": str(upstream)})
    assert run.wait() == "success"

    entries = run.state_store("load")
    assert list(entries) == [KEY]
    assert entries[KEY]["expires_at"] is None
    record = LoadState.from_text(entries[KEY]["value"]["text"])
    assert [(dict(names.ranges), names.committed) for names in record.live] == [({("t", ""): (0, 3)}, True)]
    assert not record.pending + record.doomed
    assert not record.uploads

    run.delete()
    with closing(psycopg2.connect(f"postgresql://{database.address}")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key FROM task_state_store WHERE run_id = %s", [run.run_id])
        assert cursor.fetchall() == []
