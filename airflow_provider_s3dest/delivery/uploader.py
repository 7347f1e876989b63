"""Sends objects to S3 beside the encoding, with bounded bytes in flight; the first failure stops the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from isal import isal_zlib

from airflow_provider_s3dest.delivery.attempt import Delivery
from airflow_provider_s3dest.delivery.object_upload import Multipart, ObjectUpload
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.formats.batching import ObjectSink
from airflow_provider_s3dest.load.progress import Progress
from airflow_provider_s3dest.s3.body import Body
from airflow_provider_s3dest.s3.checksum import crc32_text, multipart_etag
from airflow_provider_s3dest.s3.errors import explained
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.limits import CHECKSUM

if TYPE_CHECKING:
    from botocore.client import BaseClient

log = logging.getLogger(__name__)

WORKERS = 8
"""Requests at a time; boto3's connection pool holds 10 by default."""

IN_FLIGHT_BYTES = 64 * 2**20
"""Bytes handed over to the requests and not yet answered; one piece larger than that goes alone."""

_WAIT_SECONDS = 0.5

_TICK_SECONDS = 0.25

_STOP_SECONDS = 1.5
"""Time that the requests under way have to end when the load is stopped; a killed task lives 5 s at most."""

_DENIED_LOOKS = 16
"""Refused looks at stored objects after which none is looked at: S3 refuses to tell of a missing one without
s3:ListBucket, and of any without s3:GetObject."""


class ObjectSinks(Protocol):
    """Where a load writes its objects."""

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectSink:
        """Begin an object that holds the records of a batch.

        :param spec: its compression, and what is sent with it; None: that of the load.
        """
        ...

    def finish(self) -> list[StoredObject]:
        """Wait until every byte is sent, and give the objects in the order in which they were opened."""
        ...

    def complete(self) -> None:
        """Complete the objects that were held back."""
        ...

    def prepare(self, key: str, content: bytes, content_type: str) -> Callable[[], None] | None:
        """Give what stores an object that is no batch; None if nothing is stored.

        With ``atomic`` its bytes are sent at once, so that no other try can be taken by surprise.
        """
        ...

    def tick(self) -> None:
        """End the load if it was told to stop; called often, from the thread that encodes."""
        ...


class Uploader:
    """Sends objects to one bucket; used as a context, whose end waits for the requests that are under way.

    :param client: the S3Hook's boto3 client, which is safe to share between threads.
    :param spec: bucket, compression, part size, and what is sent with every object.
    :param delivery: says whether objects are held back, and learns of every multipart upload.
    :param progress: told of every stored object.
    :param stop: set from outside to end the load.
    """

    def __init__(
        self, client: BaseClient, spec: DestinationSpec, delivery: Delivery, progress: Progress, stop: StopFlag
    ) -> None:
        self.client: Any = client
        self.spec, self.delivery, self._progress, self._stop = spec, delivery, progress, stop
        self.arguments = {"Bucket": spec.bucket}
        self.put_arguments = spec.put_arguments
        self._sends_checksums = client.meta.config.request_checksum_calculation == "when_supported"
        self._patiently = Retrier(client, stop.wait)
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3dest-upload")
        self._changed = threading.Condition()
        self._in_flight = self._jobs = self._running = 0
        self._failure: BaseException | None = None
        self._stored: list[StoredObject | None] = []
        self._held: list[Callable[[], None]] = []
        self._kept = self._denied_looks = 0
        self._thread = threading.local()
        self._ended = threading.Event()
        self._ticking = threading.Thread(target=self._tick_on, name="s3dest-upload-clock", daemon=True)

    def __enter__(self) -> Uploader:
        self.client.meta.events.register("before-send.s3", self._before_send)
        self.client.meta.events.register("before-sign.s3", _before_sign)
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._fail(error)
        self._ended.set()
        if error is None or (isinstance(error, Exception) and not self._stop.is_set()):
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._ticking.join()
        else:
            # A killed task has seconds to live, yet what its last requests opened should be known.
            self._executor.shutdown(wait=False, cancel_futures=True)
            with self._changed:
                self._changed.wait_for(lambda: not self._running, _STOP_SECONDS)
        self.client.meta.events.unregister("before-send.s3", self._before_send)
        self.client.meta.events.unregister("before-sign.s3", _before_sign)

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectUpload:
        self._check()
        self._stored.append(None)
        return ObjectUpload(self, key, batch, len(self._stored) - 1, spec or self.spec)

    def finish(self) -> list[StoredObject]:
        self._wait_for_jobs()
        if self._kept:
            log.info("%s objects lay there from an earlier try and were not sent again.", f"{self._kept:,}")
        return [stored for stored in self._stored if stored is not None]

    def complete(self) -> None:
        for job in self._held:
            self.submit(0, job)
        self._wait_for_jobs()

    def prepare(self, key: str, content: bytes, content_type: str) -> Callable[[], None]:
        arguments = {**self.put_arguments, "ContentType": content_type}
        if not self.delivery.atomic:
            return lambda: self.put(key, content, isal_zlib.crc32(content), arguments)
        upload_id = self.begin_multipart(key, arguments).upload_id
        part = self.upload_part(key, upload_id, 1, content, isal_zlib.crc32(content))
        return lambda: self.complete_multipart(key, upload_id, [part])

    def tick(self) -> None:
        self._stop.check()

    def submit(self, size: int, job: Callable[[], None]) -> None:
        """Run a job on one of the threads, once there is room for its bytes.

        :raises BaseException: the first failure of any job, instead.
        """
        with self._changed:
            while self._in_flight and self._in_flight + size > IN_FLIGHT_BYTES:
                if self._failure is not None or self._stop.is_set():
                    break
                self._changed.wait(_WAIT_SECONDS)
                self.tick()
            self._check()
            self._in_flight += size
            self._jobs += 1
        self._executor.submit(self._run, size, job)

    def request(self, operation: str, key: str, **arguments: Any) -> Any:
        """Call an operation of the client on one key, unless the load has failed or was stopped.

        :param operation: name of the S3 operation, such as ``PutObject``.
        :raises StoreError: if S3 refuses or can't be reached.
        :raises BaseException: the first failure of any job, instead.
        """
        self._thread.sends = True
        try:
            return self._patiently(lambda: self._request(operation, key, arguments))
        except StoreError as error:
            self._thread.sends = False
            if error.code == "NoSuchUpload":
                self.delivery.fence(at_once=True)  # a newer try aborts what it finds open
            raise
        finally:
            self._thread.sends = False

    def stored(self, position: int, stored: StoredObject) -> None:
        """Note that an object is complete, or could be."""
        self._stored[position] = stored
        self._progress.stored(stored.bytes)

    def hold(self, complete: Callable[[], None]) -> None:
        """Keep a job back until the load completes its objects."""
        self._held.append(complete)

    def begin_multipart(self, key: str, arguments: Mapping[str, Any]) -> Multipart:
        """Create a multipart upload.

        :param arguments: headers, metadata and tags, by boto3's names.
        """
        # S3 refuses parts with a checksum unless the upload announced its kind.
        announced = {"ChecksumAlgorithm": "CRC32"} if self._sends_checksums else {}
        answer = self.request("CreateMultipartUpload", key, **arguments, **announced)
        self.delivery.opened(key, answer["UploadId"])
        return Multipart(answer["UploadId"])

    def put(self, key: str, content: bytes, crc32: int, arguments: Mapping[str, Any]) -> None:
        """Store an object.

        :param crc32: of the content.
        :param arguments: headers, metadata and tags, by boto3's names.
        """
        self.request("PutObject", key, **self._body(content, crc32), **arguments)

    def upload_part(self, key: str, upload_id: str, number: int, content: bytes, crc32: int) -> dict[str, Any]:
        """Send a part, and give what S3 wants to hear of it at the end."""
        body = self._body(content, crc32)
        answer = self.request("UploadPart", key, UploadId=upload_id, PartNumber=number, **body)
        # S3 wants the checksum of each part again, if it was given one.
        checksums = {
            name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"
        }
        return {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def complete_multipart(self, key: str, upload_id: str, parts: list[dict[str, Any]]) -> None:
        """Let an object appear whose parts are sent."""
        try:
            self.request("CompleteMultipartUpload", key, UploadId=upload_id, MultipartUpload={"Parts": parts})
        except StoreError as error:
            # Some stores forget an upload once it is complete: so it may be that only the answer was lost.
            if error.code != "NoSuchUpload" or not self._is_complete(key, parts):
                raise
        self.delivery.completed(upload_id)

    def _is_complete(self, key: str, parts: list[dict[str, Any]]) -> bool:
        try:
            found = self.request("HeadObject", key)
        except StoreError:
            return False
        return bool(found["ETag"] == multipart_etag(parts))

    def _body(self, content: bytes, crc32: int) -> dict[str, Any]:
        """Give the arguments that send a content with its checksum, which botocore then need not compute."""
        return {"Body": content, **({"ChecksumCRC32": crc32_text(crc32)} if self._sends_checksums else {})}

    def holds_already(self, key: str, batch: BatchId, size: int, checksum: str) -> bool:
        """Say whether an earlier try has stored the same under this key."""
        if self._denied_looks >= _DENIED_LOOKS or not self.delivery.may_be_stored(batch):
            return False
        try:
            found = self.request("HeadObject", key)
        except StoreError as error:
            if error.denied:
                self._denied_looks += 1
            elif error.code not in _NOT_THERE:
                raise
            return False
        same: bool = found["ContentLength"] == size and found["Metadata"].get(CHECKSUM) == checksum
        self._kept += same
        return same

    def _request(self, operation: str, key: str, arguments: Mapping[str, Any]) -> Any:
        self._check()
        body = {"Body": Body(arguments["Body"])} if "Body" in arguments else {}
        with explained(operation, self.spec.bucket, key):
            return getattr(self.client, _METHODS[operation])(**self.arguments, Key=key, **{**arguments, **body})

    def _before_send(self, **_: Any) -> None:
        """Let nothing through that must not be sent any more, botocore's retries included."""
        if not getattr(self._thread, "sends", False):
            return
        # The fence may use the same client, and what it sends needs no fence.
        self._thread.sends = False
        try:
            self.delivery.fence()
            self._check()
        finally:
            self._thread.sends = True

    def _tick_on(self) -> None:
        """Let the delivery note what is open, however long a source keeps the thread that encodes."""
        try:
            while not self._ended.wait(_TICK_SECONDS):
                self.delivery.tick()
        except Exception as error:
            self._fail(error)

    def _wait_for_jobs(self) -> None:
        with self._changed:
            while self._jobs and self._failure is None and not self._stop.is_set():
                self._changed.wait(_WAIT_SECONDS)
                self.tick()
        self._check()

    def _run(self, size: int, job: Callable[[], None]) -> None:
        try:
            with self._changed:
                self._running += 1
            if self._failure is None and not self._stop.is_set():
                job()
        except BaseException as error:
            self._fail(error)
        finally:
            with self._changed:
                self._running -= 1
                self._in_flight -= size
                self._jobs -= 1
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _check(self) -> None:
        self._stop.check()
        if self._failure is not None:
            raise self._failure


def _before_sign(request: Any, **_: Any) -> None:
    """Let botocore know of a checksum that it did not compute itself.

    Over TLS it then hashes the body no second time for the signature; over plain http it still does.
    """
    if "x-amz-checksum-crc32" in request.headers:
        request.context["checksum"] = {"request_algorithm": {"in": "header", "name": "x-amz-checksum-crc32"}}


_NOT_THERE = ("404", "NoSuchKey", "NotFound")

_METHODS = {
    "HeadObject": "head_object",
    "PutObject": "put_object",
    "CreateMultipartUpload": "create_multipart_upload",
    "UploadPart": "upload_part",
    "CompleteMultipartUpload": "complete_multipart_upload",
}
