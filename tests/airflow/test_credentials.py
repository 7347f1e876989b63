"""Credentials that change while a load runs: temporary ones are renewed, and a replaced key costs one attempt."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_s3dest.delivery import fence
from airflow_provider_s3dest.errors import SpecError, StoreError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from tests.airflow import versions
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket, S3Endpoint, SeaweedFS
from tests.servers.token_service import KEPT, TokenService

ROLE = "arn:aws:iam::123456789012:role/loader"
PATH = "out/{{TABLE}}/{{BATCH}}-{{UUID}}.{{FORMAT}}"
RECORDS = [{"n": n} for n in range(3 * KEPT)]
REPLACED = (
    r"It was good earlier in this load, so it was replaced or has expired\. "
    r"Another attempt reads the connection again\."
)

CREDENTIAL_PROCESS = """
import json, sys, urllib.request
given = json.load(urllib.request.urlopen(sys.argv[1]))
print(json.dumps({**given, "Version": 1, "SessionToken": given["Token"]}))
"""
"""What a profile may name to get credentials from (AWS SDKs and Tools Reference Guide, "Process credentials")."""


@pytest.fixture
def tokens(moto_bucket: Bucket) -> Iterator[TokenService]:
    """A service that gives temporary credentials to the bucket on moto."""
    with TokenService.before(moto_bucket.server) as service:
        yield service


@pytest.fixture
def lake(seaweedfs_bucket: Bucket) -> Iterator[Bucket]:
    """An empty bucket on SeaweedFS, which checks keys."""
    yield seaweedfs_bucket
    seaweedfs_bucket.remove()


def load(bucket: Bucket, records: Any, aws_conn_id: str | None = "aws_default", **options: Any) -> Any:
    """Load records, each to an object of its own."""
    hook = S3DestinationHook(aws_conn_id=aws_conn_id)
    how = {"columns": ["n"], "bucket": bucket.name, "path": PATH, "format": "json", "batch_size": 1, **options}
    return hook.load(records=records, table="t", **how)


def stream(count: int, in_the_middle: Callable[[], object]) -> Iterator[dict[str, int]]:
    """Yield records, and let something happen once the first 111, which are three chunks, have been asked for."""
    for number in range(count):
        if number == 111:
            in_the_middle()
        yield {"n": number}


def until(seen: Callable[[], object]) -> None:
    """Wait until there is something to see."""
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assume_role(connect_aws: ConnectAws, tokens: TokenService) -> None:
    """Let ``aws_default`` assume a role, as the Amazon provider does it."""
    sts = {"sts": {"endpoint_url": tokens.way.endpoint_url}}
    connect_aws(tokens.way, role_arn=ROLE, service_config=sts)


class TestTemporaryCredentials:
    """Are renewed while the load runs, however many it takes."""

    def assert_renewed(self, bucket: Bucket, tokens: TokenService) -> None:
        assert len(bucket.keys("out/")) == 3 * KEPT
        assert tokens.given_out > 2 * KEPT

    def test_of_a_role(self, moto_bucket: Bucket, tokens: TokenService, connect_aws: ConnectAws) -> None:
        assume_role(connect_aws, tokens)

        load(moto_bucket, RECORDS)

        self.assert_renewed(moto_bucket, tokens)

    def test_of_a_role_in_an_atomic_load(
        self, moto_bucket: Bucket, tokens: TokenService, connect_aws: ConnectAws
    ) -> None:
        assume_role(connect_aws, tokens)

        load(moto_bucket, RECORDS, load_id="a", state_path="state", atomic=True)

        self.assert_renewed(moto_bucket, tokens)

    def test_of_boto3s_own_chain(
        self, moto_bucket: Bucket, tokens: TokenService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{tokens.way.endpoint_url}/credentials")
        monkeypatch.setenv("AWS_ENDPOINT_URL", tokens.way.endpoint_url)

        load(moto_bucket, RECORDS, aws_conn_id=None)

        self.assert_renewed(moto_bucket, tokens)

    @pytest.mark.parametrize("how", ["role_arn", "credential_process"])
    def test_of_a_profile(
        self, moto_bucket: Bucket, tokens: TokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        process, url = tmp_path / "credentials.py", f"{tokens.way.endpoint_url}/credentials"
        process.write_text(CREDENTIAL_PROCESS)
        ways = {
            "role_arn": f"role_arn = {ROLE}\nsource_profile = base",
            "credential_process": f"credential_process = {sys.executable} {process} {url}",
        }
        config = tmp_path / "config"
        base = "[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n"
        config.write_text(f"{base}[profile loader]\nregion = us-east-1\n{ways[how]}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_ENDPOINT_URL", tokens.way.endpoint_url)
        connection = {"conn_type": "aws", "extra": {"profile_name": "loader"}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))

        load(moto_bucket, RECORDS)

        self.assert_renewed(moto_bucket, tokens)

    def test_that_stand_in_the_connection_expire_and_the_next_load_takes_what_stands_there_then(
        self, moto_bucket: Bucket, tokens: TokenService, connect_aws: ConnectAws
    ) -> None:
        def connect() -> None:
            new = tokens.give_out()
            way = S3Endpoint(tokens.way.endpoint_url, new["AccessKeyId"], new["SecretAccessKey"])
            connect_aws(way, aws_session_token=new["Token"])

        def expire() -> None:
            until(moto_bucket.keys)
            tokens.expire()

        connect()
        with pytest.raises(StoreError, match=rf"ExpiredToken.* AWS connection 'aws_default'\. {REPLACED}") as failure:
            load(moto_bucket, stream(150, expire))
        with pytest.raises(StoreError, match=r"ExpiredToken.* that of the AWS connection 'aws_default'\.$") as still:
            load(moto_bucket, [{"n": 1}])
        connect()
        load(moto_bucket, [{"n": 1}])

        assert not failure.value.final
        assert still.value.final

    def test_of_a_role_whose_own_key_was_replaced(
        self, moto_bucket: Bucket, tokens: TokenService, connect_aws: ConnectAws
    ) -> None:
        assume_role(connect_aws, tokens)

        def refuse() -> None:
            until(moto_bucket.keys)
            tokens.refuse("InvalidClientTokenId")

        with pytest.raises(StoreError, match=rf"AssumeRole.* Check login and password.* {REPLACED}") as failure:
            load(moto_bucket, stream(150, refuse))
        with pytest.raises(SpecError, match=r"'aws_default' makes no client: .*InvalidClientTokenId"):
            load(moto_bucket, [{"n": 1}])

        assert not failure.value.final


@pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
def test_a_key_that_is_replaced_in_mid_load_fails_that_try_and_the_next_takes_the_new_one(
    run_dag: RunDag, lake: Bucket, seaweedfs: SeaweedFS, connect_aws: ConnectAws, atomic: bool
) -> None:
    connect_aws(seaweedfs.rotate())
    begun = []

    def rotate() -> None:
        until(lake.open_uploads if atomic else lambda: lake.keys("out/"))
        connect_aws(seaweedfs.rotate())

    def records() -> Iterator[dict[str, int]]:
        begun.append(1)
        return stream(150, rotate if len(begun) == 1 else lambda: None)

    class Streams(S3DestinationOperator):
        """Take a new stream in each attempt."""

        def execute(self, context: Any) -> dict[str, Any]:
            self.records = records()
            return super().execute(context)

    arguments = {"retries": 2, "retry_delay": timedelta(0)}
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with DAG(f"rotated_{atomic}", schedule=None, start_date=start, default_args=arguments) as dag:
        Streams(
            task_id="load",
            records=[],
            table="t",
            columns=["n"],
            bucket=lake.name,
            path=PATH,
            format="json",
            batch_size=1,
            atomic=atomic,
            state_path=None if versions.KEEPS_STATE else "state",
        )
    run = run_dag(dag)

    assert run.state == "success", run.log
    assert len(begun) == 2
    assert len(lake.keys("out/")) == 150
    assert re.search("S3 answered (InvalidAccessKeyId|403: Forbidden)", run.log)  # to a HEAD it names no reason
    assert "The key is that of the AWS connection 'aws_default'. It was good earlier in this load" in run.log


def test_a_key_that_is_replaced_before_the_record_was_looked_at_again_costs_one_try_too(
    lake: Bucket, seaweedfs: SeaweedFS, connect_aws: ConnectAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_aws(seaweedfs.rotate())
    monkeypatch.setattr(fence, "FENCE_SECONDS", 3600)
    how = {"load_id": "a", "state_path": "state"}

    def rotate() -> None:
        until(lambda: len(lake.keys("out/")) >= 110)  # so that no request is under way
        connect_aws(seaweedfs.rotate())
        monkeypatch.setattr(fence, "FENCE_SECONDS", 0)

    # S3 answers a HEAD by the status alone, without a body that says why.
    refused = rf"HeadObject .* 403: Forbidden.* AWS connection 'aws_default'\. {REPLACED}"
    with pytest.raises(StoreError, match=refused) as failure:
        load(lake, stream(150, rotate), **how)
    report = load(lake, stream(150, lambda: None), **how)

    assert not failure.value.final
    assert report.records == len(lake.keys("out/")) == 150


def test_a_connection_that_is_deleted_in_mid_load_is_missed_by_the_next_try_only(
    lake: Bucket, seaweedfs: SeaweedFS, connect_aws: ConnectAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_aws(seaweedfs)

    load(lake, stream(150, lambda: monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")))
    with pytest.raises(SpecError, match=r"`aws_conn_id`: there is no connection 'aws_default'\. Create it") as failure:
        load(lake, [{"n": 1}])

    assert failure.value.final
    assert len(lake.keys("out/")) == 150
