"""Sends the requests for the objects of a load: each is fenced and retried, and its errors are explained."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.objects import BatchId
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.body import Body
from airflow_provider_s3dest.s3.checksum import crc32_text, multipart_etag
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import StopFlag

if TYPE_CHECKING:
    from botocore.client import BaseClient

_DENIED_LOOKS = 16
"""Denied HeadObject requests after which no more are sent.

S3 denies HeadObject for a missing object without the right s3:ListBucket, and for any object without s3:GetObject.
"""

_NOT_THERE = ("404", "NoSuchKey", "NotFound")
_NO_HEAD = ("405", "MethodNotAllowed", "501", "NotImplemented")
"""What a store answers that knows no HeadObject: then an object is sent again."""


class ObjectRequests:
    """Sends requests for the objects of one bucket; used from many threads, and as a context.

    :param client: the S3Hook's boto3 client, which threads may share.
    :param bucket: name of the bucket.
    :param delivery: checks before each request that this attempt owns the load, and notes every multipart upload.
    :param stop: set from outside to end the load.
    :param check: raises if the load has failed or was stopped; called before each request.
    """

    def __init__(
        self, client: BaseClient, bucket: str, delivery: Delivery, stop: StopFlag, check: Callable[[], None]
    ) -> None:
        self._client: Any = client
        self._bucket, self._delivery, self._check = bucket, delivery, check
        self._requests = S3Requests(client, Retrier(client, stop.wait))
        self._sends_checksums = client.meta.config.request_checksum_calculation == "when_supported"
        self._denied_looks = 0
        self._thread = threading.local()
        self.kept = 0
        """Number of objects that an earlier attempt had stored, so that they were not sent again."""

    def __enter__(self) -> ObjectRequests:
        self._client.meta.events.register("before-send.s3", self._before_send)
        self._client.meta.events.register("before-sign.s3", _before_sign)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.meta.events.unregister("before-send.s3", self._before_send)
        self._client.meta.events.unregister("before-sign.s3", _before_sign)

    def put(self, key: str, content: bytes, crc32: int, arguments: Mapping[str, Any]) -> None:
        """Store an object.

        :param crc32: CRC32 of the content.
        :param arguments: headers, metadata and tags, by boto3's names.
        """
        self._send("PutObject", key, **self._body(content, crc32), **arguments)

    def begin_multipart(self, key: str, arguments: Mapping[str, Any]) -> str:
        """Create a multipart upload and return its id.

        :param arguments: headers, metadata and tags, by boto3's names.
        """
        # S3 refuses parts with a checksum unless the upload announced the algorithm.
        announced = {"ChecksumAlgorithm": "CRC32"} if self._sends_checksums else {}
        upload_id: str = self._send("CreateMultipartUpload", key, **arguments, **announced)["UploadId"]
        self._delivery.opened(key, upload_id)
        return upload_id

    def upload_part(self, key: str, upload_id: str, number: int, content: bytes, crc32: int) -> dict[str, Any]:
        """Send a part, and return what CompleteMultipartUpload needs to know about it.

        :param number: number of the part, from 1.
        :param crc32: CRC32 of the content.
        """
        body = self._body(content, crc32)
        answer = self._send("UploadPart", key, UploadId=upload_id, PartNumber=number, **body)
        # If parts were sent with checksums, CompleteMultipartUpload must repeat them.
        checksums = {
            name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"
        }
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def complete_multipart(
        self, key: str, upload_id: str, parts: list[dict[str, Any]], owner: Mapping[str, str]
    ) -> None:
        """Complete an object whose parts are sent, so that it becomes visible.

        :param parts: what :meth:`upload_part` returned for each part, in order.
        :param owner: metadata that say which load the object belongs to; empty if its key says so.
        """
        try:
            self._send("CompleteMultipartUpload", key, UploadId=upload_id, MultipartUpload={"Parts": parts})
        except StoreError as error:
            # Some stores forget an upload once it is complete. Perhaps it is, and only the answer was lost.
            if error.code != "NoSuchUpload" or not self._is_complete(key, parts, owner):
                raise
        self._delivery.completed(upload_id)

    def holds_already(self, key: str, batch: BatchId, size: int, metadata: Mapping[str, str]) -> bool:
        """Return whether an earlier attempt has stored the same content under this key.

        :param size: bytes of the content.
        :param metadata: what the metadata of the object must hold, its checksum above all.
        """
        if self._denied_looks >= _DENIED_LOOKS or not self._delivery.may_be_stored(batch):
            return False
        try:
            head = self._send("HeadObject", key)
        except StoreError as error:
            if error.denied:
                self._denied_looks += 1
            elif error.code not in (*_NOT_THERE, *_NO_HEAD):
                raise
            return False
        same: bool = head["ContentLength"] == size and metadata.items() <= head["Metadata"].items()
        self.kept += same
        return same

    def _send(self, operation: str, key: str, **arguments: Any) -> Any:
        """Send a request for one key, unless the load has failed or was stopped.

        :param operation: name of the S3 operation, such as ``PutObject``.
        :raises StoreError: if S3 refuses or can't be reached.
        """
        method = self._requests.method(operation)

        def request() -> Any:
            self._check()
            # Each request needs a body of its own, since it begins where the one before stopped reading.
            body = {"Body": Body(arguments["Body"])} if "Body" in arguments else {}
            return method(Bucket=self._bucket, Key=key, **{**arguments, **body})

        self._thread.is_fenced = True
        try:
            return self._requests.run(operation, self._bucket, key, request)
        except StoreError as error:
            self._thread.is_fenced = False
            if error.code == "NoSuchUpload":
                self._delivery.fence(at_once=True)  # a newer attempt aborts the uploads that it finds open
            raise
        finally:
            self._thread.is_fenced = False

    def _before_send(self, **_: Any) -> None:
        """Check the fence before each request is sent, also before the retries that botocore sends by itself."""
        if not getattr(self._thread, "is_fenced", False):
            return
        # The fence may use the same client, and its requests need no fence.
        self._thread.is_fenced = False
        try:
            self._delivery.fence()
            self._check()
        finally:
            self._thread.is_fenced = True

    def _is_complete(self, key: str, parts: list[dict[str, Any]], owner: Mapping[str, str]) -> bool:
        try:
            head = self._send("HeadObject", key)
        except StoreError:
            return False
        return bool(head["ETag"] == multipart_etag(parts)) and owner.items() <= head["Metadata"].items()

    def _body(self, content: bytes, crc32: int) -> dict[str, Any]:
        """Return the arguments for a content and its checksum; botocore then need not compute one."""
        return {"Body": content, **({"ChecksumCRC32": crc32_text(crc32)} if self._sends_checksums else {})}


def _before_sign(request: Any, **_: Any) -> None:
    """Tell botocore that the request has a checksum already.

    Over TLS, botocore then does not hash the body for the signature; over plain HTTP it still does.
    """
    if "x-amz-checksum-crc32" in request.headers:
        request.context["checksum"] = {"request_algorithm": {"in": "header", "name": "x-amz-checksum-crc32"}}
