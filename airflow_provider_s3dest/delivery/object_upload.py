"""Sends the content of one object: with one PutObject if it is small, else in parts that are sent while it grows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isal import isal_zlib

from airflow_provider_s3dest.delivery.multipart import size_of_part
from airflow_provider_s3dest.delivery.object_requests import ObjectRequests
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.worker_pool import WorkerPool
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.formats.compression import compressor_for
from airflow_provider_s3dest.s3.checksum import crc32_text, fingerprint, sums
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.limits import CHECKSUM, MAX_PARTS

PUT_BYTES = 32 * 2**20
"""Objects up to this size before compression are sent with one PutObject, which costs less than a multipart upload."""

Stored = Callable[[StoredObject, "Callable[[], None] | None"], None]
"""Called with an object that is sent, and with the function that completes it if that is held back, else None."""


@dataclass
class _Multipart:
    """A multipart upload under way; its parts are sent from several threads."""

    upload_id: str
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    sums: dict[int, tuple[int, int]] = field(default_factory=dict)
    """CRC32 and bytes of each part that is sent."""
    begun: int = 0
    closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class ObjectUpload:
    """Takes the content of one object, and sends it on the threads of a pool.

    :param requests: sends its requests.
    :param pool: runs the requests while records are encoded.
    :param target: key and batch of the object.
    :param spec: bucket, compression, part size, and the headers, metadata and tags of the object.
    :param atomic: whether the object is a multipart upload that is completed later.
    :param owner: metadata that say which load the object belongs to; empty if its key says so.
    :param stored: called with the object once it is sent.
    """

    def __init__(
        self,
        requests: ObjectRequests,
        pool: WorkerPool,
        target: tuple[str, BatchId],
        spec: DestinationSpec,
        *,
        atomic: bool,
        owner: Mapping[str, str],
        stored: Stored,
    ) -> None:
        self._requests, self._pool, (self._key, self._batch) = requests, pool, target
        self._spec, self._atomic, self._stored = spec, atomic, stored
        self._owner, self._arguments = owner, spec.put_arguments
        self._pieces: list[bytes | memoryview] = []
        self._size = self._records = 0
        self._compressor = compressor_for(spec)
        self._multipart: _Multipart | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the content."""
        if self._multipart is not None:
            self._take_compressed(self._compressor.compress(data))
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > PUT_BYTES:
            self._multipart = self._begin_multipart()
            pieces, self._pieces, self._size = deque(self._pieces), [], 0
            while pieces:  # each piece is freed as soon as it is in a part
                self._take_compressed(self._compressor.compress(pieces.popleft()))

    def close(self, records: int) -> None:
        """Send the rest of the content; the object is stored some time later.

        :param records: number of records in the object.
        """
        self._records = records
        if self._multipart is None:
            self._pool.submit(self._size, self._put)
            return
        self._take_compressed(self._compressor.flush())
        if self._size:
            self._send_part(b"".join(self._pieces))
        multipart = self._multipart
        with multipart.lock:
            multipart.closed = True
            whole = len(multipart.parts) == multipart.begun
        if whole:
            self._pool.submit(0, lambda: self._finish(multipart))

    def _begin_multipart(self) -> _Multipart:
        arguments = {**self._arguments, **self._metadata(self._owner)}
        return _Multipart(self._requests.begin_multipart(self._key, arguments))

    def _put(self) -> None:
        compressed = self._compressor.compress(b"".join(self._pieces))
        self._pieces.clear()
        # Without compression `flush` returns nothing, and then neither `bytes` nor `+` copies.
        content = bytes(compressed) + self._compressor.flush()
        if self._atomic:
            multipart = self._multipart = self._begin_multipart()
            multipart.begun, multipart.closed = 1, True
            self._upload_part(1, content)
            return
        arguments = self._arguments
        crc32, adler32 = sums(content)
        own = {CHECKSUM: fingerprint(crc32, adler32, arguments), **self._owner}
        if not self._requests.holds_already(self._key, self._batch, len(content), own):
            self._requests.put(self._key, content, crc32, {**arguments, **self._metadata(own)})
        self._stored(self._object(len(content), crc32), None)

    def _take_compressed(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while (missing := self._part_size() - self._size) <= len(left):
            part = b"".join((*self._pieces, left[:missing]))
            self._pieces, self._size, left = [], 0, left[missing:]
            self._send_part(part)
        if left:
            self._pieces.append(left)
            self._size += len(left)

    def _part_size(self) -> int:
        """Return the bytes of the part that is sent next."""
        assert self._multipart is not None
        return size_of_part(self._multipart.begun + 1, self._spec.part_size)

    def _send_part(self, content: bytes) -> None:
        multipart = self._multipart
        assert multipart is not None
        if multipart.begun == MAX_PARTS:
            raise StoreError(
                f"s3://{self._spec.bucket}/{self._key} needs over {MAX_PARTS:,} parts. Raise `part_size`.", final=True
            )
        multipart.begun += 1
        number = multipart.begun
        self._pool.submit(len(content), lambda: self._upload_part(number, content))

    def _upload_part(self, number: int, content: bytes) -> None:
        multipart = self._multipart
        assert multipart is not None
        crc32 = isal_zlib.crc32(content)
        part = self._requests.upload_part(self._key, multipart.upload_id, number, content, crc32)
        with multipart.lock:
            multipart.parts[number] = part
            multipart.sums[number] = crc32, len(content)
            last = multipart.closed and len(multipart.parts) == multipart.begun
        if last:
            self._finish(multipart)

    def _finish(self, multipart: _Multipart) -> None:
        """Complete the object, or hold its completion back."""

        def complete() -> None:
            parts = [multipart.parts[number] for number in sorted(multipart.parts)]
            self._requests.complete_multipart(self._key, multipart.upload_id, parts, self._owner)

        if not self._atomic:
            complete()
        size = crc32 = 0
        for _, (crc32_of_part, bytes_of_part) in sorted(multipart.sums.items()):
            size += bytes_of_part
            crc32 = isal_zlib.crc32_combine(crc32, crc32_of_part, bytes_of_part)
        self._stored(self._object(size, crc32), complete if self._atomic else None)

    def _metadata(self, own: Mapping[str, str]) -> dict[str, Any]:
        """Return the argument that adds metadata of our own to those of the spec; nothing if there are none."""
        return {"Metadata": {**self._arguments.get("Metadata", {}), **own}} if own else {}

    def _object(self, size: int, crc32: int) -> StoredObject:
        return StoredObject(self._key, self._batch, self._records, size, crc32_text(crc32))
