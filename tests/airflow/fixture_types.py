"""What the fixtures of `conftest.py` can be called with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from tests.airflow.dag_runs import LOGICAL_DATE, FinishedRun
from tests.servers import S3Endpoint

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG


class RunDag(Protocol):
    """Runs an in-memory DAG to its end."""

    def __call__(
        self, dag: DAG, logical_date: datetime | None = LOGICAL_DATE, conf: dict[str, Any] | None = None
    ) -> FinishedRun: ...


class ConnectAws(Protocol):
    """Lets an AWS connection lead to a server for the rest of a test; keywords go into its extra."""

    def __call__(self, server: S3Endpoint, conn_id: str = "aws_default", **extra: Any) -> None: ...
