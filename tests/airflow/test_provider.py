"""What Airflow sees of the provider: its metadata, connection type and example DAGs, and the cost of importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airflow.providers.common.compat.sdk import task
from airflow.providers_manager import ProvidersManager

import airflow_provider_s3dest
from airflow_provider_s3dest.get_provider_info import get_provider_info
from tests.airflow import versions

ROOT = Path(airflow_provider_s3dest.__file__).parents[1]


def test_the_entry_point_gives_metadata_that_airflows_own_schema_accepts() -> None:
    [entry_point] = [point for point in entry_points(group="apache_airflow_provider") if "s3dest" in point.value]
    info = entry_point.load()()

    assert info == get_provider_info()
    assert info["package-name"] == "airflow-provider-s3dest"
    assert version(info["package-name"]) == airflow_provider_s3dest.__version__
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(info, schema)


def test_airflow_knows_the_provider_and_its_connection_type() -> None:
    manager: Any = ProvidersManager()  # type: ignore[no-untyped-call]

    assert "airflow-provider-s3dest" in manager.providers
    hook = manager.hooks["s3_destination"]
    assert hook is not None
    assert hook.hook_class_name == "airflow_provider_s3dest.hooks.s3_destination.S3DestinationHook"
    assert hook.hook_name == "S3 Destination"


def test_the_modules_that_the_metadata_names_can_be_imported() -> None:
    info = get_provider_info()
    for kind in ("operators", "hooks"):
        for integration in info[kind]:
            for module in integration["python-modules"]:
                __import__(module)


def test_airflow_knows_the_decorator() -> None:
    from airflow_provider_s3dest.decorators.s3_destination import s3_destination_task

    assert task.s3_destination is s3_destination_task


@pytest.mark.parametrize(
    "module", ["operators.s3_destination", "decorators.s3_destination", "hooks.s3_destination", "spec"]
)
def test_importing_loads_no_heavy_library(module: str) -> None:
    """DAG parsing imports the operator of every DAG, every time."""
    program = (
        "import sys; from airflow.providers.common.compat.sdk import BaseOperator, BaseHook; "
        f"before = set(sys.modules); import airflow_provider_s3dest.{module}; new = set(sys.modules) - before; "
        "print(*sorted(new & {'boto3', 'botocore', 'pyarrow', 'polars', 'pandas', 'numpy', 's3fs'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_the_ground_floor_knows_nothing_of_airflow() -> None:
    program = (
        "import sys; import airflow_provider_s3dest.load.run, airflow_provider_s3dest.load.arguments, "
        "airflow_provider_s3dest.delivery.uploader, airflow_provider_s3dest.sources.shards, "
        "airflow_provider_s3dest.sources.python_records, airflow_provider_s3dest.spec.json_schema; "
        "print(*(name for name in sys.modules if name.partition('.')[0] == 'airflow'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_the_example_dags_parse() -> None:
    bag = versions.parsed(str(ROOT / "example_dags"))

    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "example_s3_destination",
        "example_s3_destination_staging",
        "example_s3_destination_nycflights",
        "example_s3_destination_shards",
        "example_s3_destination_sql",
        "example_s3_destination_copy",
        "example_s3_destination_decorator",
        "example_s3_destination_cloudquery",
        "example_s3_destination_connection",
        "example_s3_destination_assets",
        "example_s3_destination_assets_consumer",
    }
