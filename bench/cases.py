"""What is loaded: from which source, into which format; and where it goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import inputs

SOURCES = ("dicts", "parquet", "csv", "ndjson")
FORMATS = ("csv", "json")
DATASETS = ("lineitem", "mixed")


@dataclass(frozen=True)
class Case:
    """One load.

    :param source: ``dicts``, ``parquet``, ``csv`` or ``ndjson``.
    :param format: ``csv`` or ``json``.
    :param size: ``tiny``, ``short`` or ``full``.
    :param copies: how often the staged file is read.
    """

    dataset: str
    source: str
    format: str
    gzip: bool = False
    size: str = "full"
    copies: int = 1

    @property
    def object_records(self) -> int:
        """Records of an object, the same for all contenders: the default of the spec.

        A tiny load has eight objects, so that it opens as many connections as a whole one goes on to use.
        """
        return 125 if self.size == "tiny" else 10_000

    def input(self) -> Any:
        """Give the records, or the paths of the staged files."""
        return inputs.source(self.dataset, self.source, self.size, self.copies)

    def __str__(self) -> str:
        return f"{self.dataset}: {self.source} to {self.format}{' gzip' if self.gzip else ''}"


def all_cases(size: str) -> Iterator[Case]:
    """Give all loads that contenders are measured at."""
    for dataset in DATASETS:
        for gzip in (False, True):
            for source in SOURCES:
                for format_ in FORMATS:
                    yield Case(dataset, source, format_, gzip, size)


@dataclass(frozen=True)
class Target:
    """Where a contender writes: a prefix of a bucket of the server.

    :param kept: folder of the kept bucket.
    """

    endpoint_url: str
    certificate: str
    kept: Path
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """The prefix as a URL, without a slash at its end."""
        return f"s3://{self.bucket}/{self.prefix}"

    def client(self) -> Any:
        """Give the one boto3 client of this process, as a user makes it."""
        return _client(self.endpoint_url)


@cache
def _client(endpoint_url: str) -> Any:
    import boto3

    return boto3.session.Session().client("s3", endpoint_url=endpoint_url)


def connect(endpoint_url: str, access_key: str, secret_key: str, region: str, certificate: Path) -> None:
    """Let every way to S3 lead to a server, by the environment of this process and of those that it starts."""
    os.environ.update(
        AWS_ACCESS_KEY_ID=access_key,
        AWS_SECRET_ACCESS_KEY=secret_key,
        AWS_DEFAULT_REGION=region,
        AWS_REGION=region,
        AWS_ENDPOINT_URL=endpoint_url,
        AWS_CA_BUNDLE=str(certificate),
        AWS_EC2_METADATA_DISABLED="true",
        SSL_CERT_FILE=str(certificate),
        AIRFLOW_CONN_AWS_DEFAULT=f'{{"conn_type": "aws", "extra": {{"endpoint_url": "{endpoint_url}"}}}}',
    )
