"""Sends objects to S3 beside the encoding, with bounded bytes in flight; the first failure stops the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_s3dest.batching import ObjectSink
from airflow_provider_s3dest.delivery import StoredObject
from airflow_provider_s3dest.errors import LoadStoppedError, StoreError
from airflow_provider_s3dest.formats.choice import compressor_for
from airflow_provider_s3dest.progress import Progress
from airflow_provider_s3dest.s3_errors import explained
from airflow_provider_s3dest.spec import DestinationSpec

if TYPE_CHECKING:
    from botocore.client import BaseClient

log = logging.getLogger(__name__)

WORKERS = 8
"""Requests at a time; boto3's connection pool holds 10 by default."""

IN_FLIGHT_BYTES = 64 * 2**20
"""Bytes handed over to the requests and not yet answered; one piece larger than that goes alone."""

PUT_BYTES = 32 * 2**20
"""Objects up to this size, before compression, are sent by one PutObject, which costs less than a multipart upload."""

MAX_PARTS = 10_000
"""Parts of a multipart upload (Amazon S3 User Guide, "Amazon S3 multipart upload limits")."""

_WAIT_SECONDS = 0.5


class ObjectStore(Protocol):
    """Where a load writes its objects."""

    def open(self, key: str, table: str) -> ObjectSink:
        """Begin an object that holds records of a table."""
        ...

    def finish(self) -> list[StoredObject]:
        """Wait until every object is stored, and give them in the order in which they were opened."""
        ...


class Uploader:
    """Sends objects to one bucket; used as a context, whose end waits for the requests that are under way.

    :param client: the S3Hook's boto3 client, which is safe to share between threads.
    :param spec: bucket, compression, part size, and what is sent with every object.
    :param progress: told of every stored object, and while the uploads are waited for.
    :param stop: set from outside to end the load.
    """

    def __init__(self, client: BaseClient, spec: DestinationSpec, progress: Progress, stop: threading.Event) -> None:
        self.client: Any = client
        self.spec, self._progress, self._stop = spec, progress, stop
        self.arguments = {"Bucket": spec.bucket}
        self.put_arguments = spec.put_arguments
        # S3 refuses parts with a checksum, which botocore adds by default, unless the upload announced its kind.
        announced = client.meta.config.request_checksum_calculation == "when_supported"
        self._checksum = {"ChecksumAlgorithm": "CRC32"} if announced else {}
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="s3dest-upload")
        self._changed = threading.Condition()
        self._in_flight = self._jobs = 0
        self._failure: BaseException | None = None
        self._stored: list[StoredObject | None] = []
        self._multiparts: dict[str, _Multipart] = {}

    def __enter__(self) -> Uploader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._fail(error)
        # A killed task has seconds to live; what it leaves open is of no harm to the next try.
        self._executor.shutdown(wait=not self._stop.is_set(), cancel_futures=True)
        if not self._stop.is_set():
            self._abort_open_multiparts()

    def open(self, key: str, table: str) -> ObjectUpload:
        self._check()
        self._stored.append(None)
        return ObjectUpload(self, key, table, len(self._stored) - 1)

    def finish(self) -> list[StoredObject]:
        with self._changed:
            while self._jobs and self._failure is None and not self._stop.is_set():
                self._changed.wait(_WAIT_SECONDS)
                self._progress.tick()
        self._check()
        return [stored for stored in self._stored if stored is not None]

    def submit(self, size: int, job: Callable[[], None]) -> None:
        """Run a job on one of the threads, once there is room for its bytes.

        :raises BaseException: the first failure of any job, instead.
        """
        with self._changed:
            while self._in_flight and self._in_flight + size > IN_FLIGHT_BYTES:
                if self._failure is not None or self._stop.is_set():
                    break
                self._changed.wait(_WAIT_SECONDS)
                self._progress.tick()
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
        self._check()
        return self._call(operation, key, **arguments)

    def stored(self, position: int, stored: StoredObject) -> None:
        """Note that an object is complete."""
        self._stored[position] = stored
        self._progress.stored(stored.bytes)

    def begin_multipart(self, key: str) -> _Multipart:
        """Create a multipart upload, which is aborted if the load fails."""
        answer = self.request("CreateMultipartUpload", key, **self.put_arguments, **self._checksum)
        multipart = self._multiparts[key] = _Multipart(answer["UploadId"])
        return multipart

    def end_multipart(self, key: str) -> None:
        """Forget a multipart upload that is complete."""
        self._multiparts.pop(key, None)

    def _call(self, operation: str, key: str, **arguments: Any) -> Any:
        with explained(operation, self.spec.bucket, key):
            return getattr(self.client, _METHODS[operation])(**self.arguments, Key=key, **arguments)

    def _run(self, size: int, job: Callable[[], None]) -> None:
        try:
            if self._failure is None and not self._stop.is_set():
                job()
        except BaseException as error:
            self._fail(error)
        finally:
            with self._changed:
                self._in_flight -= size
                self._jobs -= 1
                self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _check(self) -> None:
        if self._stop.is_set():
            raise LoadStoppedError("The load was stopped: its task was killed or ran out of time.")
        if self._failure is not None:
            raise self._failure

    def _abort_open_multiparts(self) -> None:
        for key, multipart in self._multiparts.items():
            try:
                self._call("AbortMultipartUpload", key, UploadId=multipart.upload_id)
            except StoreError as error:
                log.warning("A multipart upload stays open, until a lifecycle rule ends it: %s", error)


_METHODS = {
    "PutObject": "put_object",
    "CreateMultipartUpload": "create_multipart_upload",
    "UploadPart": "upload_part",
    "CompleteMultipartUpload": "complete_multipart_upload",
    "AbortMultipartUpload": "abort_multipart_upload",
}


@dataclass
class _Multipart:
    upload_id: str
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    begun: int = 0
    closed: bool = False
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class ObjectUpload:
    """The content of one object on its way: one PutObject if it is small, else parts that leave while it grows."""

    def __init__(self, uploader: Uploader, key: str, table: str, position: int) -> None:
        self._uploader, self._key, self._table, self._position = uploader, key, table, position
        self._pieces: list[bytes | memoryview] = []
        self._size = self._records = 0
        self._compressor = compressor_for(uploader.spec)
        self._multipart: _Multipart | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the content."""
        if self._multipart is not None:
            self._take_compressed(self._compressor.compress(data))
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > PUT_BYTES:
            content = b"".join(self._pieces)
            self._multipart = self._uploader.begin_multipart(self._key)
            self._pieces, self._size = [], 0
            self._take_compressed(self._compressor.compress(content))

    def close(self, records: int) -> None:
        """Send what is left; the object is stored some time later."""
        self._records = records
        if self._multipart is None:
            self._uploader.submit(self._size, self._put)
            return
        self._take_compressed(self._compressor.flush())
        if self._size:
            self._send_part(b"".join(self._pieces))
        multipart = self._multipart
        with multipart.lock:
            multipart.closed = True
            whole = len(multipart.parts) == multipart.begun
        if whole:
            self._uploader.submit(0, lambda: self._complete(multipart))

    def _put(self) -> None:
        content = self._compressor.compress(b"".join(self._pieces)) + self._compressor.flush()
        self._pieces.clear()
        self._uploader.request("PutObject", self._key, Body=content, **self._uploader.put_arguments)
        self._uploader.stored(self._position, StoredObject(self._key, self._table, self._records, len(content)))

    def _take_compressed(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._size += len(data)
        part_size = self._uploader.spec.part_size
        if self._size < part_size:
            return
        content = memoryview(b"".join(self._pieces))
        whole = len(content) - len(content) % part_size
        # All parts but the last have the same size, as some stores demand.
        for begin in range(0, whole, part_size):
            self._send_part(content[begin : begin + part_size])
        self._pieces, self._size = [content[whole:]], len(content) - whole

    def _send_part(self, content: bytes | memoryview) -> None:
        multipart = self._multipart
        assert multipart is not None
        if multipart.begun == MAX_PARTS:
            raise StoreError(
                f"s3://{self._uploader.spec.bucket}/{self._key} needs over {MAX_PARTS:,} parts. Raise `part_size`.",
                final=True,
            )
        multipart.begun += 1
        number = multipart.begun
        self._uploader.submit(len(content), lambda: self._upload_part(number, content))

    def _upload_part(self, number: int, content: bytes | memoryview) -> None:
        multipart = self._multipart
        assert multipart is not None
        answer = self._uploader.request(
            "UploadPart", self._key, UploadId=multipart.upload_id, PartNumber=number, Body=bytes(content)
        )
        # S3 wants the checksum of each part again, if it was given one.
        checksums = {
            name: value for name, value in answer.items() if name.startswith("Checksum") and name != "ChecksumType"
        }
        with multipart.lock:
            multipart.parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **checksums}
            multipart.size += len(content)
            last = multipart.closed and len(multipart.parts) == multipart.begun
        if last:
            self._complete(multipart)

    def _complete(self, multipart: _Multipart) -> None:
        parts = [multipart.parts[number] for number in sorted(multipart.parts)]
        self._uploader.request(
            "CompleteMultipartUpload", self._key, UploadId=multipart.upload_id, MultipartUpload={"Parts": parts}
        )
        self._uploader.end_multipart(self._key)
        self._uploader.stored(self._position, StoredObject(self._key, self._table, self._records, multipart.size))


class DryRun:
    """Takes objects and stores nothing: compresses them to know their sizes."""

    def __init__(self, spec: DestinationSpec, progress: Progress) -> None:
        self._spec, self._progress = spec, progress
        self._objects: list[_Measured] = []

    def open(self, key: str, table: str) -> ObjectSink:
        measured = _Measured(key, table, self._spec, self._progress)
        self._objects.append(measured)
        return measured

    def finish(self) -> list[StoredObject]:
        return [StoredObject(one.key, one.table, one.records, one.bytes) for one in self._objects]


class _Measured:
    def __init__(self, key: str, table: str, spec: DestinationSpec, progress: Progress) -> None:
        self.key, self.table, self._progress = key, table, progress
        self._compressor = compressor_for(spec)
        self.records = self.bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(self._compressor.compress(data))

    def close(self, records: int) -> None:
        self.records = records
        self.bytes += len(self._compressor.flush())
        self._progress.stored(self.bytes)
