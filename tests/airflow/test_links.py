"""Links in the view of a task: where they lead, and where there is none."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_s3dest.get_provider_info import get_provider_info
from airflow_provider_s3dest.operators.links import S3ConsoleLink, S3ManifestLink, links_of
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.report import LoadReport, TableReport
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def report(*prefixes: str, manifest: str | None = None, bucket: str = "lake") -> LoadReport:
    """Return the report of a load with a table at each prefix."""
    tables = {f"t{number}": TableReport(1, 1, 1, ["id"], prefix) for number, prefix in enumerate(prefixes)}
    return LoadReport(1, 1, 1, bucket, tables, [], manifest)


def meta(region: str, endpoint_url: str | None = None) -> Any:
    """Return what a boto3 client knows of itself."""
    return boto3.client("s3", region_name=region, endpoint_url=endpoint_url).meta


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-central-1", "https://console.aws.amazon.com"),
        ("cn-north-1", "https://console.amazonaws.cn"),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com"),
    ],
)
def test_the_console_is_that_of_the_regions_partition(region: str, console: str) -> None:
    links = links_of(report("raw/a b/2026/", manifest="s3://lake/raw/m.json"), meta(region), None)

    assert links == {
        S3ConsoleLink.key: f"{console}/s3/buckets/lake?region={region}&prefix=raw%2Fa%20b%2F2026%2F",
        S3ManifestLink.key: f"{console}/s3/object/lake?region={region}&prefix=raw%2Fm.json",
    }


@pytest.mark.parametrize(
    ("prefixes", "shared"), [(["raw/a/", "raw/ab/"], "raw%2F"), (["a/", "b/"], ""), ([""], ""), ([], "")]
)
def test_the_prefix_is_the_folder_that_all_tables_share(prefixes: list[str], shared: str) -> None:
    links = links_of(report(*prefixes), meta("eu-central-1"), None)

    assert links[S3ConsoleLink.key].partition("&prefix=")[2] == shared


@pytest.mark.parametrize(
    ("region", "endpoint_url", "bucket"),
    [
        ("eu-central-1", "http://127.0.0.1:9000", "lake"),
        ("eu-central-1", "https://amazonaws.com.example.org", "lake"),
        ("us-iso-east-1", None, "lake"),
        ("eu-central-1", None, "arn:aws:s3:eu-central-1:123456789012:accesspoint/one"),
    ],
    ids=["custom", "look-alike", "no public console", "access point"],
)
def test_there_is_no_link_where_no_console_is_known(region: str, endpoint_url: str | None, bucket: str) -> None:
    assert links_of(report("raw/", bucket=bucket), meta(region, endpoint_url), None) == {}


def test_the_connection_may_name_the_console_of_another_store() -> None:
    console = "https://minio.example.com/browser/{bucket}/{prefix}"
    links = links_of(report("raw/a b/"), meta("eu-central-1", "http://127.0.0.1:9000"), console)

    assert links == {S3ConsoleLink.key: "https://minio.example.com/browser/lake/raw/a%20b/"}


def test_a_task_leaves_its_link_where_the_web_server_finds_it(
    run_dag: RunDag, moto_bucket: Bucket, connect_aws: ConnectAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_aws(moto_bucket.server)
    extra = {"bucket": moto_bucket.name, "console_url": "https://console.example.com/{bucket}/{prefix}"}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "s3_destination", "extra": extra}))
    common: dict[str, Any] = {"path": "raw/{{TABLE}}/{{UUID}}", "format": "json"}
    with DAG("links", schedule=None, start_date=START) as dag:
        S3DestinationOperator(task_id="load", records=[{"id": 1}], table="t", s3_destination_conn_id="lake", **common)
        S3DestinationOperator(
            task_id="fails", records=iter([{"id": 3j}]), table="t", s3_destination_conn_id="lake", **common
        )
        S3DestinationOperator(
            task_id="listed",
            records=[{"id": 1}],
            table="t",
            s3_destination_conn_id="lake",
            manifest="s3dest",
            **common,
        )
        S3DestinationOperator.partial(task_id="mapped", records=[{"id": 1}], bucket=moto_bucket.name, **common).expand(
            table=["a"]
        )
    run = run_dag(dag)

    url = f"https://console.example.com/{moto_bucket.name}/raw/t/"
    assert run.xcom("load", key=S3ConsoleLink.key) == url
    assert not run.xcom("load", key=S3ManifestLink.key)
    manifest = run.xcom("listed")["manifest"].removeprefix("s3://")
    assert run.xcom("listed", key=S3ManifestLink.key) == f"https://console.example.com/{manifest}"
    assert not run.xcom("fails", key=S3ConsoleLink.key)
    assert not run.xcom("mapped", 0, key=S3ConsoleLink.key)


def test_a_task_without_its_link_at_hand_reads_it_from_xcom(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = SimpleNamespace(get_value=lambda *, ti_key, key: f"https://{ti_key}/{key}")
    monkeypatch.setattr("airflow_provider_s3dest.operators.links.XCom", stored)

    assert S3ConsoleLink().get_link(SimpleNamespace(), ti_key="task") == f"https://task/{S3ConsoleLink.key}"


def test_both_links_are_listed_in_the_providers_metadata() -> None:
    listed = get_provider_info()["extra-links"]
    own = [f"{type(link).__module__}.{type(link).__name__}" for link in S3DestinationOperator.operator_extra_links]

    assert listed == own
