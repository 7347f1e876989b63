"""Runs a DAG for real, and reads what the run left in the metadata database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from tests.airflow import versions

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG

# Every part differs, so that a test sees when two are mixed up.
LOGICAL_DATE = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
NOT_MAPPED = -1


def dag_of(name: str) -> DAG:
    """Begin a DAG whose tasks are tried three times."""
    from airflow.providers.common.compat.sdk import DAG

    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return DAG(name, schedule=None, start_date=start, default_args={"retries": 2, "retry_delay": timedelta(0)})


@dataclass(frozen=True)
class FinishedRun:
    """A DAG run that has come to its end.

    `attempts` is the most attempts that a task instance took; `log` is what all tasks logged.
    """

    dag_id: str
    run_id: str
    state: str
    task_states: dict[tuple[str, int], str]
    attempts: int
    log: str

    def xcom(self, task_id: str, map_index: int = NOT_MAPPED, key: str = "return_value") -> Any:
        """Read what a task instance pushed, None where it pushed nothing."""
        table = versions.xcom_table()
        row = self._row(table, task_id, map_index, table.key == key)
        return None if row is None else versions.xcom_value(row)

    def rendered(self, task_id: str, map_index: int = NOT_MAPPED) -> dict[str, Any]:
        """Read the rendered template fields of a task instance, as the UI shows them."""
        from airflow.models.renderedtifields import RenderedTaskInstanceFields

        row = self._row(RenderedTaskInstanceFields, task_id, map_index)
        if row is None:
            raise LookupError(f"{task_id}[{map_index}] has no rendered fields: it didn't get so far.")
        fields: dict[str, Any] = row.rendered_fields
        return fields

    def map_index_name(self, task_id: str, map_index: int) -> str | None:
        """Read what the UI calls a mapped task instance."""
        from airflow.models.taskinstance import TaskInstance

        name: str | None = self._row(TaskInstance, task_id, map_index).rendered_map_index
        return name

    def asset_events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Read the asset events that the run's tasks gave: task, URI and extra, in the order of their coming."""
        return versions.asset_events(self.dag_id, self.run_id)

    def _row(self, table: Any, task_id: str, map_index: int, *conditions: Any) -> Any:
        """Find the row that a table holds about a task instance."""
        from airflow.utils.session import create_session

        with create_session() as session:
            of_instance = session.query(table).filter(
                table.dag_id == self.dag_id,
                table.run_id == self.run_id,
                table.task_id == task_id,
                table.map_index == map_index,
                *conditions,
            )
            row = of_instance.one_or_none()
            session.expunge_all()
        return row


def run_dag(
    dag: DAG,
    logical_date: datetime | None = LOGICAL_DATE,
    conf: dict[str, Any] | None = None,
) -> FinishedRun:
    """Run an in-memory DAG to its end, each task in this process, with real XCom.

    The run's id follows from the date: a second run of a DAG replaces the first and has its identity, as after a clear.
    """
    versions.make_runnable(dag)
    with _log() as lines:
        run = versions.run_to_the_end(dag, logical_date, logical_date or LOGICAL_DATE, conf)
    return FinishedRun(
        dag_id=run.dag_id,
        run_id=run.run_id,
        state=str(run.state),
        task_states={(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()},
        attempts=max(ti.try_number for ti in run.get_task_instances()),
        log="\n".join(lines),
    )


def database_text(*, without: str) -> str:
    """Return all that the metadata database holds as one text, without one table."""
    from airflow.utils.session import create_session
    from sqlalchemy import MetaData, select

    with create_session() as session:
        schema = MetaData()
        schema.reflect(session.get_bind())
        tables = [table for name, table in schema.tables.items() if name != without]
        return "\n".join(str(row) for table in tables for row in session.execute(select(table)))


@contextmanager
def _log() -> Iterator[list[str]]:
    """Collect all that is logged, by whichever way."""
    lines: list[str] = []
    handler = _Collector(lines)
    logging.getLogger().addHandler(handler)
    # A real task of 2.11 logs at this level; under pytest the root logger is left at a higher one.
    logging.getLogger("airflow_provider_s3dest").setLevel(logging.INFO)
    try:
        with versions.structured_log(lines):
            yield lines
    finally:
        logging.getLogger().removeHandler(handler)


class _Collector(logging.Handler):
    """Appends each record to a list, with its level and traceback."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record."""
        self._lines.append(self.format(record))
