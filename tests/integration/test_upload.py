"""Objects arrive whole, with all that is sent along, and few bytes at a time are under way."""

from __future__ import annotations

import gzip
import random
import threading
import time
from collections.abc import Iterator
from hashlib import md5
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_s3dest.delivery.object_upload import PUT_BYTES
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.worker_pool import IN_FLIGHT_BYTES, WORKERS
from airflow_provider_s3dest.errors import LoadStoppedError, StoreError
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.spec.limits import CHECKSUM
from tests.integration.loading import MIB, Watched, load, records_in, spec_of, uploading, wait_for_uploads_to_end
from tests.servers import Bucket
from tests.servers.fault_proxy import (
    Answer,
    FaultProxy,
    Request,
    Send,
    altered_request,
    error_in_success,
    lost,
    refused,
)

RANDOM_BYTES = random.Random(20).randbytes(35 * MIB + 1)
CONTENT = RANDOM_BYTES[: 11 * MIB]
BATCH = BatchId("t", "", 0)
ATTEMPTS = 3  # of botocore's standard mode
PIECE = MIB + 7  # no divisor of any size here


@pytest.fixture
def small_puts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let objects over 5 MiB be sent in parts, so that tests of parts need few bytes."""
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.PUT_BYTES", 5 * MIB)


def upload(bucket: Bucket, content: bytes, client: Any = None, **fields: Any) -> StoredObject:
    """Send one object, piece by piece."""
    with uploading(client or bucket.server.client(), spec_of(bucket, **fields)) as uploader:
        sink = uploader.open("object", BATCH)
        for begin in range(0, len(content), PIECE):
            sink.write(content[begin : begin + PIECE])
        sink.close(records=1)
        (stored,) = uploader.finish()
    return stored


def etag(content: bytes, part_size: int | None = None) -> str:
    """Tell the ETag of an object that was sent at once, or in parts."""
    if part_size is None:
        return f'"{md5(content).hexdigest()}"'
    parts = [md5(content[begin : begin + part_size]) for begin in range(0, len(content), part_size)]
    return f'"{md5(b"".join(part.digest() for part in parts)).hexdigest()}-{len(parts)}"'


@pytest.mark.parametrize("size", [1, PIECE, PUT_BYTES], ids=["one byte", "one piece", "32 MiB"])
def test_an_object_up_to_32_mib_is_put_at_once(bucket: Bucket, size: int) -> None:
    content = RANDOM_BYTES[:size]

    stored = upload(bucket, content)

    assert stored == StoredObject("object", BATCH, 1, size)
    assert bucket.read("object") == content
    assert bucket.head("object")["ETag"] == etag(content)


def test_an_object_of_one_byte_more_is_sent_in_parts_of_16_mib(bucket: Bucket) -> None:
    content = RANDOM_BYTES[: PUT_BYTES + 1]

    stored = upload(bucket, content)

    assert stored == StoredObject("object", BATCH, 1, PUT_BYTES + 1)
    assert bucket.read("object") == content
    assert bucket.head("object")["ETag"] == etag(content, 16 * MIB)
    assert bucket.open_uploads() == []


@pytest.mark.parametrize("size", [35 * MIB, 35 * MIB + 1], ids=["7 parts", "7 parts and a byte"])
def test_all_parts_but_the_last_have_the_part_size_and_none_is_empty(moto_bucket: Bucket, size: int) -> None:
    content = RANDOM_BYTES[:size]

    upload(moto_bucket, content, part_size=5 * MIB)

    assert moto_bucket.head("object")["ETag"] == etag(content, 5 * MIB)


def test_parts_grow_where_there_would_be_too_many(moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.multipart.EQUAL_PARTS", 2)
    monkeypatch.setattr("airflow_provider_s3dest.delivery.multipart.PARTS_OF_A_STEP", 1)
    content = RANDOM_BYTES[: 33 * MIB]

    upload(moto_bucket, content, part_size=5 * MIB)

    ends = [0, 5 * MIB, 10 * MIB, 20 * MIB, 33 * MIB]
    parts = [md5(content[begin:end]) for begin, end in pairwise(ends)]
    assert moto_bucket.read("object") == content
    assert moto_bucket.head("object")["ETag"] == f'"{md5(b"".join(one.digest() for one in parts)).hexdigest()}-4"'


@pytest.mark.usefixtures("small_puts")
@pytest.mark.parametrize("size", [10 * MIB, 10 * MIB + 1], ids=["2 parts", "2 parts and a byte"])
def test_an_object_in_parts_is_whole(bucket: Bucket, size: int) -> None:
    content = RANDOM_BYTES[:size]

    stored = upload(bucket, content, part_size=5 * MIB)

    assert stored == StoredObject("object", BATCH, 1, size)
    assert bucket.read("object") == content
    assert bucket.head("object")["ETag"] == etag(content, 5 * MIB)


@pytest.mark.usefixtures("small_puts")
@pytest.mark.parametrize("size", [MIB, 11 * MIB], ids=["at once", "in parts"])
def test_a_gzipped_object_unpacks_to_the_content_and_its_size_is_that_stored(bucket: Bucket, size: int) -> None:
    content = RANDOM_BYTES[:size]

    stored = upload(bucket, content, compression="gzip", part_size=5 * MIB)

    packed = bucket.read("object")
    assert gzip.decompress(packed) == content
    assert stored.bytes == len(packed)
    assert bucket.head("object")["ETag"] == etag(packed, 5 * MIB if size > 5 * MIB else None)


@pytest.mark.usefixtures("small_puts")
def test_a_large_object_that_shrinks_below_a_part_is_one_part(moto_bucket: Bucket) -> None:
    content = bytes(11 * MIB)

    stored = upload(moto_bucket, content, compression="gzip")

    packed = moto_bucket.read("object")
    assert gzip.decompress(packed) == content
    assert stored.bytes == len(packed) < MIB
    assert moto_bucket.head("object")["ETag"] == etag(packed, 16 * MIB)


@pytest.mark.usefixtures("small_puts")
@pytest.mark.parametrize("size", [10, 6 * MIB], ids=["at once", "in parts"])
class TestSentWithEveryObject:
    def test_type_metadata_tags_and_storage_class(self, bucket: Bucket, size: int) -> None:
        upload(
            bucket,
            RANDOM_BYTES[:size],
            content_type="text/x-own",
            metadata={"origin": "tests", "run": "7 of 9"},
            tags={"team": "1 of 2 + x", "a b": "c/d=e"},
            storage_class="STANDARD_IA",
        )

        head = bucket.head("object")
        tags = bucket.server.client().get_object_tagging(Bucket=bucket.name, Key="object")["TagSet"]
        assert head["ContentType"] == "text/x-own"
        assert {k: v for k, v in head["Metadata"].items() if k != CHECKSUM} == {"origin": "tests", "run": "7 of 9"}
        assert head["StorageClass"] == "STANDARD_IA"
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "1 of 2 + x", "a b": "c/d=e"}

    def test_encryption_with_the_keys_of_s3(self, bucket: Bucket, size: int) -> None:
        content = RANDOM_BYTES[:size]

        upload(bucket, content, server_side_encryption_configuration={"server_side_encryption": "AES256"})

        assert bucket.head("object")["ServerSideEncryption"] == "AES256"
        assert bucket.read("object") == content

    def test_acl(self, moto_bucket: Bucket, size: int) -> None:
        upload(moto_bucket, RANDOM_BYTES[:size], acl="public-read")

        grants = moto_bucket.server.client().get_object_acl(Bucket=moto_bucket.name, Key="object")["Grants"]
        everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
        assert [one["Permission"] for one in grants if one["Grantee"].get("URI") == everyone] == ["READ"]

    @pytest.mark.parametrize(
        ("fields", "content_type"),
        [
            ({"format": "csv"}, "text/csv"),
            ({"format": "json"}, "application/json"),
            ({"format": "json", "compression": "gzip"}, "application/gzip"),
        ],
        ids=["csv", "json", "gzip"],
    )
    def test_the_type_of_the_format_and_never_an_encoding(
        self, moto_bucket: Bucket, size: int, fields: dict[str, Any], content_type: str
    ) -> None:
        upload(moto_bucket, RANDOM_BYTES[:size], **fields)

        head = moto_bucket.head("object")
        assert head["ContentType"] == content_type
        assert "ContentEncoding" not in head

    def test_a_checksum_that_s3_keeps(self, seaweedfs_bucket: Bucket, size: int) -> None:
        upload(seaweedfs_bucket, RANDOM_BYTES[:size])

        client = seaweedfs_bucket.server.client()
        head = client.head_object(Bucket=seaweedfs_bucket.name, Key="object", ChecksumMode="ENABLED")
        assert head["ChecksumCRC32"]

    def test_no_checksum_if_the_client_is_told_to_send_none(self, bucket: Bucket, size: int) -> None:
        content = RANDOM_BYTES[:size]

        upload(bucket, content, client=bucket.server.client(request_checksum_calculation="when_required"))

        head = bucket.server.client().head_object(Bucket=bucket.name, Key="object", ChecksumMode="ENABLED")
        assert "ChecksumCRC32" not in head
        assert bucket.read("object") == content


@pytest.mark.usefixtures("small_puts")
@pytest.mark.parametrize(("size", "operation"), [(10, "PutObject"), (6 * MIB, "UploadPart")])
def test_bytes_that_change_on_the_way_are_refused_and_nothing_is_stored(
    seaweedfs_bucket: Bucket, seaweedfs_proxy: FaultProxy, size: int, operation: str
) -> None:
    seaweedfs_proxy.on(operation, altered_request, times=ATTEMPTS)

    with pytest.raises(StoreError, match=f"^{operation} s3://{seaweedfs_bucket.name}/object: .*BadDigest") as failure:
        upload(seaweedfs_bucket, RANDOM_BYTES[:size], seaweedfs_proxy.client())

    assert not failure.value.final
    assert seaweedfs_bucket.keys() == seaweedfs_bucket.open_uploads() == []


def test_bytes_that_change_on_the_way_once_are_sent_again(
    seaweedfs_bucket: Bucket, seaweedfs_proxy: FaultProxy
) -> None:
    seaweedfs_proxy.on("PutObject", altered_request)

    upload(seaweedfs_bucket, CONTENT, seaweedfs_proxy.client())

    assert seaweedfs_bucket.read("object") == CONTENT


RECORD = {"text": "x" * 8192}
RECORD_BYTES = len('{"text":""}\n') + 8192
OBJECT_BYTES = 1000 * RECORD_BYTES  # as many records as a chunk has


class Stream:
    """Records that are made as they are asked for, and counted."""

    def __init__(self, records: int) -> None:
        self.records, self.made = records, 0

    def __iter__(self) -> Iterator[dict[str, str]]:
        for _ in range(self.records):
            self.made += 1
            yield RECORD


class InBackground:
    """A call in a thread of its own, whose result or error is asked for later."""

    def __init__(self, call: Any) -> None:
        self._call, self._result = call, None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
        return self._result

    def ends_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error


def test_encoding_goes_on_beside_the_uploads_until_64_mib_wait_for_an_answer(seaweedfs_bucket: Bucket) -> None:
    watched = Watched(seaweedfs_bucket.server.client())
    stream = Stream(20_000)
    watched.hold()

    loading = InBackground(
        lambda: load(
            seaweedfs_bucket,
            stream,
            columns=["text"],
            client=watched.client,
            batch_size=1000,
            batch_size_bytes=64 * MIB,
        )
    )
    watched.wait_for(begun=IN_FLIGHT_BYTES // OBJECT_BYTES)
    assert not loading.ends_within(0.5)
    waiting = stream.made * RECORD_BYTES
    watched.release()
    report = loading.result()

    # Beyond what waits for an answer: the object that waits for room, and the chunk that is read ahead.
    assert IN_FLIGHT_BYTES - OBJECT_BYTES < waiting <= IN_FLIGHT_BYTES + 2 * OBJECT_BYTES
    assert report.objects == len(seaweedfs_bucket.keys()) == 20
    assert report.records == 20_000


@pytest.mark.usefixtures("small_puts")
def test_parts_of_one_object_count_as_bytes_under_way_too(moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.worker_pool.IN_FLIGHT_BYTES", 20 * MIB)
    watched = Watched(moto_bucket.server.client())
    stream = Stream(10_000)
    watched.hold(after=1)  # the thread that encodes creates the multipart upload itself

    loading = InBackground(
        lambda: load(
            moto_bucket,
            stream,
            columns=["text"],
            client=watched.client,
            path="out/{{TABLE}}.json",
            no_rotate=True,
            part_size=5 * MIB,
        )
    )
    watched.wait_for(begun=1 + 4)
    assert not loading.ends_within(0.5)
    waiting = stream.made * RECORD_BYTES
    watched.release()
    report = loading.result()

    # Beyond what waits for an answer: what fills no part yet, and two chunks, one being cut and one read ahead.
    assert 20 * MIB <= waiting <= 25 * MIB + 2 * OBJECT_BYTES
    assert moto_bucket.keys() == ["out/t.json"]
    assert moto_bucket.head("out/t.json")["ContentLength"] == report.bytes == 10_000 * RECORD_BYTES


def test_a_record_larger_than_what_may_be_under_way_goes_alone(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.worker_pool.IN_FLIGHT_BYTES", MIB)
    records = [{"text": "a"}, {"text": "b" * 3 * MIB}, {"text": "c"}]

    report = load(moto_bucket, records, batch_size_bytes=MIB)

    assert report.objects == 3
    assert sorted(records_in(moto_bucket), key=lambda record: str(record["text"])) == records


def test_after_the_first_failure_no_request_begins(bucket: Bucket, proxy: FaultProxy) -> None:
    watched = Watched(proxy.client())
    watched.hold(after=1)

    def refuse(request: Request, send: Send) -> Answer:
        watched.wait_for(begun=WORKERS)
        return refused(403, "AccessDenied")(request, send)

    proxy.on("PutObject", refuse)

    loading = InBackground(lambda: load(bucket, [{"n": n} for n in range(100)], client=watched.client, batch_size=1))
    watched.wait_for(answered=1)
    # The load waits for those that have begun, and no other begins.
    assert not loading.ends_within(0.5)
    watched.release()

    with pytest.raises(StoreError, match=r"PutObject .* AccessDenied"):
        loading.result()
    assert watched.begun == ["PutObject"] * WORKERS
    assert bucket.keys() == []  # of what had begun, nothing was sent yet


def test_of_several_failures_the_first_is_raised(moto_bucket: Bucket, moto_proxy: FaultProxy) -> None:
    watched = Watched(moto_proxy.client())
    codes = {"first": "AccessDenied", "second": "InvalidArgument"}
    may_fail = {key: threading.Event() for key in codes}

    def refuse(request: Request, send: Send) -> Answer:
        assert may_fail[request.key].wait(30)
        return refused(400, codes[request.key])(request, send)

    moto_proxy.on("PutObject", refuse, times=2)

    def load_two() -> None:
        with uploading(watched.client, spec_of(moto_bucket)) as uploader:
            for key in codes:
                uploader.open(key, BATCH).close(records=0)
            watched.wait_for(begun=2)
            for answered, key in enumerate(codes, 1):
                may_fail[key].set()
                watched.wait_for(answered=answered)
                time.sleep(0.2)  # from the answer to the note of the failure
            uploader.finish()

    with pytest.raises(StoreError, match=r"PutObject .*/first: .* AccessDenied"):
        load_two()


@pytest.mark.usefixtures("small_puts")
def test_after_the_first_failure_no_multipart_upload_is_begun_or_completed(bucket: Bucket, proxy: FaultProxy) -> None:
    """The requests of one object alone can not show it: here another object fails meanwhile."""
    client = proxy.client()
    proxy.on("PutObject", refused(403, "AccessDenied"))
    begun = Watched(client).begun

    def load_three() -> None:
        with uploading(client, spec_of(bucket)) as uploader:
            large, small, next_large = (uploader.open(key, BATCH) for key in ("large", "small", "next_large"))
            large.write(CONTENT)
            small.close(records=0)
            with pytest.raises(StoreError):
                uploader.finish()
            with pytest.raises(StoreError):
                next_large.write(CONTENT)
            large.close(records=1)

    with pytest.raises(StoreError, match=r"PutObject .* AccessDenied"):
        load_three()

    assert begun == ["CreateMultipartUpload", "PutObject", "AbortMultipartUpload"]
    assert bucket.keys() == bucket.open_uploads() == []


@pytest.mark.usefixtures("small_puts")
class TestAnOpenMultipartUpload:
    """A load that fails leaves none behind."""

    @staticmethod
    def records(ending: Any) -> Iterator[Any]:
        for _ in range(2_000):
            yield RECORD
        yield ending

    def test_is_aborted_when_a_later_record_can_not_be_encoded(self, bucket: Bucket) -> None:
        watched = Watched(bucket.server.client())

        def records() -> Iterator[Any]:
            for record in self.records({"text": object()}):
                if record is not RECORD:
                    watched.wait_for(begun=2)  # a slow thread would send no part before the error
                yield record

        with pytest.raises(Exception, match=r"record 2000, column 'text'"):
            load(
                bucket,
                records(),
                columns=["text"],
                client=watched.client,
                path="out/{{TABLE}}.json",
                no_rotate=True,
                part_size=5 * MIB,
            )

        assert "UploadPart" in watched.begun
        assert watched.begun[-1] == "AbortMultipartUpload"
        assert bucket.keys() == bucket.open_uploads() == []

    @pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
    @pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (503, "SlowDown")])
    def test_is_aborted_when_a_request_fails(
        self, bucket: Bucket, proxy: FaultProxy, operation: str, status: int, code: str
    ) -> None:
        proxy.on(operation, refused(status, code), times=100)

        with pytest.raises(StoreError, match=f"^{operation} s3://{bucket.name}/object: S3 answered {code}"):
            upload(bucket, CONTENT, proxy.client(retries={"max_attempts": 0}), part_size=5 * MIB)

        assert len(proxy.seen("AbortMultipartUpload")) == 1
        assert bucket.keys() == bucket.open_uploads() == []

    def test_that_can_not_be_aborted_either_is_told_in_the_log(
        self, bucket: Bucket, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxy.on("UploadPart", refused(403, "AccessDenied"), times=100)
        proxy.on("AbortMultipartUpload", refused(403, "AccessDenied"))

        with pytest.raises(StoreError, match=r"^UploadPart "):
            upload(bucket, CONTENT, proxy.client())

        assert bucket.open_uploads() == ["object"]
        assert f"AbortMultipartUpload s3://{bucket.name}/object" in caplog.text
        assert "s3:AbortMultipartUpload" in caplog.text


@pytest.mark.usefixtures("small_puts")
def test_what_fails_for_a_moment_is_tried_again(bucket: Bucket, proxy: FaultProxy) -> None:
    proxy.on("CreateMultipartUpload", refused(503, "SlowDown"))
    proxy.on("UploadPart", refused(500, "InternalError"))
    proxy.on("UploadPart", lost)
    proxy.on("CompleteMultipartUpload", error_in_success("InternalError"))

    upload(bucket, CONTENT, proxy.client(), part_size=5 * MIB)

    assert bucket.read("object") == CONTENT
    assert bucket.open_uploads() == []
    assert len(proxy.seen("CompleteMultipartUpload")) == 2


@pytest.mark.usefixtures("small_puts")
@pytest.mark.parametrize("code", ["InternalError", "AccessDenied"])
def test_an_error_in_the_body_of_a_success_is_a_failure(
    seaweedfs_bucket: Bucket, seaweedfs_proxy: FaultProxy, code: str
) -> None:
    seaweedfs_proxy.on("CompleteMultipartUpload", error_in_success(code), times=10)

    with pytest.raises(StoreError, match=code):
        upload(seaweedfs_bucket, CONTENT, seaweedfs_proxy.client(retries={"max_attempts": 1}))

    assert seaweedfs_bucket.keys() == seaweedfs_bucket.open_uploads() == []


@pytest.mark.usefixtures("small_puts")
def test_more_parts_than_s3_takes_is_an_error_with_a_way_out(
    moto_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_s3dest.delivery.object_upload.MAX_PARTS", 2)
    upload(moto_bucket, CONTENT[: 10 * MIB], part_size=5 * MIB)

    with pytest.raises(StoreError, match=r"needs over 2 parts\. Raise `part_size`\.") as failure:
        upload(moto_bucket, CONTENT, part_size=5 * MIB)

    assert failure.value.final
    assert moto_bucket.open_uploads() == []


@pytest.mark.usefixtures("small_puts")
class TestStopped:
    def test_no_request_begins_any_more(self, seaweedfs_bucket: Bucket) -> None:
        watched = Watched(seaweedfs_bucket.server.client())
        stop = StopFlag()
        watched.hold()
        loading = InBackground(
            lambda: load(
                seaweedfs_bucket, [{"n": n} for n in range(100)], client=watched.client, stop=stop, batch_size=1
            )
        )
        watched.wait_for(begun=WORKERS)

        stop.set()

        # It does not even wait for the requests that are under way.
        with pytest.raises(LoadStoppedError, match="stopped"):
            loading.result()
        watched.release()
        wait_for_uploads_to_end()
        assert watched.begun == ["PutObject"] * WORKERS
        assert seaweedfs_bucket.keys() == []

    def test_no_multipart_upload_begins_for_the_object_that_is_open(self, seaweedfs_bucket: Bucket) -> None:
        watched = Watched(seaweedfs_bucket.server.client())
        stop = StopFlag()

        def records() -> Iterator[dict[str, str]]:
            for number in range(3_000):
                if number == 10:
                    stop.set()
                yield RECORD

        with pytest.raises(LoadStoppedError):
            load(
                seaweedfs_bucket,
                records(),
                columns=["text"],
                client=watched.client,
                stop=stop,
                path="out/{{TABLE}}.json",
                no_rotate=True,
            )

        assert watched.begun == []

    def test_a_multipart_upload_is_not_completed(self, seaweedfs_bucket: Bucket) -> None:
        client = seaweedfs_bucket.server.client()
        stop = StopFlag()
        client.meta.events.register("after-call.s3.UploadPart", lambda **_: stop.set())

        with pytest.raises(LoadStoppedError):
            load(
                seaweedfs_bucket,
                [RECORD] * 1_000,
                client=client,
                stop=stop,
                path="out/{{TABLE}}.json",
                no_rotate=True,
                part_size=64 * MIB,
            )

        wait_for_uploads_to_end()
        assert seaweedfs_bucket.keys() == []
        assert records_in(seaweedfs_bucket) == []
