"""One attempt of a load that is known to the byte, in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

import airflow_provider_s3dest.delivery.fence
import airflow_provider_s3dest.delivery.object_upload
from tests.chaos import loads
from tests.chaos.full_loads import KINDS
from tests.chaos.loads import Load, tables
from tests.chaos.started_attempt import StartedAttempt
from tests.servers import Bucket, S3Endpoint


@dataclass(frozen=True)
class Input:
    """What an attempt is handed over."""

    version: str
    small: int = 12
    large: int = 3
    bad: int = 0

    def tables(self) -> loads.Tables:
        """Make the records."""
        return tables(self.version, small=self.small, large=self.large, bad=self.bad)


def start(load: Load, number: int, given: Input, server: S3Endpoint, *, others_live: bool = False) -> StartedAttempt:
    """Start an attempt in a process of its own.

    :param others_live: whether it must wait for what earlier attempts may begin to send.
    """
    way = S3Endpoint(server.endpoint_url, server.access_key, server.secret_key)
    of_load = (load.kind, load.bucket.name, load.atomic, load.name)
    return StartedAttempt.of(_attempt, of_load, number, given, way, others_live)


def _attempt(
    of_load: tuple[str, str, bool, str], number: int, given: Input, server: S3Endpoint, others_live: bool
) -> None:
    airflow_provider_s3dest.delivery.object_upload.PUT_BYTES = loads.PUT_BYTES
    if not others_live:
        airflow_provider_s3dest.delivery.fence.QUIET_SECONDS = 0.0
    kind, bucket, atomic, name = of_load
    KINDS[kind](Bucket(bucket, server), atomic, name=name).attempt(number, given.tables())
