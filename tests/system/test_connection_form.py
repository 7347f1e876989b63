"""The connection's form in Airflow's UI, filled in and saved by a browser, and the loads that obey what it saved."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from tests.servers import Bucket, SeaweedFS
from tests.system.airflow_server import AirflowServer, wait_for
from tests.system.browser import ConnectionForm, chromium

pytestmark = pytest.mark.slow

DAGS = Path(__file__).parent / "form_dags"
PATH = "form/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"


@pytest.fixture(scope="module")
def airflow(seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """An Airflow of this module's own, whose database has an AWS connection only."""
    settings = {"AIRFLOW__CORE__TEST_CONNECTION": "Enabled"}
    with AirflowServer.running(tmp_path_factory.mktemp("airflow"), DAGS, settings) as server:
        server.create_connection("seaweedfs", json.loads(seaweedfs.connection()))
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    """A browser for all tests of this module."""
    with chromium() as opened:
        yield opened


def saved(airflow: AirflowServer, conn_id: str) -> dict[str, Any]:
    """Return the fields of the extra that are stored of a connection, and see that it has nothing besides."""
    connection = airflow.call("GET", f"/connections/{conn_id}")
    assert connection["conn_type"] == "s3_destination"
    assert not any(connection[name] for name in ("host", "schema", "login", "password", "port"))
    return {name: value for name, value in json.loads(connection["extra"]).items() if value is not None}


def told_by_the_test(airflow: AirflowServer, conn_id: str) -> str:
    """Test a stored connection, which fails, and give what is said of it."""
    connection = airflow.call("GET", f"/connections/{conn_id}")
    tested = airflow.call("POST", "/connections/test", connection)
    assert not tested["status"]
    message: str = tested["message"]
    return message


def failed_load(airflow: AirflowServer, conn_id: str) -> str:
    """Load by a connection, which fails at once, and give the log."""
    run = airflow.trigger("connected", {"connection": conn_id})
    assert run.wait() == "failed"
    return run.log("load")


def test_saves_what_a_load_obeys(airflow: AirflowServer, browser: WebDriver, lake: Bucket) -> None:
    form = ConnectionForm(browser, airflow, "filled_in")
    form.open("Extra Fields")
    form.type(bucket=lake.name, path=PATH, batch_size="10", batch_size_bytes="100000", aws_conn_id="seaweedfs")
    form.select(format="csv", compression="gzip")
    form.write("Options of the format", '{"delimiter": ";"}')
    form.save()

    assert saved(airflow, "filled_in") == {
        "bucket": lake.name,
        "path": PATH,
        "format": "csv",
        "format_spec": {"delimiter": ";"},
        "compression": "gzip",
        "batch_size": 10,
        "batch_size_bytes": 100_000,
        "aws_conn_id": "seaweedfs",
    }
    run = airflow.trigger("connected", {"connection": "filled_in"})
    assert run.wait() == "success"
    objects = [gzip.decompress(content).decode().splitlines() for content in lake.objects("form/orders/").values()]
    assert [len(lines) for lines in objects] == [11, 11, 6]
    assert objects[2] == ["id;name", *(f"{number};name {number}" for number in range(20, 25))]
    assert all(key.endswith(".csv.gz") for key in lake.objects())


def test_shows_no_field_that_does_not_apply_and_suggests_what_may_stand_in_the_others(
    airflow: AirflowServer, browser: WebDriver
) -> None:
    form = ConnectionForm(browser, airflow, "looked_at")
    form.open("Standard Fields")
    assert form.standard_fields() == ["description"]

    form.open("Extra Fields")
    assert form.suggestions("bucket") == ["my-bucket"]
    assert form.suggestions("path")[0] == "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}"
    assert form.suggestions("aws_conn_id") == ["aws_default"]
    wait_for(lambda: "Maximum, at least 1; empty: 10,000." in form.text, "the section to unfold")


def test_lets_no_letters_into_a_number_and_saves_no_malformed_json(airflow: AirflowServer, browser: WebDriver) -> None:
    form = ConnectionForm(browser, airflow, "malformed")
    form.open("Extra Fields")
    form.type(batch_size="many 7")
    assert form.field("batch_size").get_attribute("value") == "7"

    form.write("Tags", '{"team" data}')
    wait_for(lambda: "SyntaxError: Expected ':' after property name" in form.text, "the fault to be shown")
    assert not form.may_be_saved


def test_saves_numbers_out_of_range_and_the_test_and_the_load_say_which(
    airflow: AirflowServer, browser: WebDriver
) -> None:
    form = ConnectionForm(browser, airflow, "out_of_range")
    form.open("Extra Fields")
    form.type(bucket="nobodys", path=PATH, batch_size="0", batch_size_bytes="1.5")
    form.select(format="csv")
    form.save()

    for told in (told_by_the_test(airflow, "out_of_range"), failed_load(airflow, "out_of_range")):
        assert "input should be greater than or equal to 1, not ***" in told
        assert "input should be a valid integer, not ***" in told
        assert "`batch_size`" in told
        assert "`batch_size_bytes`" in told


def test_saves_any_json_as_the_extra_and_the_test_and_the_load_say_what_is_wrong_with_it(
    airflow: AirflowServer, browser: WebDriver
) -> None:
    form = ConnectionForm(browser, airflow, "by_hand")
    form.open("Extra Fields JSON")
    form.write("Extra Fields JSON", '{"bucket": "nobodys", "no_rotate": true, "batch_size": "many", "formt": "csv"}')
    form.save()

    for told in (told_by_the_test(airflow, "by_hand"), failed_load(airflow, "by_hand")):
        assert "input should be a valid integer, not ***" in told
        assert "`formt`" in told
        assert "Did you mean `format`?" in told
