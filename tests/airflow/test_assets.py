"""What a load announces: events of assets, with what a consumer needs to read the objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias, task, task_group

from airflow_provider_s3dest.errors import SpecError
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def dag_of(name: str) -> DAG:
    """Begin a DAG."""
    return DAG(f"assets_{name}", schedule=None, start_date=START)


def load(bucket: Bucket, **arguments: Any) -> S3DestinationOperator:
    """Make a load of two tables, unless the arguments say otherwise."""
    given: dict[str, Any] = {
        "task_id": "load",
        "records": {"a": [{"id": 1}, {"id": 2}], "b": [{"x": 3, "y": 4}]},
        "bucket": bucket.name,
        "path": "raw/{{TABLE}}/{{ ds }}/{{UUID}}.json",
        "format": "json",
        "batch_size": 1,
    }
    return S3DestinationOperator(**{**given, **arguments})


def uris(bucket: Bucket, prefix: str = "") -> list[str]:
    """Return the URIs of the objects there."""
    return sorted(f"s3://{bucket.name}/{key}" for key in bucket.keys(prefix))


def test_an_outlet_gets_the_whole_report(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("outlet") as dag:
        load(lake, outlets=[Asset("s3://my/own")])
    run = run_dag(dag)

    assert run.state == "success", run.log
    [(task_id, uri, extra)] = run.asset_events()
    assert (task_id, uri) == ("load", "s3://my/own")
    assert extra == run.xcom("load")
    assert (extra["records"], extra["objects"]) == (3, 3)
    assert extra["bytes"] == sum(map(len, lake.objects().values()))
    assert sorted(extra["uris"]) == uris(lake)
    assert extra["manifest"] is None
    assert extra["tables"]["b"]["columns"] == ["x", "y"]
    assert extra["tables"]["b"]["prefix"] == "raw/b/2026-02-03/"


def test_each_table_is_announced_at_the_prefix_that_no_run_changes(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("tables") as dag:
        load(lake, asset=True)
    run = run_dag(dag)

    assert run.state == "success", run.log
    events = {uri: extra for _, uri, extra in run.asset_events()}
    assert events.keys() == {f"s3://{lake.name}/raw/a", f"s3://{lake.name}/raw/b"}
    of_a, of_b = (events[f"s3://{lake.name}/raw/{table}"] for table in "ab")
    assert (of_a["records"], of_a["objects"], of_a["tables"].keys()) == (2, 2, {"a"})
    assert sorted(of_a["uris"]) == uris(lake, "raw/a/")
    assert of_b["uris"] == uris(lake, "raw/b/")
    assert of_b["tables"] == {"b": run.xcom("load")["tables"]["b"]}
    assert of_b["bytes"] == run.xcom("load")["tables"]["b"]["bytes"]


@pytest.mark.parametrize(
    ("path", "found"), [("raw/{{ ds }}/{{TABLE}}/{{UUID}}", "/raw"), ("{{SYNC_ID}}/{{TABLE}}-{{UUID}}", "/")]
)
def test_tables_that_no_stable_prefix_tells_apart_share_an_event(
    run_dag: RunDag, lake: Bucket, path: str, found: str
) -> None:
    with dag_of(f"shared_{len(found)}") as dag:
        load(lake, asset=True, path=path)
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert run.asset_events() == [("load", f"s3://{lake.name}{found}", run.xcom("load"))]


def test_an_alias_of_the_users_own_is_used(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("alias") as dag:
        one = load(lake, asset=AssetAlias("mine"), records=[{"id": 1}], table="t", outlets=[Asset("s3://my/own")])
    run = run_dag(dag)

    assert [getattr(outlet, "name", None) for outlet in one.outlets][-1] == "mine"
    assert {uri for _, uri, _ in run.asset_events()} == {"s3://my/own", f"s3://{lake.name}/raw/t"}


@pytest.mark.parametrize("manifest", [None, "redshift"])
def test_above_the_limit_there_are_prefixes_counts_and_the_manifest_instead_of_uris(
    run_dag: RunDag, lake: Bucket, monkeypatch: pytest.MonkeyPatch, manifest: str | None
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.report.MAX_URIS", 2)
    with dag_of(f"many_{manifest}") as dag:
        load(lake, asset=True, records=[{"id": n} for n in range(3)], table="t", manifest=manifest)
    run = run_dag(dag)

    assert run.state == "success", run.log
    [(_, _, extra)] = run.asset_events()
    assert (extra["uris"], extra["manifest"]) == (None, run.xcom("load")["manifest"])
    assert (extra["manifest"] is None) == (manifest is None)
    assert extra["tables"]["t"]["prefix"] == "raw/t/2026-02-03/"
    assert extra["tables"]["t"]["objects"] == 3


def test_mapped_loads_and_decorated_functions_announce_too(run_dag: RunDag, lake: Bucket) -> None:
    common: dict[str, Any] = {"bucket": lake.name, "format": "json", "asset": True}
    with dag_of("mapped") as dag:
        S3DestinationOperator.partial(task_id="load", records=[{"id": 1}], path="{{TABLE}}/{{UUID}}", **common).expand(
            table=["a", "b"]
        )

        @task.s3_destination(table="c", path="{{TABLE}}/{{ti.map_index}}/{{UUID}}", **common)
        def give(number: int) -> Iterator[dict[str, int]]:
            yield {"id": number}

        give.expand(number=[1])
        give.override(task_id="plain")(2)

        @task_group
        def group(name: str) -> None:
            load(lake, task_id="inside", table=name, records=[{"id": 3}], asset=True)

        group.expand(name=["d", "e"])
    run = run_dag(dag)

    assert run.state == "success", run.log
    events = [(task_id, uri.removeprefix(f"s3://{lake.name}/")) for task_id, uri, _ in run.asset_events()]
    assert sorted(events) == [
        ("give", "c"),
        ("group.inside", "raw/d"),
        ("group.inside", "raw/e"),
        ("load", "a"),
        ("load", "b"),
        ("plain", "c"),
    ]


def test_nothing_is_announced_of_a_load_that_failed_or_wrote_nothing(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("nothing") as dag:
        load(lake, asset=True, dry_run=True)
        load(lake, asset=True, task_id="fails", records={"a": iter([{"id": 3j}])})
    run = run_dag(dag)

    assert run.task_states == {("load", -1): "success", ("fails", -1): "failed"}
    assert run.asset_events() == []


@pytest.mark.parametrize("asset", [None, "s3://lake/raw", Asset("s3://lake/raw")], ids=["none", "text", "asset"])
def test_what_is_no_alias_is_refused_at_parse_time(moto_bucket: Bucket, asset: Any) -> None:
    with pytest.raises(SpecError, match=r"`asset`: is .* an asset of your own goes into `outlets`"):
        load(moto_bucket, asset=asset)
