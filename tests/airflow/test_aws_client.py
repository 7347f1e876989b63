"""The client that an AWS connection and a destination spec make, and what is said of those that make none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_s3dest.errors import SpecError, StoreError
from airflow_provider_s3dest.hooks.s3_destination import S3DestinationHook
from airflow_provider_s3dest.operators.s3_destination import S3DestinationOperator
from airflow_provider_s3dest.spec import DestinationSpec
from tests.airflow import versions
from tests.airflow.fixture_types import ConnectAws
from tests.servers import Bucket
from tests.servers.certificate import self_signed
from tests.servers.fault_proxy import Answer, FaultProxy

ROLE = {"role_arn": "arn:aws:iam::123456789012:role/loader", "region_name": "eu-central-1"}
NO_JSON_OBJECT = (
    "there is no connection 'aws_default'"
    if versions.UNREADABLE_IS_MISSING
    else "the extra of the connection 'aws_default' is no JSON object"
)


def spec(**fields: Any) -> DestinationSpec:
    return DestinationSpec(**{"bucket": "lake", "path": "{{UUID}}", "format": "json", **fields})


def connect(monkeypatch: pytest.MonkeyPatch, extra: Any) -> None:
    """Let `aws_default` have an extra, and `lake` lead to a bucket."""
    aws = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(aws))
    lake = {"conn_type": "s3_destination", "extra": {"bucket": "lake"}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(lake))


class TestWhatTheSpecSays:
    @pytest.mark.parametrize(
        ("connection", "fields", "style"),
        [
            ("path", {"use_path_style": False}, "virtual"),
            ("virtual", {"use_path_style": True}, "path"),
            ("path", {}, "path"),
            ("virtual", {}, "virtual"),
        ],
    )
    def test_of_the_style_of_addresses_wins(
        self, monkeypatch: pytest.MonkeyPatch, connection: str, fields: dict[str, Any], style: str
    ) -> None:
        s3 = {"addressing_style": connection, "payload_signing_enabled": True}
        connect(monkeypatch, {"config_kwargs": {"s3": s3}})

        client = S3DestinationHook().s3_hook(spec(**fields)).conn

        assert client.meta.config.s3 == {"payload_signing_enabled": True, "addressing_style": style}

    @pytest.mark.parametrize(
        ("connection", "fields", "verify"),
        [
            (False, {"endpoint_skip_tls_verify": False}, True),
            (True, {"endpoint_skip_tls_verify": True}, False),
            ("/etc/lake.pem", {"endpoint_skip_tls_verify": False}, "/etc/lake.pem"),
            (False, {}, False),
        ],
    )
    def test_of_certificates_wins(
        self, monkeypatch: pytest.MonkeyPatch, connection: Any, fields: dict[str, Any], verify: Any
    ) -> None:
        connect(monkeypatch, {"verify": connection})

        assert S3DestinationHook().s3_hook(spec(**fields)).verify == verify

    def test_in_the_s3_destination_connection_is_obeyed_without_a_load_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connect(monkeypatch, {"config_kwargs": {"s3": {"addressing_style": "virtual"}}, "region_name": "eu-west-1"})
        lake = {"conn_type": "s3_destination", "extra": {"use_path_style": True, "region": "eu-central-1"}}
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(lake))

        meta = S3DestinationHook("lake").get_conn().meta

        assert (meta.config.s3, meta.region_name) == ({"addressing_style": "path"}, "eu-central-1")

    def test_of_certificates_is_obeyed(self, moto_bucket: Bucket, connect_aws: ConnectAws) -> None:
        load: dict[str, Any] = {
            "records": [{"n": 1}],
            "table": "t",
            "bucket": moto_bucket.name,
            "path": "{{UUID}}",
            "format": "json",
        }
        with FaultProxy.before(moto_bucket.server, self_signed()) as proxy:
            connect_aws(proxy, verify=False)

            with pytest.raises(StoreError, match=r"set `verify` in the extra of the AWS connection") as failure:
                S3DestinationHook().load(**load, endpoint_skip_tls_verify=False, max_retries=0)
            S3DestinationHook().load(**load)

        assert failure.value.final
        assert len(moto_bucket.keys()) == 1


class TestAConnectionThatMakesNoClient:
    """Is told of by its name, the field and the way out, and no retry comes after it."""

    @pytest.mark.parametrize(
        ("extra", "told"),
        [
            ({"profile_name": "nope"}, "ProfileNotFound: The config profile .* check `profile_name`: name a profile"),
            ({"endpoint_url": "localhost:9000"}, "makes no client: ValueError.* check `endpoint_url`: write it"),
            ({"endpoint_url": 9000}, "`endpoint_url`: in the extra of the AWS connection 'aws_default' is not text"),
            ({"region_name": "no region"}, "InvalidRegionError: .* check `region_name`, or `region`"),
            ({"config_kwargs": {"nope": 1}}, "TypeError.* check `config_kwargs`"),
            ({"config_kwargs": "x"}, "`config_kwargs`: .*'aws_default' is not a JSON object. Give a JSON object"),
            (
                {"config_kwargs": {"retries": {"tries": 1}}},
                "Valid retry configuration options are: .* check `retries` in `config_kwargs`",
            ),
            (
                {"config_kwargs": {"s3": {"addressing_style": "x"}}},
                "is invalid.* check `addressing_style` in",
            ),
            ({"config_kwargs": {"connect_timeout": "x"}}, "ValueError.* check the timeouts in"),
            (
                {"service_config": {"s3": "x"}},
                "AWS connection 'aws_default' makes no client: .*extra, check its fields",
            ),
            ({"role_arn": "nope"}, "ParamValidationError.* check `role_arn` and `assume_role_kwargs`"),
            ({**ROLE, "assume_role_method": "nope"}, "NotImplementedError.* check `assume_role_method`"),
            ({**ROLE, "assume_role_method": "assume_role_with_saml"}, "check `assume_role_with_saml`"),
            (
                {**ROLE, "assume_role_kwargs": {"Foo": 1}},
                "ParamValidationError.* check `role_arn` and `assume_role_kwargs`",
            ),
            ("{nope", NO_JSON_OBJECT),
            ("[1]", NO_JSON_OBJECT),
        ],
    )
    def test_for_good(self, monkeypatch: pytest.MonkeyPatch, extra: Any, told: str) -> None:
        connect(monkeypatch, extra)

        with pytest.raises(SpecError, match=told) as failure:
            S3DestinationHook().load(records=[{"n": 1}], table="t", spec=spec())
        with pytest.raises(SpecError, match=told):
            S3DestinationHook().get_conn()
        succeeded, message = S3DestinationHook("lake").test_connection()

        assert "\n" not in str(failure.value)
        assert "secret" not in str(failure.value) + message
        assert "nope" not in str(failure.value) + message
        assert failure.value.__cause__ is failure.value.__context__ is None
        assert not succeeded
        assert message.startswith(f"{failure.value} Tested with the credentials")

    def test_for_good_too_if_it_may_not_assume_its_role(
        self, moto_bucket: Bucket, connect_aws: ConnectAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FaultProxy.before(moto_bucket.server) as proxy:
            sts = {"sts": {"endpoint_url": proxy.endpoint_url}}
            connect_aws(proxy, **ROLE, service_config=sts, config_kwargs={"retries": {"total_max_attempts": 1}})
            proxy.on_each(lambda request, send: _sts_refusal(403, "AccessDenied"))
            with pytest.raises(SpecError, match=r"AccessDenied.* check `role_arn`, and that the role trusts"):
                S3DestinationHook().get_conn()
            proxy.on_each(lambda request, send: _sts_refusal(400, "Throttling"))
            with pytest.raises(StoreError, match=r"'aws_default' makes no client: .*Throttling") as passing:
                S3DestinationHook().get_conn()

        with pytest.raises(StoreError, match=r"Could not connect.* check the endpoint of `sts`") as gone:
            S3DestinationHook().get_conn()
        assert not passing.value.final
        assert not gone.value.final

    def test_is_told_of_without_a_connection_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nope")

        with pytest.raises(SpecError, match=r"boto3's own configuration makes no client: .*nope.* of the worker\."):
            S3DestinationHook(aws_conn_id=None).get_conn()

    def test_fails_the_task_for_good(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect(monkeypatch, {"profile_name": "nope"})
        context: Any = {"ti": _TaskInstance()}
        operator = S3DestinationOperator(task_id="t", records=[{"n": 1}], table="t", spec=spec())

        with pytest.raises(AirflowFailException, match="'aws_default' makes no client: ProfileNotFound"):
            operator.execute(context)


class _TaskInstance:
    """What the operator needs of a task instance."""

    dag_id, run_id, task_id, map_index, try_number = "d", "r", "t", -1, 1


def _sts_refusal(status: int, code: str) -> Answer:
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    return Answer(status, {}, text.encode())
