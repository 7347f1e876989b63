"""One try of a load in a process of its own, so that it can be killed: `python -m tests.chaos.one_try SETTINGS`.

The settings are JSON; the last line of the output is JSON too: the report's objects, or the name of the error.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from subprocess import PIPE, Popen
from typing import Any

import airflow_provider_s3dest.delivery.tries
import airflow_provider_s3dest.upload
from airflow_provider_s3dest.errors import S3DestinationError
from tests.chaos import loads
from tests.chaos.full_loads import KINDS
from tests.chaos.loads import Load, tables
from tests.servers import Bucket, S3Endpoint


@dataclass(frozen=True)
class Input:
    """What a try is handed over, as few words as a command line takes."""

    version: str
    small: int = 12
    large: int = 3
    bad: int = 0

    def tables(self) -> loads.Tables:
        """Make the records."""
        return tables(self.version, small=self.small, large=self.large, bad=self.bad)


def start(load: Load, number: int, given: Input, server: S3Endpoint, *, others_live: bool = False) -> Popen[bytes]:
    """Start a try in a process of its own.

    :param others_live: whether it must wait for what earlier tries may begin to send.
    """
    next(loads.tries)
    way = {
        "endpoint_url": server.endpoint_url,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
    }
    settings = {
        "server": way,
        "bucket": load.bucket.name,
        "kind": load.kind,
        "name": load.name,
        "atomic": load.atomic,
        "number": number,
        "given": asdict(given),
        "others_live": others_live,
    }
    return Popen([sys.executable, "-m", "tests.chaos.one_try", json.dumps(settings)], stdout=PIPE)


def outcome(process: Popen[bytes]) -> Any:
    """Wait for a try to end, and tell the name of its error, None if it had none."""
    output, _ = process.communicate(timeout=120)
    return json.loads(output.splitlines()[-1])["error"]


def main(settings: dict[str, Any]) -> None:
    """Run the try and print its outcome."""
    airflow_provider_s3dest.upload.PUT_BYTES = loads.PUT_BYTES
    if not settings["others_live"]:
        airflow_provider_s3dest.delivery.tries.QUIET_SECONDS = 0.0
    bucket = Bucket(settings["bucket"], S3Endpoint(**settings["server"]))
    load = KINDS[settings["kind"]](bucket, settings["atomic"], name=settings["name"])
    error = None
    try:
        load.attempt(settings["number"], Input(**settings["given"]).tables())
    except S3DestinationError as failure:
        error = type(failure).__name__
        sys.stderr.write(f"{failure}\n")
    sys.stdout.write(json.dumps({"error": error}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
