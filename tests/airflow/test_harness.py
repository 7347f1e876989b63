"""The harness itself: DAGs run for real, and what they leave behind can be read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, task

from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Echo(BaseOperator):
    """Returns its one template field, after so many attempts that fail."""

    template_fields = ("text",)

    def __init__(self, *, text: str, failures: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.failures = failures

    def execute(self, context: Context) -> str:
        """Log the field and return it."""
        if context["ti"].try_number <= self.failures:
            raise ConnectionError(f"No luck with {self.text}")
        self.log.info("Echo of %s", self.text)
        return self.text


def test_xcom_passes_from_task_to_mapped_tasks(run_dag: RunDag) -> None:
    with DAG("harness_xcom", schedule=None, start_date=START) as dag:

        @task
        def numbers() -> list[int]:
            return [3, 4]

        @task
        def double(number: int) -> dict[str, int]:
            return {"double": 2 * number}

        double.expand(number=numbers())

    run = run_dag(dag)

    assert run.state == "success"
    assert run.task_states == {("numbers", -1): "success", ("double", 0): "success", ("double", 1): "success"}
    assert run.xcom("numbers") == [3, 4]
    assert [run.xcom("double", index) for index in (0, 1)] == [{"double": 6}, {"double": 8}]


def test_a_failed_task_is_seen_with_its_error(run_dag: RunDag) -> None:
    with DAG("harness_failure", schedule=None, start_date=START) as dag:

        @task
        def fails() -> None:
            raise ValueError("This went wrong")

        @task
        def waits() -> None:
            pass

        fails() >> waits()

    run = run_dag(dag)

    assert run.state == "failed"
    assert run.task_states == {("fails", -1): "failed", ("waits", -1): "upstream_failed"}
    assert run.xcom("fails") is None
    assert "ValueError: This went wrong" in run.log


def test_rendered_fields_log_and_retry_are_those_of_the_run(run_dag: RunDag) -> None:
    with DAG("harness_rendered", schedule=None, start_date=START) as dag:
        Echo(task_id="echo", text="{{ ds }} {{ dag_run.conf['who'] }}", failures=1, retries=1, retry_delay=timedelta(0))

    run = run_dag(dag, conf={"who": "me"})

    assert run.state == "success"
    assert run.xcom("echo") == "2026-02-03 me"
    assert run.rendered("echo") == {"text": "2026-02-03 me"}
    assert run.attempts == 2
    assert "ConnectionError: No luck with 2026-02-03 me" in run.log
    assert "INFO Echo of 2026-02-03 me" in run.log


def test_a_second_run_of_the_same_date_has_the_same_identity(run_dag: RunDag) -> None:
    with DAG("harness_identity", schedule=None, start_date=START) as dag:
        Echo(task_id="echo", text="{{ run_id }}")

    first, second, other = run_dag(dag), run_dag(dag), run_dag(dag, logical_date=START)

    assert first.run_id == second.run_id == second.xcom("echo")
    assert other.run_id != first.run_id


def test_tasks_reach_the_servers_through_the_aws_connection(
    run_dag: RunDag, bucket: Bucket, connect_aws: ConnectAws
) -> None:
    connect_aws(bucket.server)
    with DAG("harness_s3", schedule=None, start_date=START) as dag:

        @task
        def put(name: str) -> None:
            from airflow.providers.amazon.aws.hooks.s3 import S3Hook

            S3Hook().load_string("hello", key="greeting.txt", bucket_name=name)

        put(bucket.name)

    assert run_dag(dag).state == "success"
    assert bucket.objects() == {"greeting.txt": b"hello"}
