"""What a connection holds, and credentials in URLs: nothing of it is left behind by a load, whatever becomes of it."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_s3dest.errors import S3DestinationError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.load.arguments import LoadArguments
from airflow_provider_s3dest.operators.lineage import lineage_of_failure
from airflow_provider_s3dest.operators.links import S3ConsoleLink, S3ManifestLink
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.safe_text import shown
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow.dag_runs import dag_of, database_text
from tests.airflow.fixture_types import RunDag
from tests.servers import Bucket

SECRET = "s3kr3t"
"""A part of every marked value. It has no character that is escaped or encoded anywhere."""

PATH = "raw/{{TABLE}}/{{UUID}}.{{FORMAT}}"
ROLE = "arn:aws:iam::123456789012:role/loader"
NOWHERE = "http://127.0.0.1:9"


def marked(field: str) -> str:
    return f"{field}-{SECRET}"


AWS_EXTRAS: Mapping[str, Any] = {
    "the endpoint has a user": {"endpoint_url": f"http://user:{SECRET}@127.0.0.1:9"},
    "the endpoint has a user with slashes": {"endpoint_url": f"http://user:a/{SECRET}/b@127.0.0.1:9"},
    "the endpoint is a path": {"endpoint_url": marked("endpoint")},
    "the endpoint has a path": {"endpoint_url": f"{NOWHERE}/{SECRET}?token={SECRET}"},
    "no JSON": "{" + SECRET,
    "a list": [SECRET],
    **{
        f"{name} is a text": {name: json.dumps({"aws_session_token": SECRET})}
        for name in ("session_kwargs", "config_kwargs", "assume_role_kwargs", "service_config")
    },
    **{f"{name} is a list": {name: [SECRET]} for name in ("session_kwargs", "config_kwargs", "service_config")},
    **{f"{name} is a mapping": {name: {"a": SECRET}} for name in ("endpoint_url", "region_name", "profile_name")},
    "profile": {"profile_name": SECRET},
    "session argument": {"session_kwargs": {SECRET: SECRET}},
    "session profile": {"session_kwargs": {"profile_name": SECRET}},
    "config argument": {"config_kwargs": {SECRET: SECRET}},
    "retry mode": {"config_kwargs": {"retries": {"mode": SECRET}}},
    "retry option": {"config_kwargs": {"retries": {SECRET: 1}}},
    "style": {"config_kwargs": {"s3": {"addressing_style": SECRET}}},
    "timeout": {"config_kwargs": {"connect_timeout": SECRET}},
    "checksums": {"config_kwargs": {"request_checksum_calculation": SECRET}},
    "signature": {"config_kwargs": {"signature_version": SECRET}},
    "proxy": {"endpoint_url": NOWHERE, "config_kwargs": {"proxies": {"http": f"http://user:{SECRET}@127.0.0.1:9"}}},
    "proxy without a user": {"endpoint_url": NOWHERE, "config_kwargs": {"proxies": {"http": f"http://{SECRET}:9"}}},
    "user agent": {"endpoint_url": NOWHERE, "config_kwargs": {"user_agent_extra": f"{SECRET}\n"}},
    "service": {"service_config": {"s3": SECRET}},
    "endpoint of a service": {"service_config": {"s3": {"endpoint_url": f"http://user:{SECRET}@127.0.0.1:9"}}},
    "role": {"role_arn": SECRET},
    "role of a service that is away": {
        "role_arn": f"{ROLE}-{SECRET}",
        "region_name": "eu-central-1",
        "service_config": {"sts": {"endpoint_url": f"http://user:{SECRET}@127.0.0.1:9"}},
    },
    "method": {"role_arn": ROLE, "assume_role_method": SECRET},
    "role argument": {"role_arn": ROLE, "region_name": "eu-central-1", "assume_role_kwargs": {"ExternalId": [SECRET]}},
    "saml": {
        "role_arn": ROLE,
        "assume_role_method": "assume_role_with_saml",
        "assume_role_with_saml": {"idp_url": f"http://127.0.0.1:9/{SECRET}", "principal_arn": SECRET},
    },
    "web identity": {
        "role_arn": ROLE,
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": SECRET,
    },
    "web identity that is read while a request is signed": {
        "role_arn": ROLE,
        "region_name": "eu-central-1",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": f"/nowhere/{SECRET}",
    },
    "token with a line end": {"endpoint_url": NOWHERE, "aws_session_token": f"{SECRET}\n"},
    "token of session with a line end": {
        "endpoint_url": NOWHERE,
        "session_kwargs": {"aws_access_key_id": f"{SECRET}\n", "aws_secret_access_key": SECRET},
    },
    "verify": {"endpoint_url": "https://127.0.0.1:9", "verify": f"/nowhere/{SECRET}.pem"},
}
"""Extras of an AWS connection, each with a value that no client is made of, or that leads nowhere."""

PRIVATE = DestinationSpec.model_fields.keys() - {"bucket", "path", "manifest_path", "ddl_path", "region"}

LAKE_EXTRAS: Mapping[str, Any] = {
    **{f"{name} is a text": {name: marked(name)} for name in sorted(PRIVATE)},
    **{f"{name} is a mapping": {name: {marked("a"): marked("b")}} for name in sorted(PRIVATE)},
    **{f"{name} is a list": {name: [marked("a")]} for name in sorted(PRIVATE)},
    **{f"{name} is too long": {name: SECRET + "x" * 2500} for name in ("content_type", "storage_class", "acl")},
    **{f"{name} holds a line end": {name: f"{SECRET}\n"} for name in ("content_type", "storage_class", "console_url")},
    **{f"{name} ends in a blank": {name: f"{SECRET} "} for name in ("content_type", "storage_class")},
    **{f"{name} holds braces": {name: SECRET + "{{TABLE}}"} for name in ("content_type", "storage_class", "acl")},
    **{f"{name} holds a variable": {name: f"${{{SECRET}}}"} for name in ("content_type", "storage_class")},
    "tags": {"tags": {SECRET: "x" * 300}},
    "tags hold braces": {"tags": {SECRET: SECRET + "{{TABLE}}"}},
    "tags hold a variable": {"tags": {SECRET: f"${{{SECRET}}}"}},
    "metadata": {"metadata": {SECRET: f"{SECRET} "}},
    "metadata name": {"metadata": {f"{SECRET} b": "c"}},
    "key": {"server_side_encryption_configuration": {"server_side_encryption": "aws:kms", SECRET: SECRET}},
    "option": {"format": "csv", "format_spec": {"delimiter": SECRET}},
    "option of a format that the task names": {"format_spec": {"null_value": f"{SECRET},"}},
    "wrong option of a format that the task names": {"format_spec": {"delimiter": SECRET}},
    "console": {"console_url": SECRET},
    "bucket with a user": {"bucket": f"s3://key:{SECRET}@lake"},
    "bucket with a user and no scheme": {"bucket": f"key:{SECRET}@lake"},
    "path with a user": {"path": f"s3://key:{SECRET}@lake/{PATH}"},
    "no JSON": "{" + SECRET,
    "no object": json.dumps([SECRET]),
}
"""Extras of a connection of type ``s3_destination``; most are refused."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and all that stand behind it."""
    seen: list[BaseException] = []
    waiting = [error]
    for one in waiting:
        if one is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
    yield from seen


def assert_nothing_left(error: BaseException, log: str) -> None:
    for one in chain(error):
        assert SECRET not in "".join(traceback.format_exception_only(type(one), one)), repr(one)
    assert SECRET not in log


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that is logged from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


def connect(patch: pytest.MonkeyPatch, conn_id: str, conn_type: str, **fields: Any) -> None:
    patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": conn_type, **fields}))


def fail(hook: S3DestinationHook, **options: Any) -> BaseException:
    with pytest.raises(S3DestinationError) as failure:
        hook.load(records=[{"a": 1}], table="t", **options)
    return failure.value


@pytest.mark.parametrize("extra", AWS_EXTRAS.values(), ids=AWS_EXTRAS)
def test_no_field_of_an_aws_connection_that_does_not_work_is_told(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, extra: Any
) -> None:
    if isinstance(extra, dict):
        once = {"retries": {"total_max_attempts": 1}, "connect_timeout": 1}
        config = extra.get("config_kwargs", {})
        extra = {**extra, "config_kwargs": {**once, **config} if isinstance(config, dict) else config}
    connect(monkeypatch, "aws_default", "aws", login=marked("login"), password=marked("password"), extra=extra)
    connect(monkeypatch, "lake", "s3_destination", extra={"bucket": "lake", "path": PATH, "format": "json"})

    assert_nothing_left(fail(S3DestinationHook("lake")), log.text)


def test_the_test_of_a_connection_tells_no_field(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "aws_default", "aws", login=SECRET, password=SECRET, extra=AWS_EXTRAS["profile"])
    connect(monkeypatch, "lake", "s3_destination", extra={"bucket": "lake"})

    succeeded, message = S3DestinationHook("lake").test_connection()

    assert not succeeded
    assert SECRET not in message


@pytest.mark.parametrize("wrong", ["login", "password", "token"])
def test_no_key_that_a_store_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, seaweedfs_bucket: Bucket, wrong: str
) -> None:
    server = seaweedfs_bucket.server
    right: dict[str, Any] = {"login": server.access_key, "password": server.secret_key}
    token = {"aws_session_token": marked("token")} if wrong == "token" else {}
    extra = {"endpoint_url": server.endpoint_url, "region_name": server.region, **token}
    connect(monkeypatch, "aws_default", "aws", **{**right, wrong: marked(wrong)} if not token else right, extra=extra)

    try:
        S3DestinationHook().load(records=[{"a": 1}], table="t", bucket=seaweedfs_bucket.name, path=PATH, format="json")
    except S3DestinationError as error:
        assert_nothing_left(error, log.text)
    else:
        assert wrong == "token"


@pytest.mark.parametrize("attribute", ["host", "schema", "login", "password"])
def test_no_other_field_of_an_s3_destination_connection_is_told(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, attribute: str
) -> None:
    connect(monkeypatch, "lake", "s3_destination", **{attribute: SECRET}, extra={"bucket": "lake"})

    assert_nothing_left(fail(S3DestinationHook("lake"), path=PATH, format="json"), log.text)


@pytest.mark.parametrize("extra", LAKE_EXTRAS.values(), ids=LAKE_EXTRAS)
def test_no_field_of_an_s3_destination_connection_is_told_but_bucket_path_and_region(
    monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, lake: Bucket, extra: Any
) -> None:
    connect(monkeypatch, "lake", "s3_destination", extra=extra)
    given = extra if isinstance(extra, dict) else {}
    defaults: dict[str, Any] = {"bucket": lake.name, "path": PATH, "format": "csv"}
    options = {name: value for name, value in defaults.items() if name not in given}

    error: BaseException | None = None
    try:
        S3DestinationHook("lake").load(records=[{"a": 1}], table="t", **options)
    except S3DestinationError as caught:
        error = caught

    for one in chain(error):
        assert SECRET not in str(one), repr(one)
    assert SECRET not in log.text


@pytest.mark.parametrize(
    "path",
    [
        f"s3://key:{SECRET}@lake/in.csv",
        f"s3://key:a/{SECRET}+b@lake/in/*.csv",
        f"s3://key%3A{SECRET}@lake/in.csv",
        f"https://user:{SECRET}@host/in.csv",
        f"https://host/in.csv?X-Amz-Signature={SECRET}",
        f"ftp://user:{SECRET}@host/{{{{TABLE}}}}.csv",
        f"abfs://c@account.dfs.core.windows.net/in.csv?sig={SECRET}",
        f"s3://key:{SECRET}@lake/in.odd",
        f"s3://key:{SECRET}@",
    ],
)
def test_no_credentials_of_a_staging_path_are_told(lake: Bucket, log: pytest.LogCaptureFixture, path: str) -> None:
    hook, table = S3DestinationHook(), None if "TABLE" in path else "t"
    with pytest.raises(S3DestinationError) as listed:
        hook.list_shards(path, 2, table=table)
    with pytest.raises(S3DestinationError) as loaded:
        hook.load(staging_path=path, table=table, bucket=lake.name, path=PATH, format="json")
    with pytest.raises(S3DestinationError) as parsed:
        S3DestinationOperator(task_id="t", staging_path=path, table=table, bucket=lake.name, path=PATH, format="json")

    for failure in (listed, loaded, parsed):
        assert_nothing_left(failure.value, log.text)


def test_a_run_leaves_no_secret_anywhere(run_dag: RunDag, lake: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    server = lake.server
    extra = {"endpoint_url": server.endpoint_url, "region_name": server.region, "aws_session_token": marked("token")}
    right = {"config_kwargs": {"user_agent_extra": marked("agent")}}
    key, secret = marked("login"), marked("password")
    connect(monkeypatch, "aws_default", "aws", login=key, password=secret, extra={**extra, **right})
    connect(monkeypatch, "wrong", "aws", login=key, password=secret, extra={"session_kwargs": marked("x")})
    lake_extra = {
        "bucket": lake.name,
        "format": "json",
        "console_url": f"https://user:{SECRET}@console/{{bucket}}/{{prefix}}",
        "tags": {marked("tag"): marked("tag")},
        "metadata": {marked("m"): marked("m")},
        "content_type": marked("type"),
    }
    connect(monkeypatch, "lake", "s3_destination", extra=lake_extra)
    common: dict[str, Any] = {"s3_destination_conn_id": "lake", "path": PATH, "manifest": "s3dest"}
    common_staged: dict[str, Any] = {"table": "w", "s3_destination_conn_id": "lake", "path": PATH}
    with dag_of("secrets") as dag:

        @dag.task
        def staged() -> list[str]:
            return [f"s3://key:{SECRET}@lake/in.csv", f"https://user:{SECRET}@host/in.csv?sig={SECRET}"]

        dag.default_args = {"retries": 0, "retry_delay": timedelta(0)}
        S3DestinationOperator(task_id="good", records=[{"a": 1}], table="t", asset=True, **common)
        S3DestinationOperator(task_id="bad", records=iter([{"a": 3j}]), table="u", **common)
        S3DestinationOperator(task_id="staged_one", staging_path=staged(), **common_staged)
        S3DestinationOperator.partial(task_id="staged_many", **common_staged).expand(staging_path=staged())
        S3DestinationOperator(task_id="no_client", records=[{"a": 1}], table="v", aws_conn_id="wrong", **common)

    run = run_dag(dag)

    assert run.task_states[("good", -1)] == "success", run.log
    assert {run.task_states[(task, -1)] for task in ("bad", "no_client", "staged_one")} == {"failed"}
    assert run.task_states[("staged_many", 1)] == "failed"
    assert run.rendered("staged_one")["staging_path"] is not None
    assert run.xcom("good", key=S3ConsoleLink.key) == f"https://console/{lake.name}/raw/t/"
    assert run.xcom("good", key=S3ManifestLink.key).startswith(f"https://console/{lake.name}/")
    # Airflow logs what `staged` returns, before anybody can know that it holds secrets.
    assert SECRET not in "".join(line for line in run.log.splitlines() if "Returned value was" not in line)
    # What a task pushes to XCom stays there as it is: the paths of `staged`, and nothing else.
    assert SECRET not in database_text(without="connection").replace(f":{SECRET}@", "").replace(f"sig={SECRET}", "")
    for task, index in (("staged_one", -1), ("staged_many", 0), ("staged_many", 1)):
        assert SECRET not in str(run.rendered(task, index)), task


def test_the_lineage_of_a_load_holds_no_credentials() -> None:
    arguments = LoadArguments(
        fields={"bucket": "lake", "path": PATH},
        staging_path=[f"s3://key:a/{SECRET}@in/a.csv", f"ftp://user:{SECRET}@host/b/*.csv"],
    )

    lineage = lineage_of_failure(arguments)

    assert lineage is not None
    assert [(one.namespace, one.name) for one in lineage.inputs] == [("s3://in", "a.csv"), ("ftp://host", "b")]


@pytest.mark.parametrize("arrow_type", ["timestamp[us]", "decimal(18,2)", "int64"])
def test_no_error_behind_that_of_a_load_shows_control_characters(lake: Bucket, arrow_type: str) -> None:
    with pytest.raises(S3DestinationError) as failure:
        S3DestinationHook().load(
            records=[{"a": "x\n\x1b[31my"}],
            table="t\n\x1b[31m",
            schema={"a": arrow_type},
            bucket=lake.name,
            path=PATH,
            format="parquet",
        )

    assert [one for one in chain(failure.value) if shown(one) != str(one)] == []
