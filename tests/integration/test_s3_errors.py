"""What a user is told where something answers that is no S3, or S3 has a reason to refuse that he can mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.errors import store_error
from tests.integration.loading import load, load_staged, s3_state
from tests.servers import Bucket
from tests.servers.fault_proxy import Answer, FaultProxy, refused

RECORDS = [{"n": 1}]
TRIED_ONCE = {"retries": {"total_max_attempts": 1}}

Job = Callable[[Bucket, Any], Any]

JOBS: dict[str, Job] = {
    "upload": lambda bucket, client: load(bucket, RECORDS, client=client),
    "atomic": lambda bucket, client: load(bucket, RECORDS, client=client, atomic=True, state=s3_state(bucket, client)),
    "listing": lambda bucket, client: load_staged(bucket, f"s3://{bucket.name}/in/", client=client),
    "file": lambda bucket, client: load_staged(bucket, f"s3://{bucket.name}/in.csv", client=client),
}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
class TestAnEndpointThatIsNoS3:
    """Is told of as such, and no retry comes after it."""

    @pytest.mark.parametrize("status", [301, 405], ids=["redirects", "knows no such method"])
    def test_by_its_status(self, moto_bucket: Bucket, moto_proxy: FaultProxy, job: Job, status: int) -> None:
        moto_proxy.on_each(lambda request, send: Answer(status, {"Content-Type": "text/html"}, b"<html></html>"))

        with pytest.raises(
            StoreError, match=r"s3://.* This server does not answer like S3: check `endpoint_url` in the extra"
        ) as failure:
            job(moto_bucket, moto_proxy.client(**TRIED_ONCE))

        assert failure.value.final

    def test_by_an_answer_of_another_kind(self, moto_bucket: Bucket, moto_proxy: FaultProxy, job: Job) -> None:
        moto_proxy.on_each(lambda request, send: Answer(200, {"Content-Type": "text/html"}, b"<html><p>hello</html>"))

        with pytest.raises(
            StoreError, match=r"(This server does not answer like S3: check `endpoint_url`|S3 answered 500)"
        ):
            job(moto_bucket, moto_proxy.client(**TRIED_ONCE))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("InvalidBucketName", "No bucket can have this name: check it in `bucket`, `staging_path` or `state_path`"),
        ("ExpiredToken", "The session token has expired: renew it"),
        ("RequestTimeTooSkewed", "Set the clock of the worker"),
        ("KMS.NotFoundException", "check `sse_kms_key_id`"),
        (
            "AccessDenied",
            "The credentials need s3:PutObject there. Where they are set, `tags` need s3:PutObjectTagging",
        ),
    ],
)
def test_a_refusal_that_no_retry_mends_says_what_to_check(
    moto_bucket: Bucket, moto_proxy: FaultProxy, code: str, told: str
) -> None:
    moto_proxy.on("PutObject", refused(400, code))

    with pytest.raises(StoreError) as failure:
        load(moto_bucket, RECORDS, client=moto_proxy.client())

    assert told in str(failure.value)
    assert failure.value.final
    assert len(moto_proxy.requests) == 1


@pytest.mark.parametrize(
    ("operation", "status", "code", "message"),
    [
        # What Backblaze B2 and others answer, as their users report it.
        ("PutObject", 400, "InvalidArgument", "Unsupported header 'x-amz-sdk-checksum-algorithm' received."),
        ("GetObject", 400, "InvalidArgument", "Unsupported header 'x-amz-checksum-mode' received."),
        ("PutObject", 501, "NotImplemented", "A header you provided implies functionality that is not implemented."),
        ("CreateMultipartUpload", 501, "NotImplemented", "Not implemented."),
        ("PutObject", 501, "", ""),
    ],
)
def test_a_store_that_refuses_checksum_headers_is_told_of_with_the_setting(
    operation: str, status: int, code: str, message: str
) -> None:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}

    error = store_error(ClientError(answer, operation), operation, "lake", "a")

    assert '"request_checksum_calculation": "when_required"' in str(error)
    assert error.final


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("PutObject", "InvalidArgument", "Invalid storage class"),
        ("PutObject", "BadDigest", "The checksum did not match"),
        ("DeleteObjects", "NotImplemented", "Not implemented"),
    ],
)
def test_another_refusal_is_not_blamed_on_checksum_headers(operation: str, code: str, message: str) -> None:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    assert "when_required" not in str(store_error(ClientError(answer, operation), operation, "lake", "a"))


@pytest.mark.parametrize(
    ("header", "field"),
    [("x-amz-tagging", "`tags`"), ("X-Amz-Acl", "`acl`"), ("x-amz-storage-class", "`storage_class`")],
)
def test_a_store_that_refuses_another_header_is_told_of_with_the_field(header: str, field: str) -> None:
    answer: Any = {
        "Error": {"Code": "NotImplemented", "Message": f"Header '{header}' with value 'x' not implemented"},
        "ResponseMetadata": {"HTTPStatusCode": 501},
    }
    error = store_error(ClientError(answer, "PutObject"), "PutObject", "lake", "a")

    assert f"leave {field} out" in str(error)
    assert "when_required" not in str(error)
    assert error.final


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (501, "NotImplemented"),
        (501, ""),
        (400, "MissingContentMD5"),
        (400, "InvalidRequest"),
        (405, "MethodNotAllowed"),
    ],
)
def test_a_store_without_delete_objects_gets_its_surplus_removed(
    moto_bucket: Bucket, moto_proxy: FaultProxy, caplog: pytest.LogCaptureFixture, status: int, code: str
) -> None:
    def refuse(request: Any, send: Any) -> Answer:
        if request.operation == "DeleteObjects":
            return refused(status, code)(request, send)
        answer: Answer = send(request)
        return answer

    moto_proxy.on_each(refuse)
    client = moto_proxy.client()
    caplog.set_level("INFO", "airflow_provider_s3dest")
    for records in (3, 1):
        path = "out/{{UUID}}/{{BATCH}}.json"
        load(
            moto_bucket,
            [{"n": 1}] * records,
            client=client,
            state=s3_state(moto_bucket, client),
            path=path,
            batch_size=1,
        )

    assert len(moto_bucket.objects("out/")) == 1
    assert sum(request.operation == "DeleteObjects" for request in moto_proxy.requests) == 1
    assert caplog.text.count("deleted one by one") == 1


def test_the_setting_that_the_error_names_sends_no_checksum(moto_bucket: Bucket, moto_proxy: FaultProxy) -> None:
    def refuse(request: Any, send: Any) -> Answer:
        headers = {name.lower() for name in request.headers}
        if any("checksum" in name for name in headers - {"x-amz-meta-s3dest-checksum"}):
            return refused(501, "NotImplemented")(request, send)
        answer: Answer = send(request)
        return answer

    moto_proxy.on_each(refuse)
    with pytest.raises(StoreError, match="when_required"):
        load(moto_bucket, RECORDS, client=moto_proxy.client())
    load(moto_bucket, RECORDS, client=moto_proxy.client(request_checksum_calculation="when_required"))

    assert len(moto_bucket.keys()) == 1


@pytest.mark.parametrize("name", ["has space", "arn:aws:s3:nothing", "x"])
def test_a_name_that_no_bucket_has_is_blamed_on_the_bucket(moto_bucket: Bucket, name: str) -> None:
    with pytest.raises(StoreError, match=r"check it in `bucket`|Check its name") as failure:
        load(Bucket(name, moto_bucket.server), RECORDS)

    assert "\n" not in str(failure.value)
    assert failure.value.final
