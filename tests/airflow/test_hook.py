"""The hook outside an operator: its connections, its client, loads in plain Python, the connection test."""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import DAG, ObjectStoragePath, task
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_s3dest.errors import ReplacedFileError, SpecError, StagingError, StateError, StoreError
from airflow_provider_s3dest.hooks.object_storage import AirflowFiles
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.load import progress
from airflow_provider_s3dest.report import LoadReport
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow.fixture_types import ConnectAws, RunDag
from tests.servers import Bucket, MotoServer, SeaweedFS, service_models
from tests.servers.bucket_policy import deny
from tests.servers.certificate import self_signed
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
RECORDS = [{"id": 1, "name": "é"}, {"id": 2, "name": None}, {"id": 3, "name": "a,b"}]
LINES = '{"id":1,"name":"é"}\n{"id":2,"name":null}\n{"id":3,"name":"a,b"}\n'.encode()
PATH = "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}"

ConnectDestination = Callable[..., None]


@pytest.fixture(scope="module", autouse=True)
def shared_service_models() -> Iterator[None]:
    """Make the many clients of the tests cheap."""
    with service_models.read_once():
        yield


@pytest.fixture
def connect_destination(monkeypatch: pytest.MonkeyPatch) -> ConnectDestination:
    """Make the connection `lake` of type s3_destination; keywords are its extra."""

    def connect(**extra: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "s3_destination", "extra": extra}))

    return connect


@pytest.fixture
def connect_moto(moto_s3: MotoServer, connect_aws: ConnectAws) -> None:
    """Let `aws_default` lead to moto."""
    connect_aws(moto_s3)


@pytest.fixture
def moto_proxy(moto_bucket: Bucket) -> Iterator[FaultProxy]:
    """A way to moto that can be broken."""
    with FaultProxy.before(moto_bucket.server) as between:
        yield between


class ProgressLines(logging.Handler):
    """The lines of the log on the way of a load, which come without a pause."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._changed = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._changed:
            self._lines.append(record.getMessage())
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Wait until a line holds a text."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in line for line in self._lines), 60), self._lines[-1:]


@pytest.fixture
def progress_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgressLines]:
    monkeypatch.setattr(progress, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(progress.log, "level", logging.INFO)
    lines = ProgressLines()
    progress.log.addHandler(lines)
    yield lines
    progress.log.removeHandler(lines)


def load(hook: S3DestinationHook, bucket: Bucket, **arguments: Any) -> LoadReport:
    """Load the records as JSON, unless the arguments say otherwise."""
    return hook.load(
        **{
            "records": RECORDS,
            "table": "people",
            "bucket": bucket.name,
            "path": PATH,
            "format": "json",
            **arguments,
        }
    )


def unreadable(record: Any) -> Any:
    """Fail when a record is read."""
    raise AssertionError(f"{record} was read")


class TestConnections:
    def test_are_not_looked_up_and_s3_is_not_asked_until_there_is_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: Any, **_: Any) -> None:
            raise AssertionError(f"asked: {arguments}")

        monkeypatch.setattr(S3DestinationHook, "get_connection", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)

        hook = S3DestinationHook("no_such_destination", "no_such_aws")

        with pytest.raises(AssertionError, match="no_such_destination"):
            hook.load(records=RECORDS, table="people")

    def test_that_do_not_exist_are_an_error_with_the_way_out(
        self, moto_bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_aws(moto_bucket.server)

        with pytest.raises(SpecError, match=r"`s3_destination_conn_id`: there is no connection 'nope'\. Create it"):
            load(S3DestinationHook("nope"), moto_bucket)
        with pytest.raises(SpecError, match=r"`aws_conn_id`: there is no connection 'nope'\. .*aws_conn_id=None"):
            load(S3DestinationHook(aws_conn_id="nope"), moto_bucket)
        connect_destination(aws_conn_id="named_by_lake")
        with pytest.raises(SpecError, match="`aws_conn_id`: there is no connection 'named_by_lake'"):
            load(S3DestinationHook("lake"), moto_bucket)

        assert moto_bucket.keys() == []

    def test_of_the_name_aws_default_must_exist_too(self, moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_bucket.server.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

        with pytest.raises(SpecError, match="there is no connection 'aws_default'"):
            load(S3DestinationHook(), moto_bucket)

        assert moto_bucket.keys() == []

    def test_to_aws_are_taken_from_the_argument_the_destination_or_the_default(
        self,
        seaweedfs: SeaweedFS,
        moto_bucket: Bucket,
        connect_aws: ConnectAws,
        connect_destination: ConnectDestination,
    ) -> None:
        seaweedfs.client().create_bucket(Bucket=moto_bucket.name)
        elsewhere = Bucket(moto_bucket.name, seaweedfs)
        connect_aws(moto_bucket.server)
        connect_aws(seaweedfs, "weed")
        connect_destination(aws_conn_id="weed")

        load(S3DestinationHook(), moto_bucket, load_id="default", path="default.json", no_rotate=True)
        load(S3DestinationHook("lake"), moto_bucket, path="destination.json", no_rotate=True)
        load(S3DestinationHook("lake", "aws_default"), moto_bucket, path="argument.json", no_rotate=True)
        load(S3DestinationHook(aws_conn_id="weed"), moto_bucket, path="named.json", no_rotate=True)
        connect_destination(bucket=moto_bucket.name)
        load(S3DestinationHook("lake"), moto_bucket, path="unnamed.json", no_rotate=True)

        assert moto_bucket.keys() == ["argument.json", "default.json", "unnamed.json"]
        assert elsewhere.keys() == ["destination.json", "named.json"]

    def test_to_aws_may_be_none_and_then_boto3_finds_its_own_credentials(
        self,
        seaweedfs_bucket: Bucket,
        moto_s3: MotoServer,
        connect_aws: ConnectAws,
        connect_destination: ConnectDestination,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connect_aws(moto_s3)  # which has no such bucket
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweedfs_bucket.server.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs_bucket.server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs_bucket.server.secret_key)

        load(S3DestinationHook(aws_conn_id=None), seaweedfs_bucket)

        assert list(seaweedfs_bucket.objects().values()) == [LINES]

    @pytest.mark.parametrize("empty", ["", None], ids=["of 2.11", "of 3"])
    def test_that_an_empty_field_of_a_form_names_are_the_default(
        self, connect_destination: ConnectDestination, empty: str | None
    ) -> None:
        connect_destination(aws_conn_id=empty)
        assert S3DestinationHook("lake").aws_conn_id == "aws_default"

    def test_that_are_missing_are_told_together_with_all_other_faults(
        self, moto_bucket: Bucket, connect_destination: ConnectDestination
    ) -> None:
        def keys(hook: S3DestinationHook, **arguments: Any) -> list[str]:
            with pytest.raises(SpecError) as failure:
                load(hook, moto_bucket, **arguments)
            return [fault.key for fault in failure.value.faults]

        both = ["s3_destination_conn_id", "aws_conn_id"]
        assert keys(S3DestinationHook("nope", "nope_either")) == both
        faulty = {"load_id": "", "batch_size": 0, "spec": {"kind": "x", "spec": 5}, "columns": "id"}
        assert keys(S3DestinationHook("nope", "nope_either"), **faulty) == [
            *("kind", "spec", "load_id", "batch_size", "columns"),
            *both,
        ]
        assert keys(S3DestinationHook("nope"), format="xml") == ["format", "s3_destination_conn_id"]
        connect_destination(aws_conn_id=5, region=7)
        assert keys(S3DestinationHook("lake")) == ["region", "aws_conn_id"]
        wrong: Any = 5
        assert keys(S3DestinationHook(wrong, wrong)) == both

    def test_with_an_unknown_extra_are_refused(
        self, moto_bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_aws(moto_bucket.server)
        connect_destination(bukcet=moto_bucket.name, batch_size="many")

        with pytest.raises(SpecError) as failure:
            load(S3DestinationHook("lake"), moto_bucket)

        assert {fault.key for fault in failure.value.faults} == {"bukcet", "batch_size"}
        assert "Did you mean `bucket`?" in str(failure.value)
        assert moto_bucket.keys() == []


class TestFieldsOfTheSpec:
    """Come from the argument, else the spec, else the connection, else the default, each for itself."""

    @pytest.fixture(autouse=True)
    def connections(
        self, moto_bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_aws(moto_bucket.server)
        connect_destination(
            bucket=moto_bucket.name,
            path="connection/{{BATCH}}-{{UUID}}",
            format="csv",
            format_spec={"delimiter": ";", "skip_header": True},
            batch_size=2,
            metadata={"from": "connection"},
        )

    def test_of_the_connection_alone(self, moto_bucket: Bucket) -> None:
        S3DestinationHook("lake").load(records=RECORDS, table="people")

        assert list(moto_bucket.objects("connection/").values()) == ["1;é\n2;\n".encode(), b"3;a,b\n"]
        assert moto_bucket.head(moto_bucket.keys()[0])["Metadata"]["from"] == "connection"

    def test_of_the_spec_over_the_connection(self, moto_bucket: Bucket) -> None:
        S3DestinationHook("lake").load(
            records=RECORDS, table="people", spec={"path": "spec/{{UUID}}", "metadata": {"by": "spec"}, "batch_size": 9}
        )

        assert list(moto_bucket.objects().values()) == ["1;é\n2;\n3;a,b\n".encode()]
        metadata = moto_bucket.head(moto_bucket.keys("spec/")[0])["Metadata"]
        assert (metadata["by"], "from" in metadata) == ("spec", False)

    def test_of_the_arguments_over_both(self, moto_bucket: Bucket) -> None:
        S3DestinationHook("lake").load(
            records=RECORDS,
            table="people",
            spec={"path": "spec/{{UUID}}", "format": "json", "batch_size": None},
            path="argument/{{BATCH}}-{{UUID}}",
            format="csv",
            format_spec={"delimiter": "|"},
        )

        # A mapping replaces a mapping whole, so that the header is back; null is not given, so that 2 records stay.
        assert list(moto_bucket.objects("argument/").values()) == ["id|name\n1|é\n2|\n".encode(), b"id|name\n3|a,b\n"]
        assert len(moto_bucket.keys()) == 2

    def test_of_a_spec_object_are_those_that_it_was_given(self, moto_bucket: Bucket) -> None:
        spec = DestinationSpec(bucket=moto_bucket.name, path="object/{{UUID}}", format="csv")

        S3DestinationHook("lake").load(records=RECORDS, table="people", spec=spec)

        # The default batch size and delimiter of the object don't hide those of the connection.
        assert sorted(moto_bucket.objects("object/").values()) == ["1;é\n2;\n".encode(), b"3;a,b\n"]


class TestTheClient:
    """Is that of the Amazon provider's hook, with what the spec says over the AWS connection."""

    def test_keeps_the_settings_of_the_connection(self, moto_bucket: Bucket, connect_aws: ConnectAws) -> None:
        config = {
            "user_agent_extra": "marked-by-connection",
            "retries": {"mode": "standard", "total_max_attempts": 9},
            "s3": {"payload_signing_enabled": True},
        }
        connect_aws(moto_bucket.server, config_kwargs=config)
        spec = DestinationSpec(
            bucket="b", path="{{UUID}}", format="json", max_retries=2, use_path_style=True, region="eu-central-1"
        )

        client = S3DestinationHook().s3_hook(spec).conn

        assert client.meta.config.user_agent_extra.endswith(" marked-by-connection")
        assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 3}
        assert client.meta.config.s3 == {"payload_signing_enabled": True, "addressing_style": "path"}
        assert client.meta.region_name == "eu-central-1"
        assert S3DestinationHook().get_conn().meta.region_name == "us-east-1"

    def test_sends_what_the_connection_and_the_spec_say(
        self, moto_bucket: Bucket, moto_proxy: FaultProxy, connect_aws: ConnectAws
    ) -> None:
        connect_aws(moto_proxy, config_kwargs={"user_agent_extra": "marked-by-connection"})

        load(S3DestinationHook(), moto_bucket, region="eu-central-1", max_retries=1, use_path_style=True)

        (request,) = moto_proxy.requests
        assert "marked-by-connection" in request.headers["User-Agent"]
        assert "/eu-central-1/s3/aws4_request" in request.headers["Authorization"]

    @pytest.mark.parametrize(("max_retries", "requests"), [(0, 1), (1, 2), (2, 3)])
    def test_tries_again_as_often_as_the_spec_says(
        self,
        moto_bucket: Bucket,
        moto_proxy: FaultProxy,
        connect_aws: ConnectAws,
        max_retries: int,
        requests: int,
    ) -> None:
        connect_aws(moto_proxy, config_kwargs={"retries": {"mode": "standard", "total_max_attempts": 5}})
        moto_proxy.on("PutObject", refused(503, "SlowDown"), times=10)

        with pytest.raises(StoreError, match="SlowDown"):
            load(S3DestinationHook(), moto_bucket, max_retries=max_retries)

        assert len(moto_proxy.requests) == requests

    def test_verifies_the_certificate_unless_told_not_to(self, bucket: Bucket, connect_aws: ConnectAws) -> None:
        with FaultProxy.before(bucket.server, self_signed()) as proxy:
            connect_aws(proxy)

            with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
                load(S3DestinationHook(), bucket, max_retries=0)
            assert proxy.requests == []
            load(S3DestinationHook(), bucket, endpoint_skip_tls_verify=True)

        assert list(bucket.objects().values()) == [LINES]
        # Over TLS a checksum goes along with the body, which is hashed no second time for the signature.
        headers = {name.lower(): value for name, value in proxy.requests[0].headers.items()}
        assert headers["x-amz-checksum-crc32"]
        assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"

    def test_obeys_a_connection_that_trusts_every_certificate(
        self, moto_bucket: Bucket, connect_aws: ConnectAws
    ) -> None:
        with FaultProxy.before(moto_bucket.server, self_signed()) as proxy:
            connect_aws(proxy, verify=False)

            load(S3DestinationHook(), moto_bucket)

        assert list(moto_bucket.objects().values()) == [LINES]


@pytest.mark.usefixtures("connect_moto")
class TestALoad:
    def test_reports_what_it_wrote(self, moto_bucket: Bucket) -> None:
        report = load(S3DestinationHook(), moto_bucket)

        (key,) = moto_bucket.keys("raw/people/")
        assert moto_bucket.read(key) == LINES
        assert report.as_dict() == {
            "records": 3,
            "objects": 1,
            "bytes": len(LINES),
            "bucket": moto_bucket.name,
            "tables": {
                "people": {
                    "records": 3,
                    "objects": 1,
                    "bytes": len(LINES),
                    "columns": ["id", "name"],
                    "prefix": "raw/people/",
                    "bad_records": 0,
                }
            },
            "uris": [f"s3://{moto_bucket.name}/{key}"],
            "manifest": None,
            "bad_records": 0,
        }
        assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
        for name, value in report.as_dict().items():
            if name != "tables":
                assert getattr(report, name) == value
        assert report.tables["people"].prefix == "raw/people/"

    def test_takes_an_iterator_a_data_frame_and_a_mapping_of_tables(self, moto_bucket: Bucket) -> None:
        hook = S3DestinationHook()

        load(hook, moto_bucket, records=iter(RECORDS), table="iterator")
        load(hook, moto_bucket, records=pd.DataFrame(RECORDS), table="frame")
        load(hook, moto_bucket, records={"first": RECORDS[:1], "second": RECORDS[1:]}, table=None)

        found = {key.split("/")[1]: body for key, body in moto_bucket.objects().items()}
        lines = LINES.splitlines(keepends=True)
        assert found == {"iterator": LINES, "frame": LINES, "first": lines[0], "second": b"".join(lines[1:])}

    def test_takes_staged_files_of_s3_and_of_the_disk(self, moto_bucket: Bucket, tmp_path: Path) -> None:
        moto_bucket.write("in/people.ndjson", LINES)
        (tmp_path / "people.ndjson").write_bytes(LINES)
        hook = S3DestinationHook()

        for table, path in {
            "s3": f"s3://{moto_bucket.name}/in/",
            "disk": str(tmp_path),
            "url": f"file://{tmp_path}/people.ndjson",
        }.items():
            hook.load(staging_path=path, table=table, bucket=moto_bucket.name, path=PATH, format="json")

        found = {key.split("/")[1]: body for key, body in moto_bucket.objects("raw/").items()}
        assert found == {"s3": LINES, "disk": LINES, "url": LINES}

    def test_has_names_of_its_own_each_time_unless_it_is_given_an_id(self, moto_bucket: Bucket) -> None:
        hook = S3DestinationHook()

        first, second = load(hook, moto_bucket), load(hook, moto_bucket)
        named, again = (load(hook, moto_bucket, load_id="nightly") for _ in range(2))

        assert first.uris != second.uris
        assert named.uris == again.uris
        assert len(moto_bucket.keys()) == 3

    def test_of_an_id_takes_no_state_of_other_tables_or_of_another_path(self, moto_bucket: Bucket) -> None:
        hook, how = S3DestinationHook(), {"load_id": "2026-02-03", "state_path": "_state"}
        load(hook, moto_bucket, table="orders", **how)
        before = moto_bucket.objects()

        with pytest.raises(
            StateError, match=r"s3://.*/_state/.* is the state of a load of 'orders', .* of 'customers'"
        ):
            load(hook, moto_bucket, table="customers", **how)
        with pytest.raises(StateError, match=r"is the state of a load to the path .* Give another `state_path` or"):
            load(hook, moto_bucket, table="orders", path="other/{{UUID}}.json", **how)

        assert moto_bucket.objects() == before

    def test_has_other_names_in_another_namespace(
        self, moto_bucket: Bucket, connect_destination: ConnectDestination
    ) -> None:
        connect_destination(uuid_namespace="production")
        how: dict[str, Any] = {"load_id": "nightly", "state_path": "_state"}
        plain = load(S3DestinationHook(), moto_bucket, **how)
        by_argument = load(S3DestinationHook(), moto_bucket, **how, uuid_namespace="production")
        by_connection = load(S3DestinationHook("lake"), moto_bucket, **how)

        assert plain.uris != by_argument.uris == by_connection.uris
        assert len(moto_bucket.keys()) == 2

    def test_that_is_dry_reports_the_same_and_writes_nothing(self, moto_bucket: Bucket) -> None:
        hook = S3DestinationHook()

        announced = load(hook, moto_bucket, load_id="nightly", dry_run=True)
        assert moto_bucket.keys() == []

        assert load(hook, moto_bucket, load_id="nightly") == announced
        assert len(moto_bucket.keys()) == 1

    def test_is_summed_up_in_the_log_without_secrets(
        self, seaweedfs_bucket: Bucket, connect_aws: ConnectAws, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        connect_aws(seaweedfs_bucket.server)

        load(S3DestinationHook(), seaweedfs_bucket)
        load(S3DestinationHook(), seaweedfs_bucket, dry_run=True)

        summary = f"3 records of table people as 1 object ({len(LINES)} bytes) in s3://{seaweedfs_bucket.name}"
        assert f"Stored {summary}" in caplog.text
        assert f"Would store {summary}" in caplog.text
        assert seaweedfs_bucket.server.secret_key not in caplog.text

    def test_tells_in_the_log_how_far_it_is_whatever_it_waits_for(
        self, moto_bucket: Bucket, moto_proxy: FaultProxy, connect_aws: ConnectAws, progress_lines: ProgressLines
    ) -> None:
        connect_aws(moto_proxy)
        moto_bucket.write("in/people.ndjson", LINES)

        def slow_records() -> Iterator[Any]:
            yield from RECORDS
            progress_lines.wait_for("Table slow_records: 3 records read, 0 encoded, 0 objects stored")

        def slow_server(request: Request, send: Send) -> Answer:
            waits_for = {
                "ListObjectsV2": "Before the first table: 0 records read",
                "GetObject": "Table slow_file: 0 records read",
                "PutObject": ": 3 records read, 3 encoded, 0 objects stored",
            }
            progress_lines.wait_for(waits_for[request.operation])
            return send(request)

        load(S3DestinationHook(), moto_bucket, records=slow_records(), table="slow_records")
        moto_proxy.on_each(slow_server)
        S3DestinationHook().load(
            staging_path=f"s3://{moto_bucket.name}/in/",
            table="slow_file",
            bucket=moto_bucket.name,
            path=PATH,
            format="json",
        )

        assert {request.operation for request in moto_proxy.requests} == {"PutObject", "ListObjectsV2", "GetObject"}
        assert sorted(moto_bucket.objects("raw/").values()) == [LINES, LINES]

    @pytest.mark.parametrize(("objects", "is_told"), [(1_000, False), (1_001, True)])
    def test_of_very_many_small_objects_is_told_how_to_make_fewer(
        self, moto_bucket: Bucket, caplog: pytest.LogCaptureFixture, objects: int, is_told: bool
    ) -> None:
        load(S3DestinationHook(), moto_bucket, records=[{"n": n} for n in range(objects)], batch_size=1, dry_run=True)

        assert ("Raise `batch_size` and `batch_size_bytes`" in caplog.text) == is_told

    def test_lists_all_that_is_wrong_before_anything_is_read(self, moto_bucket: Bucket) -> None:
        records = map(unreadable, RECORDS)

        for load_id in ("", 5, b"a"):
            with pytest.raises(SpecError, match="`load_id`: is "):
                load(S3DestinationHook(), moto_bucket, load_id=load_id)
        faulty = {"format": "xml", "batch_size": 0, "table": None, "atomic": True, "load_id": "a"}

        with pytest.raises(SpecError) as failure:
            load(S3DestinationHook(), moto_bucket, records=records, **faulty)

        assert {fault.key for fault in failure.value.faults} == {"format", "batch_size", "table", "atomic"}

    @pytest.mark.parametrize("arguments", [{}, {"records": [], "staging_path": "in/"}], ids=["neither", "both"])
    def test_wants_either_records_or_a_staging_path(self, arguments: dict[str, Any]) -> None:
        problem = r"`records`: is (missing, and so is|given together with) `staging_path`\. Give "
        with pytest.raises(SpecError, match=problem):
            S3DestinationHook().load(table="t", bucket="b", path=PATH, format="json", **arguments)

    def test_wants_a_table_in_the_path_when_there_are_two(self, moto_bucket: Bucket) -> None:
        with pytest.raises(SpecError, match=r"`path`: .*2 tables\. Put {{TABLE}} in"):
            load(S3DestinationHook(), moto_bucket, records={"a": RECORDS, "b": RECORDS}, table=None, path="x/{{UUID}}")

        assert moto_bucket.keys() == []

    def test_refuses_a_record_among_the_data_of_a_table(self, moto_bucket: Bucket) -> None:
        for state_path in ("people", f"s3://{moto_bucket.name}/people/state"):
            with pytest.raises(SpecError, match="inside the folder 'people/' of the data"):
                load(
                    S3DestinationHook(), moto_bucket, path="{{TABLE}}/{{UUID}}.json", load_id="a", state_path=state_path
                )
        assert moto_bucket.keys() == []

    def test_works_in_the_tasks_of_a_dag(self, moto_bucket: Bucket, run_dag: RunDag) -> None:
        name = moto_bucket.name
        with DAG("hook_in_tasks", schedule=None, start_date=START) as dag:

            @task
            def extract() -> Any:
                return RECORDS

            @task
            def deliver(records: Any) -> dict[str, Any]:
                hook = S3DestinationHook()
                target = {"bucket": name, "path": PATH, "format": "json"}
                hook.load(records=(dict(record) for record in records), table="generator", spec=target)
                hook.load(records=pd.DataFrame(list(records)), table="frame", spec=target)
                return hook.load(records=records, table="xcom", spec=target).as_dict()

            @task
            def misses_its_connection() -> None:
                S3DestinationHook("no_such_lake").load(records=RECORDS, table="people")

            deliver(extract()) >> misses_its_connection()

        run = run_dag(dag)

        assert run.task_states == {
            ("extract", -1): "success",
            ("deliver", -1): "success",
            ("misses_its_connection", -1): "failed",
        }
        found = {key.split("/")[1]: body for key, body in moto_bucket.objects().items()}
        assert found == {"generator": LINES, "frame": LINES, "xcom": LINES}
        (key,) = moto_bucket.keys("raw/xcom/")
        report = run.xcom("deliver")
        assert (report["records"], report["uris"]) == (3, [f"s3://{name}/{key}"])
        assert "there is no connection 'no_such_lake'" in run.log


@pytest.mark.usefixtures("connect_moto")
class TestOtherStores:
    """Staged files of any scheme that Airflow's ObjectStoragePath knows."""

    @pytest.fixture
    def memory(self) -> Iterator[MemoryFileSystem]:
        """Files in memory, below ``memory://``, one of the schemes that Airflow leaves to others."""
        files = MemoryFileSystem()
        sys.modules[ObjectStoragePath.__module__].attach("memory", fs=files)
        yield files
        files.store.clear()

    def test_that_change_while_they_are_read_fail_the_load_and_to_read_them_is_no_change(
        self, moto_bucket: Bucket, memory: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = b'{"n":1}\n'
        memory.pipe("/bucket/in/a.ndjson", content)
        info, opened = memory.info, AirflowFiles.open
        # SFTP and SMB tell when a file was last read.
        monkeypatch.setattr(memory, "info", lambda path, **how: {**info(path, **how), "time": time.time_ns()})
        load = partial(
            S3DestinationHook().load, staging_path="memory://bucket/in/a.ndjson", table="t", bucket=moto_bucket.name
        )
        assert load(path=PATH, format="json").records == 1

        def change(self: AirflowFiles, path: str) -> IO[bytes]:
            stream = opened(self, path)
            memory.pipe("/bucket/in/a.ndjson", content * 2)
            return stream

        monkeypatch.setattr(AirflowFiles, "open", change)
        with pytest.raises(ReplacedFileError, match=r"memory://bucket/in/a\.ndjson was changed or replaced"):
            load(path=PATH, format="json")

    @pytest.mark.parametrize(
        ("path", "table", "found"),
        [
            ("in/cats/1.ndjson", "t", {"t": ["cats/1"]}),
            ("in/cats/", "t", {"t": ["cats/1", "cats/deep/2"]}),
            ("in/{{TABLE}}/*.ndjson", None, {"cats": ["cats/1"], "dogs": ["dogs/1"]}),
        ],
        ids=["file", "folder", "tables"],
    )
    def test_are_found_and_read_like_those_of_s3(
        self, moto_bucket: Bucket, memory: MemoryFileSystem, path: str, table: str | None, found: dict[str, list[str]]
    ) -> None:
        for name in ("cats/1", "cats/deep/2", "dogs/1", "dogs/_hidden"):
            memory.pipe(f"/bucket/in/{name}.ndjson", json.dumps({"from": name}).encode())
        memory.pipe("/bucket/in/dogs/1.csv", b"from\nelsewhere\n")

        report = S3DestinationHook().load(
            staging_path=f"memory://bucket/{path}", table=table, bucket=moto_bucket.name, path=PATH, format="json"
        )

        bodies = {name: moto_bucket.objects(one.prefix).values() for name, one in report.tables.items()}
        assert {
            name: [json.loads(line)["from"] for body in own for line in body.splitlines()]
            for name, own in bodies.items()
        } == found

    @pytest.mark.parametrize("path", ["birds/", "birds/1.csv", "birds/*.csv"])
    def test_that_hold_nothing_are_an_error(self, moto_bucket: Bucket, memory: MemoryFileSystem, path: str) -> None:
        memory.pipe("/bucket/cats/1.csv", b"n\n1\n")

        with pytest.raises(StagingError, match=f"memory://bucket/{re.escape(path)} matches no file"):
            S3DestinationHook().load(
                staging_path=f"memory://bucket/{path}", table="t", bucket=moto_bucket.name, path=PATH, format="json"
            )

    def test_are_split_into_shards_by_their_sizes(self, moto_bucket: Bucket, memory: MemoryFileSystem) -> None:
        for name, size in {"a": 900, "b": 500, "c?": 300}.items():
            memory.pipe(f"/bucket/in/{name}.ndjson", b'{"n":1}\n' * size)
        hook = S3DestinationHook()

        shards = hook.list_shards("memory://bucket/in/", 2, table="t")

        assert [shard["staging_path"] for shard in shards] == [
            ["memory://bucket/in/a.ndjson"],
            ["memory://bucket/in/b.ndjson", "memory://bucket/in/c[?].ndjson"],
        ]
        reports = [hook.load(**shard, bucket=moto_bucket.name, path=PATH, format="json") for shard in shards]
        assert LoadReport.merged(reports).records == 1700

    def test_of_a_scheme_that_nothing_provides_are_an_error_with_the_way_out(self, moto_bucket: Bucket) -> None:
        with pytest.raises(StagingError, match=r"nosuch://bucket/in/ can't be opened: .*Install the provider"):
            S3DestinationHook().load(
                staging_path="nosuch://bucket/in/", table="t", bucket=moto_bucket.name, path=PATH, format="json"
            )


class TestTheConnectionTest:
    def test_writes_where_the_spec_would_and_leaves_nothing(
        self, bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_destination(bucket=bucket.name, path="raw/{{TABLE}}/{{UUID}}.json", format="json")

        with FaultProxy.before(bucket.server) as proxy:
            connect_aws(proxy)
            succeeded, message = S3DestinationHook("lake").test_connection()

        assert succeeded, message
        assert [request.operation for request in proxy.requests] == ["PutObject", "DeleteObject"]
        assert proxy.requests[0].key == proxy.requests[1].key
        assert message.startswith(f"Wrote and removed s3://{bucket.name}/{proxy.requests[0].key}. Tested with the cred")
        assert "for a test in the UI, the API server" in message
        assert proxy.requests[0].key.startswith("raw/")
        assert bucket.keys() == []

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"path": "{{UUID}}"},
            {"path": "x/{{TABLE}}.csv", "no_rotate": True},
            {"no_rotate": True},
            {"path": "x/{{TABLE}}.csv"},
            {"compression": "zstd"},
            {"format_spec": {"delimiter": ";"}},
        ],
    )
    def test_needs_no_more_than_the_bucket_whatever_the_task_is_to_add(
        self,
        moto_bucket: Bucket,
        connect_aws: ConnectAws,
        connect_destination: ConnectDestination,
        fields: dict[str, Any],
    ) -> None:
        connect_aws(moto_bucket.server)
        connect_destination(bucket=moto_bucket.name, **fields)

        succeeded, message = S3DestinationHook("lake").test_connection()

        assert succeeded, message

    def test_names_the_right_that_is_missing_to_write(
        self, bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_aws(bucket.server)
        connect_destination(bucket=bucket.name)
        deny(bucket, "s3:PutObject")

        succeeded, message = S3DestinationHook("lake").test_connection()

        assert not succeeded
        assert "The credentials need s3:PutObject there. Where they are set, `tags` need s3:PutObjectTagging" in message
        assert "remains" not in message

    def test_names_the_right_that_is_missing_to_delete_and_what_remains(
        self, bucket: Bucket, connect_aws: ConnectAws, connect_destination: ConnectDestination
    ) -> None:
        connect_aws(bucket.server)
        connect_destination(bucket=bucket.name)
        deny(bucket, "s3:DeleteObject")

        succeeded, message = S3DestinationHook("lake").test_connection()

        (key,) = bucket.keys()
        assert not succeeded
        assert "The credentials need s3:DeleteObject there." in message
        assert f"The empty object s3://{bucket.name}/{key} remains." in message

    @pytest.mark.parametrize(
        ("extra", "problem"),
        [
            ({"bucket": "no-such-bucket"}, "NoSuchBucket"),
            ({"bucket": "no such bucket"}, "No bucket can have this name: check it in `bucket`"),
            ({}, "names no `bucket`"),
            ({"bucket": "b", "formt": "csv"}, "Did you mean `format`?"),
            ({"bucket": "b", "path": "{{NO}}"}, "NO"),
            ({"bucket": "b", "aws_conn_id": "nope"}, "there is no connection 'nope'"),
        ],
        ids=["no such bucket", "spaces in its name", "no bucket", "misspelt", "wrong path", "no AWS connection"],
    )
    def test_tells_what_is_wrong(
        self,
        moto_s3: MotoServer,
        connect_aws: ConnectAws,
        connect_destination: ConnectDestination,
        extra: dict[str, Any],
        problem: str,
    ) -> None:
        connect_aws(moto_s3)
        connect_destination(**extra)

        succeeded, message = S3DestinationHook("lake").test_connection()

        assert not succeeded
        assert problem in message

    def test_tells_of_a_wrong_secret_without_repeating_it(
        self,
        seaweedfs_bucket: Bucket,
        connect_destination: ConnectDestination,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        server = seaweedfs_bucket.server
        connection = server.connection().replace(server.secret_key, "not-the-secret-key")
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
        connect_destination(bucket=seaweedfs_bucket.name)

        succeeded, message = S3DestinationHook("lake").test_connection()

        assert not succeeded
        assert "check the password of the AWS connection" in message
        assert "not-the-secret-key" not in message + caplog.text
