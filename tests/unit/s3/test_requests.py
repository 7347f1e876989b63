"""Requests to S3 are retried, and their errors name the operation, the bucket and the key."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from botocore.retries.quota import RetryQuota

from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.s3.retries import Retrier

OK = (200, b"")
TEXT = (200, b"text")
DENIED = (403, b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>")
OVERLOADED = (503, b"<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>")


class Answers:
    """Answers the requests of a client in turn, without a network; the last answer is given for ever."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[str, str]] = []

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append((request.method, request.url))
        status, body = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return AWSResponse(request.url, status, {"Content-Length": str(len(body))}, _Stream(body))


class _Stream:
    """A body, as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int | None = None, **_: Any) -> bytes:
        content, self._content = self._content, b""
        return content

    def stream(self, **_: Any) -> list[bytes]:
        return [self.read()]


@pytest.fixture(autouse=True)
def quota_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let botocore send each request once, as it does after many failures."""
    monkeypatch.setattr(RetryQuota, "acquire", lambda *_: False)


def client_of(answers: Answers) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, s3={"addressing_style": "path"})
    client = boto3.client(
        "s3",
        endpoint_url="http://s3.test",
        region_name="eu-central-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=config,
    )
    client.meta.events.register_last("before-send.s3", answers)
    return client


def requests_of(answers: Answers, *, retried: bool = False) -> S3Requests:
    client = client_of(answers)
    return S3Requests(client, Retrier(client, lambda _: None) if retried else None)


@pytest.mark.parametrize(
    ("operation", "method"), [("PutObject", "PUT"), ("HeadObject", "HEAD"), ("DeleteObject", "DELETE")]
)
def test_a_request_goes_to_its_object_by_the_name_of_the_operation(operation: str, method: str) -> None:
    answers = Answers(OK)

    answer = requests_of(answers).send(operation, "lake", "raw/a.csv")

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answers.requests == [(method, "http://s3.test/lake/raw/a.csv")]


def test_further_arguments_are_sent_too() -> None:
    answers = Answers(OK)

    requests_of(answers).send("AbortMultipartUpload", "lake", "a", UploadId="7")

    assert answers.requests == [("DELETE", "http://s3.test/lake/a?uploadId=7")]


@pytest.mark.parametrize("retried", [False, True])
def test_an_error_names_operation_bucket_key_and_remedy_and_is_not_retried_if_it_is_final(retried: bool) -> None:
    answers = Answers(DENIED)

    with pytest.raises(StoreError, match=r"^PutObject s3://lake/a\.csv: .*AccessDenied.*need s3:PutObject") as failure:
        requests_of(answers, retried=retried).send("PutObject", "lake", "a.csv", Body=b"")

    assert (failure.value.final, failure.value.code, len(answers.requests)) == (True, "AccessDenied", 1)


def test_a_retrier_repeats_a_request_as_often_as_the_settings_of_the_client_allow() -> None:
    answers, enough = Answers(OVERLOADED), Answers(OVERLOADED, OVERLOADED, OK)

    requests_of(enough, retried=True).send("PutObject", "lake", "a", Body=b"1")
    with pytest.raises(StoreError, match="SlowDown"):
        requests_of(answers, retried=True).send("PutObject", "lake", "a", Body=b"1")

    assert (len(enough.requests), len(answers.requests)) == (3, 3)


def test_without_a_retrier_a_request_is_sent_as_often_as_botocore_sends_it() -> None:
    answers = Answers(OVERLOADED)

    with pytest.raises(StoreError, match=r"^HeadObject s3://lake/a: .*Another attempt may succeed") as failure:
        requests_of(answers).send("HeadObject", "lake", "a")

    assert (failure.value.final, len(answers.requests)) == (False, 1)


def test_a_download_is_retried_with_its_body_and_returned() -> None:
    answers = Answers(TEXT)
    client = client_of(answers)

    def download() -> bytes:
        body: bytes = client.get_object(Bucket="lake", Key="a")["Body"].read()
        if len(answers.requests) == 1:
            raise IncompleteReadError(actual_bytes=1, expected_bytes=len(body))
        return body

    requests = S3Requests(client, Retrier(client, lambda _: None))
    assert requests.run("GetObject", "lake", "a", download) == b"text"
    assert len(answers.requests) == 2


def test_a_failure_amid_a_body_is_explained() -> None:
    def download() -> None:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)

    with pytest.raises(StoreError, match=r"^GetObject s3://lake/a: ") as failure:
        requests_of(Answers(TEXT)).run("GetObject", "lake", "a", download)

    assert not failure.value.final
