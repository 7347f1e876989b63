"""Staged files that are objects of S3, listed, read and deleted with one boto3 client."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from airflow_provider_s3dest.errors import ReplacedFileError, StagingError, StoreError
from airflow_provider_s3dest.s3.errors import explained, raise_alone, store_error
from airflow_provider_s3dest.s3.uri import split_uri
from airflow_provider_s3dest.sources.file_stores import replaced

if TYPE_CHECKING:
    from botocore.client import BaseClient


class _Version(NamedTuple):
    etag: str
    size: int


class S3Files:
    """Objects of S3, by paths such as ``s3://bucket/key``, read with one boto3 client."""

    def __init__(self, client: BaseClient) -> None:
        self._client: Any = client
        self._versions: dict[str, _Version] = {}

    def is_file(self, path: str) -> bool:
        from botocore.exceptions import ClientError

        bucket, key = split(path)
        if not key or key.endswith("/"):
            return False
        with explained("HeadObject", bucket, key):
            try:
                answer = self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response["ResponseMetadata"].get("HTTPStatusCode") == 404:
                    return False
                raise
            self._versions[path] = _Version(answer["ETag"], answer["ContentLength"])
        return True

    def below(self, folder: str) -> Iterator[str]:
        bucket, prefix = split(folder)
        with explained("ListObjectsV2", bucket, prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):  # a folder that somebody made in the console of S3
                        path = f"s3://{bucket}/{item['Key']}"
                        self._versions[path] = _Version(item["ETag"], item["Size"])
                        yield path

    def size(self, path: str) -> int:
        return self._versions[path].size

    def version(self, path: str) -> str:
        return self._versions[path].etag

    def remove(self, path: str, version: str) -> bool:
        bucket, key = split(path)
        try:
            with explained("DeleteObject", bucket, key):
                # S3 itself compares the ETag, so that nothing can come between a check and the deletion.
                self._client.delete_object(Bucket=bucket, Key=key, IfMatch=version)
        except StoreError as error:
            if error.code in ("PreconditionFailed", "412"):
                return False
            if error.code not in ("NoSuchKey", "404"):
                raise
        return True

    def open(self, path: str) -> IO[bytes]:
        bucket, key = split(path)
        version = self._versions.get(path)
        return io.BufferedReader(S3Reader(self._client, bucket, key, version and version.etag), 2**20)


def split(path: str) -> tuple[str, str]:
    """Split ``s3://bucket/key``.

    :raises StagingError: if there is no bucket, or a connection id before it.
    """
    bucket, key = split_uri(path)
    if not bucket:
        raise StagingError(f"{path} names no bucket. Write s3://bucket/folder/.")
    if "@" in bucket:
        raise StagingError(
            f"{path} names a connection. Take it out: staging is read with the AWS connection of the load."
        )
    return bucket, key


@dataclass
class _Body:
    stream: Any
    position: int


class S3Reader(io.RawIOBase):
    """Reads one object: forward in one request, and after a seek in another one from the new position.

    If a connection breaks within the body, the reader sends another request from where it broke. Every request asks for
    the same ETag, so that an object that is replaced while it is read is an error, never a mixture of two.
    """

    ATTEMPTS = 5

    def __init__(self, client: Any, bucket: str, key: str, etag: str | None = None) -> None:
        self._client, self._bucket, self._key, self._etag = client, bucket, key, etag
        self._position = 0
        self._size: int | None = None
        self._body: _Body | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._length() if whence == os.SEEK_END else 0,
        }
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, HTTPClientError

        view = memoryview(buffer)
        # botocore retries a request only until its answer begins; a body that breaks off is left to its reader.
        for attempt in range(1, self.ATTEMPTS + 1):
            try:
                if self._body is None or self._body.position != self._position:
                    self._start()
                if self._body is None:
                    return 0
                data = self._body.stream.read(len(view))
                view[: len(data)] = data
                self._body.position += len(data)
                self._position += len(data)
                return len(data)
            except (ClientError, FlexibleChecksumError) as error:
                # S3's answer, or a wrong checksum, known only after the wrong bytes were returned: no retry can help.
                failure = store_error(error, "GetObject", self._bucket, self._key)
                raise_alone(ReplacedFileError(str(failure)) if failure.code == "PreconditionFailed" else failure)
            except (HTTPClientError, BotoCoreError, OSError) as error:
                self._drop()
                if attempt == self.ATTEMPTS:
                    raise_alone(store_error(error, "GetObject", self._bucket, self._key))
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._drop()
        super().close()

    def _length(self) -> int:
        if self._size is None:
            with explained("HeadObject", self._bucket, self._key):
                answer = self._client.head_object(Bucket=self._bucket, Key=self._key)
            if self._etag and self._etag.strip('"') != answer["ETag"].strip('"'):
                raise replaced(f"s3://{self._bucket}/{self._key}")
            self._size = int(answer["ContentLength"])
            self._etag = answer["ETag"]
        return self._size

    def _start(self) -> None:
        """Request the object from the current position; at its end, nothing, as S3 refuses an empty range."""
        self._drop()
        if self._size is not None and self._position >= self._size:
            return
        condition = {"IfMatch": self._etag} if self._etag else {}
        # No range for the whole object, so that botocore can check its checksum.
        part = {"Range": f"bytes={self._position}-"} if self._position else {}
        answer = self._client.get_object(Bucket=self._bucket, Key=self._key, **condition, **part)
        self._etag = answer["ETag"]
        self._size = self._position + int(answer["ContentLength"])
        self._body = _Body(answer["Body"], self._position)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.stream.close()
            self._body = None
