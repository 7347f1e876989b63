"""The wheel as a user installs it: what is in it, and what Airflow shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the checkout."""
    [built] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return Path(built)


def test_the_wheel_holds_types_licence_schema_and_example_dags(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    package = {name for name in names if name.startswith("airflow_provider_s3dest/")}
    assert {
        "airflow_provider_s3dest/py.typed",
        "airflow_provider_s3dest/destination_spec.schema.json",
        "airflow_provider_s3dest/sources/staging_format.schema.json",
        "airflow_provider_s3dest/example_dags/example_s3_destination.py",
        "airflow_provider_s3dest/example_dags/example_s3_destination_nycflights.py",
        "airflow_provider_s3dest/example_dags/example_s3_destination_shards.py",
    } <= package
    outside = names - package
    assert all(".dist-info/" in name for name in outside)
    assert any(name.endswith("/licenses/LICENSE") for name in outside)


def test_airflow_lists_the_example_dags_of_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:  # an installer does no more for a wheel of pure Python without scripts
        archive.extractall(installed)
    environment = {
        **os.environ,
        "PYTHONPATH": str(installed),
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }

    def airflow(*arguments: str) -> str:
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    airflow("db", "migrate")
    airflow("dags", "reserialize", "--bundle-name", "airflow-provider-s3dest-example-dags")
    listed = airflow("dags", "list", "-o", "json")
    dags = {dag["dag_id"]: dag["fileloc"] for dag in json.loads(listed[listed.index("[") :])}

    file_of = {
        "example_s3_destination": "example_s3_destination",
        "example_s3_destination_staging": "example_s3_destination",
        "example_s3_destination_nycflights": "example_s3_destination_nycflights",
        "example_s3_destination_shards": "example_s3_destination_shards",
        "example_s3_destination_copy": "example_s3_destination_copy",
        "example_s3_destination_decorator": "example_s3_destination_decorator",
        "example_s3_destination_cloudquery": "example_s3_destination_cloudquery",
        "example_s3_destination_connection": "example_s3_destination_connection",
        "example_s3_destination_assets": "example_s3_destination_assets",
        "example_s3_destination_assets_consumer": "example_s3_destination_assets",
        "example_s3_destination_sql": "example_s3_destination_sql",
    }
    assert {name: path for name, path in dags.items() if name.startswith("example_s3_destination")} == {
        name: str(installed / f"airflow_provider_s3dest/example_dags/{file}.py") for name, file in file_of.items()
    }
