"""Runs one attempt of a load by the public interface alone: by the operator as Airflow would, or by the hook."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.servers import S3Endpoint

BUCKET = "upgrade"
"""The bucket of all recorded loads; its name is part of what is stored."""

LOGICAL_DATE = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
RUN_STARTED = datetime(2026, 2, 4, 4, 5, 7, tzinfo=timezone.utc)


@dataclass
class TaskStateStore:
    """Airflow's task state store, in memory: `context["task_state_store"]` of Airflow 3.3.

    :param file: keeps the values for other processes, if given.
    """

    values: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None

    @classmethod
    def of_file(cls, file: Path) -> TaskStateStore:
        """Go on with the values that a file keeps."""
        return cls(json.loads(file.read_text()) if file.exists() else {}, file)

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, *, retention: Any) -> None:
        self.values[key] = value
        self._keep()

    def delete(self, key: str) -> None:
        self.values.pop(key, None)
        self._keep()

    def _keep(self) -> None:
        if self.file is not None:
            written = self.file.with_suffix(".new")
            written.write_text(json.dumps(self.values))
            written.replace(self.file)


def connect(server: S3Endpoint) -> None:
    """Let the connection `aws_default` lead to a server."""
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = server.connection()


def run_task(
    task_id: str,
    arguments: Mapping[str, Any],
    *,
    number: int = 1,
    map_index: int = -1,
    store: TaskStateStore | None = None,
) -> dict[str, Any]:
    """Run an attempt of a task instance, and return its report.

    :param arguments: those of the operator; `bucket` is `BUCKET` by default.
    :param number: number of the attempt, from 1.
    :param store: keeps the record of the load, as Airflow 3.3 does.
    """
    with DAG("upgrade", schedule=None, start_date=LOGICAL_DATE):
        operator = S3DestinationOperator(task_id=task_id, **{"bucket": BUCKET, **arguments})
    context: Any = {
        "ti": SimpleNamespace(
            dag_id="upgrade",
            run_id="scheduled__2026-02-03",
            task_id=task_id,
            map_index=map_index,
            try_number=number,
            xcom_push=lambda **_: None,
        ),
        "dag_run": SimpleNamespace(logical_date=LOGICAL_DATE, start_date=RUN_STARTED),
    }
    if store is not None:
        context["task_state_store"] = store
    return operator.execute(context)


def run_hook(load_id: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run an attempt of a load that the hook is called for, and return its report."""
    return S3DestinationHook().load(load_id=load_id, **{"bucket": BUCKET, **arguments}).as_dict()
