"""One try of a load of staged files, which are then deleted, in a process of its own, so that it can be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any
from unittest.mock import patch

from airflow_provider_s3dest.arguments import LoadArguments
from airflow_provider_s3dest.delivery.state import Attempt
from airflow_provider_s3dest.errors import S3DestinationError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.naming import LoadIdentity
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.sources.staging import remove_staged
from tests.chaos import loads
from tests.integration.loading import MOMENT
from tests.servers import S3Endpoint


@dataclass(frozen=True)
class StagedLoad:
    """A load of staged files.

    :param name: names the load and the folders of its data and its record.
    """

    name: str
    bucket: str
    staging_path: str

    @property
    def folder(self) -> str:
        """What the keys of the objects begin with."""
        return f"out/{self.name}/"

    @property
    def state_folder(self) -> str:
        """Where the record is kept."""
        return f"state/{self.name}"

    def attempt(self, number: int) -> LoadReport:
        """Run a try, as the operator does, with the connection `aws_default`."""
        next(loads.tries)
        fields = {
            "bucket": self.bucket,
            "path": self.folder + "{{TABLE}}/{{BATCH}}-{{UUID}}.json",
            "format": "json",
            "batch_size": 2,
        }
        arguments = LoadArguments(
            fields=fields,
            staging_path=self.staging_path,
            table="t",
            state_path=self.state_folder,
            delete_staging=True,
        )
        identity = LoadIdentity.of_load_id(self.name)
        return S3DestinationHook().deliver(arguments, identity, MOMENT, attempt=Attempt("", number))

    def start(self, number: int, server: S3Endpoint, dies_after: int | None = None) -> StartedTry:
        """Start a try in a process of its own.

        :param dies_after: so many deletions of staged files after which the process is killed; None: it lives.
        """
        next(loads.tries)
        here, there = _PROCESSES.Pipe()
        arguments = (self, number, server.connection(), dies_after, there)
        process = _PROCESSES.Process(target=_run, args=arguments, daemon=True)
        process.start()
        there.close()
        return StartedTry(process, here)


@dataclass(frozen=True)
class StartedTry:
    """A try in a process of its own."""

    process: ForkServerProcess
    _told: Connection

    def wait(self) -> int | None:
        """Wait until the process ends, and give its exit code."""
        self.process.join(120)
        return self.process.exitcode

    def outcome(self) -> Any:
        """Wait for the try to end, and tell the name of its error, None if it had none."""
        assert self._told.poll(120)
        return self._told.recv()

    def kill(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.join()


_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])  # so that Airflow is imported once


def _run(load: StagedLoad, number: int, connection: str, dies_after: int | None, told: Connection) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
    error = None
    with patch("airflow_provider_s3dest.hooks.s3_destination.remove_staged", _dying(dies_after)):
        try:
            load.attempt(number)
        except S3DestinationError as failure:
            error = type(failure).__name__
    told.send(error)


def _dying(after: int | None) -> Callable[..., None]:
    """Let the deletion of staged files be cut by the death of the process."""

    def remove_some(files: Iterable[tuple[str, str]], store_of: Any) -> None:
        remove_staged(islice(files, after), store_of)
        if after is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    return remove_some
