"""One attempt of a load of staged files, which are then deleted, in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any
from unittest.mock import patch

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.sources.staging import remove_staged
from tests.chaos import loads
from tests.chaos.started_attempt import StartedAttempt
from tests.integration.loading import MOMENT
from tests.servers import S3Endpoint


@dataclass(frozen=True)
class StagedLoad:
    """A load of staged files.

    :param name: names the load and the folders of its data and its state.
    :param full: whether bad records are quarantined, and a manifest and a table definition are written.
    """

    name: str
    bucket: str
    staging_path: str
    full: bool = False

    @property
    def folder(self) -> str:
        """What the keys of the objects begin with."""
        return f"out/{self.name}/"

    @property
    def state_folder(self) -> str:
        """Where the state is kept."""
        return f"state/{self.name}"

    def attempt(self, number: int) -> LoadReport:
        """Run an attempt, as the operator does, with the connection `aws_default`."""
        next(loads.attempts)
        fields = {
            "bucket": self.bucket,
            "path": self.folder + "{{TABLE}}/{{BATCH}}-{{UUID}}.json",
            "format": "json",
            "batch_size": 2,
            **({"ddl": ["athena"]} if self.full else {}),
        }
        arguments = LoadArguments(
            fields=fields,
            staging_path=self.staging_path,
            table="t",
            state_path=self.state_folder,
            delete_staging=True,
            on_bad_record="quarantine" if self.full else "fail",
            manifest="s3dest" if self.full else None,
        )
        identity = LoadIdentity.of_load_id(self.name)
        return S3DestinationHook().deliver(arguments, identity, MOMENT, attempt=Attempt("", number))

    def start(self, number: int, server: S3Endpoint, dies_after: int | None = None) -> StartedAttempt:
        """Start an attempt in a process of its own.

        :param dies_after: so many deletions of staged files after which the process is killed; None: it lives.
        """
        return StartedAttempt.of(_attempt, self, number, server.connection(), dies_after)


def _attempt(load: StagedLoad, number: int, connection: str, dies_after: int | None) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
    with patch("airflow_provider_s3dest.load.inputs.remove_staged", _dying(dies_after)):
        load.attempt(number)


def _dying(after: int | None) -> Callable[..., None]:
    """Let the deletion of staged files be cut by the death of the process."""

    def remove_some(files: Iterable[tuple[str, str]], store_of: Any) -> None:
        remove_staged(islice(files, after), store_of)
        if after is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    return remove_some
