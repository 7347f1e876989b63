"""How a load behaves among other tasks: metrics, names of mapped instances, skipped upstreams, runs without a date."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task

from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import versions
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket
from tests.servers.fault_proxy import FaultProxy, refused

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def dag_of(name: str, **arguments: Any) -> DAG:
    """Begin a DAG."""
    return DAG(f"run_{name}", schedule=None, start_date=START, **arguments)


def load(bucket: Bucket, **arguments: Any) -> S3DestinationOperator:
    """Make a load, of one record unless the arguments say otherwise."""
    given = {"task_id": "load", "records": [{"id": 1}], "table": "t", "path": "{{TABLE}}/{{UUID}}", "format": "json"}
    return S3DestinationOperator(**{**given, "bucket": bucket.name, **arguments})


class Metrics:
    """Takes what is counted in place of Airflow's Stats, which keep the server they were first given for good."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = {}
        self.timed: dict[str, timedelta] = {}
        self.tags: list[dict[str, str]] = []

    def incr(self, name: str, count: int, *, tags: dict[str, str]) -> None:
        """Count."""
        self.counted[name] = self.counted.get(name, 0) + count
        self.tags.append(tags)

    def timing(self, name: str, time: timedelta, *, tags: dict[str, str]) -> None:
        """Take a time."""
        self.timed[name] = time
        self.tags.append(tags)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """What the operator counts."""
    taken = Metrics()
    monkeypatch.setattr("airflow_provider_s3dest.operators.metrics.Stats", taken)
    return taken


class TestMetrics:
    def test_count_what_was_written_and_what_was_sent_again(
        self, run_dag: RunDag, moto_bucket: Bucket, connect_aws: ConnectAws, metrics: Metrics
    ) -> None:
        with FaultProxy.before(moto_bucket.server) as proxy:
            connect_aws(proxy)
            proxy.on("PutObject", refused(503, "SlowDown"))
            with dag_of("metrics") as dag:
                load(moto_bucket, records=[{"id": n} for n in range(5)], batch_size=2)
            run = run_dag(dag)

        assert run.state == "success", run.log
        assert metrics.counted == {
            "s3_destination.records": 5,
            "s3_destination.objects": 3,
            "s3_destination.bytes": run.xcom("load")["bytes"],
            "s3_destination.bad_records": 0,
            "s3_destination.retries": 1,
        }
        assert metrics.timed["s3_destination.duration"] > timedelta(0)
        assert metrics.tags == [{"dag_id": "run_metrics", "task_id": "load"}] * 6

    def test_of_a_failed_or_dry_load_count_no_records(self, run_dag: RunDag, lake: Bucket, metrics: Metrics) -> None:
        with dag_of("metrics_of_nothing") as dag:
            load(lake, records=iter([{"id": 3j}]), task_id="fails")
            load(lake, dry_run=True)
        run_dag(dag)

        assert metrics.counted == {"s3_destination.retries": 0}
        assert metrics.timed.keys() == {"s3_destination.duration"}


def test_a_mapped_instance_can_be_called_by_its_table(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("map_index") as dag:
        S3DestinationOperator.partial(
            task_id="load",
            records=[{"id": 1}],
            bucket=lake.name,
            path="{{TABLE}}/{{UUID}}",
            format="json",
            map_index_template="{{ task.table }}",
        ).expand(table=["orders", "items"])
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert [run.map_index_name("load", index) for index in (0, 1)] == ["orders", "items"]


def test_a_load_is_skipped_with_its_upstream_unless_its_trigger_rule_says_otherwise(
    run_dag: RunDag, lake: Bucket
) -> None:
    with dag_of("skipped") as dag:

        @task
        def nothing_today() -> list[dict[str, int]]:
            raise AirflowSkipException

        @task
        def extract() -> list[dict[str, int]]:
            return [{"id": 1}]

        nothing = nothing_today()
        load(lake, records=nothing)
        load(lake, records={"t": nothing}, table=None, task_id="runs_anyway", trigger_rule="all_done")
        load(lake, records=extract(), task_id="other_records", trigger_rule="none_failed").set_upstream(
            dag.task_dict["nothing_today"]
        )
    run = run_dag(dag)

    assert run.task_states["load", -1] == "skipped"
    assert run.task_states["runs_anyway", -1] == "failed"
    assert "`records`: is None for table 't': 'nothing_today' returned nothing, failed, was skipped" in run.log
    assert run.task_states["other_records", -1] == "success"


@pytest.mark.skipif(not versions.AIRFLOW_3, reason="Every run of Airflow 2.11 has a logical date.")
def test_a_run_without_a_logical_date_goes_by_when_it_was_due(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("no_date") as dag:
        load(lake, path="{{YEAR}}-{{MONTH}}-{{DAY}}/{{TABLE}}/{{UUID}}")
        load(lake, path="{{ ds }}/{{TABLE}}/{{UUID}}", task_id="needs_a_date")
    run = run_dag(dag, logical_date=None)

    assert run.task_states["load", -1] == "success", run.log
    assert [key.partition("/")[0] for key in lake.objects()] == ["2026-02-03"]
    assert run.task_states["needs_a_date", -1] == "failed"
    assert "'ds' is undefined" in run.log


@pytest.mark.parametrize(
    ("fault", "final"),
    [(refused(503, "SlowDown"), False), (refused(403, "AccessDenied"), True)],
    ids=["busy", "denied"],
)
def test_a_fault_that_another_try_may_mend_is_tried_again_and_another_is_not(
    run_dag: RunDag, moto_bucket: Bucket, connect_aws: ConnectAws, fault: Any, final: bool
) -> None:
    with FaultProxy.before(moto_bucket.server) as proxy:
        connect_aws(proxy, config_kwargs={"retries": {"total_max_attempts": 1}})
        proxy.on("PutObject", fault)
        with dag_of(f"fault_{final}", default_args={"retries": 1, "retry_delay": timedelta(0)}) as dag:
            load(moto_bucket)
        run = run_dag(dag)

    assert run.task_states == {("load", -1): "failed" if final else "success"}


def test_the_last_words_of_a_failed_task_name_table_and_record(run_dag: RunDag, lake: Bucket) -> None:
    with dag_of("last_words") as dag:
        load(lake, records=iter([{"id": 1}, {"id": 3j}]))
    run = run_dag(dag)

    of_error = [line for line in run.log.splitlines() if "AirflowFailException: " in line]
    assert "table 't', record 1, column 'id': there is no rule for complex: 3j." in of_error[-1]


def test_a_later_task_takes_the_manifest_from_the_report_in_a_function_or_a_template(
    run_dag: RunDag, lake: Bucket
) -> None:
    with dag_of("manifest") as dag:
        loaded = load(lake, manifest="redshift")

        @task
        def in_a_function(report: Any) -> Any:
            return report["manifest"]

        @task
        def in_a_template(manifest: str) -> str:
            return manifest

        output: Any = loaded.output
        in_a_function(output)
        loaded >> in_a_template("{{ ti.xcom_pull(task_ids='load')['manifest'] }}")
    run = run_dag(dag)

    [manifest] = [key for key in lake.objects() if "_manifest/" in key]
    assert run.xcom("in_a_function") == run.xcom("in_a_template") == f"s3://{lake.name}/{manifest}"
    assert output["manifest"].key == "manifest"  # of another XCom
