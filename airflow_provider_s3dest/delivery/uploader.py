"""Uploads objects to S3 while records are encoded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from isal import isal_zlib

from airflow_provider_s3dest.delivery.delivery import Delivery
from airflow_provider_s3dest.delivery.object_requests import ObjectRequests
from airflow_provider_s3dest.delivery.object_upload import ObjectUpload
from airflow_provider_s3dest.delivery.objects import BatchId, StoredObject
from airflow_provider_s3dest.delivery.worker_pool import WorkerPool
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec import DestinationSpec

if TYPE_CHECKING:
    from botocore.client import BaseClient

log = safe_logger(__name__)

_TICK_SECONDS = 0.25
"""Time between two calls of the delivery's ``tick``."""


class Uploader:
    """Uploads the objects of a load to one bucket; used as a context, whose end waits for requests that are under way.

    :param client: the S3Hook's boto3 client, which threads may share.
    :param spec: bucket, compression, part size, and the headers, metadata and tags of every object.
    :param delivery: says whether objects are held back, and notes every multipart upload.
    :param stop: set from outside to end the load.
    :param on_stored: called with the size of every object that is sent, from any thread.
    """

    def __init__(
        self,
        client: BaseClient,
        spec: DestinationSpec,
        delivery: Delivery,
        stop: StopFlag,
        on_stored: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._spec, self._delivery, self._stop, self._on_stored = spec, delivery, stop, on_stored
        self._pool = WorkerPool(stop)
        self._requests = ObjectRequests(client, spec.bucket, delivery, stop, self._pool.check)
        self._stored: list[StoredObject | None] = []
        self._held_back: list[Callable[[], None]] = []
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick_on, name="s3dest-upload-clock", daemon=True)

    def __enter__(self) -> Uploader:
        self._requests.__enter__()
        self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._pool.end(error):
            self._clock.join()
        self._requests.__exit__()

    def open(self, key: str, batch: BatchId, spec: DestinationSpec | None = None) -> ObjectUpload:
        self._pool.check()
        position = len(self._stored)
        self._stored.append(None)

        def stored(one: StoredObject, complete: Callable[[], None] | None) -> None:
            if complete is not None:
                self._held_back.append(complete)
            self._stored[position] = one
            self._on_stored(one.bytes)

        return ObjectUpload(
            self._requests,
            self._pool,
            (key, batch),
            spec or self._spec,
            atomic=self._delivery.atomic,
            owner=self._delivery.owner_of(batch),
            stored=stored,
        )

    def finish(self) -> list[StoredObject]:
        self._pool.wait()
        if self._requests.kept:
            count = f"{self._requests.kept:,}"
            log.info("An earlier attempt had already stored %s objects; they were not sent again.", count)
        return [stored for stored in self._stored if stored is not None]

    def complete(self) -> None:
        for job in self._held_back:
            self._pool.submit(0, job)
        self._pool.wait()

    def prepare(self, key: str, content: bytes, content_type: str) -> Callable[[], None]:
        arguments = {**self._spec.put_arguments, "ContentType": content_type}
        owner = self._delivery.owner_of_sidecar(key)
        if owner:
            arguments["Metadata"] = {**arguments.get("Metadata", {}), **owner}
        crc32, requests = isal_zlib.crc32(content), self._requests
        if not self._delivery.atomic:
            return lambda: requests.put(key, content, crc32, arguments)
        upload_id = requests.begin_multipart(key, arguments)
        part = requests.upload_part(key, upload_id, 1, content, crc32)
        return lambda: requests.complete_multipart(key, upload_id, [part], owner)

    def tick(self) -> None:
        self._stop.check()

    def _tick_on(self) -> None:
        """Let the delivery note open uploads, also while the thread that encodes waits for a source."""
        try:
            while not self._ended.wait(_TICK_SECONDS):
                self._delivery.tick()
        except Exception as error:
            self._pool.fail(error)
