"""A bucket in memory, which answers as the real servers do, as far as a delivery asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import md5
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError

from airflow_provider_s3dest.s3 import body
from airflow_provider_s3dest.s3.checksum import multipart_etag

Place = tuple[str, str]


@dataclass(frozen=True)
class Stored:
    body: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Open:
    place: Place
    metadata: Mapping[str, str]
    parts: dict[int, Stored] = field(default_factory=dict)


class MemoryS3:
    """Objects and open multipart uploads; the methods are those of the boto3 client.

    :param forgets_completed: whether a second CompleteMultipartUpload finds no upload, as on some servers, instead of
        success, as on others.
    """

    def __init__(self, *, forgets_completed: bool = True) -> None:
        self.objects: dict[Place, Stored] = {}
        self.uploads: dict[str, Open] = {}
        self._completed: dict[str, str] = {}
        self._forgets_completed = forgets_completed
        self._begun: list[str] = []

    def fork(self) -> MemoryS3:
        """Return a bucket that holds the same, and changes by itself from now on."""
        other = MemoryS3(forgets_completed=self._forgets_completed)
        other.objects, other._completed, other._begun = dict(self.objects), dict(self._completed), [*self._begun]
        other.uploads = {key: replace(upload, parts=dict(upload.parts)) for key, upload in self.uploads.items()}
        return other

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes | body.Body,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        Metadata: Mapping[str, str] | None = None,
        ContentType: str = "",
    ) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if IfNoneMatch is not None and there is not None:
            raise refusal("PreconditionFailed", 412, "PutObject")
        if IfMatch is not None and there is None:
            raise refusal("NoSuchKey", 404, "PutObject")
        if IfMatch is not None and there is not None and there.etag != IfMatch:
            raise refusal("PreconditionFailed", 412, "PutObject")
        content = _read(Body)
        stored = Stored(content, f'"{md5(content).hexdigest()}"', dict(Metadata or {}))
        self.objects[Bucket, Key] = stored
        return {"ETag": stored.etag}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if there is None:
            raise refusal("NoSuchKey", 404, "GetObject")
        return {"ETag": there.etag, "Body": BytesIO(there.body)}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if there is None:
            raise refusal("404", 404, "HeadObject")
        return {"ETag": there.etag, "ContentLength": len(there.body), "Metadata": there.metadata}

    def create_multipart_upload(
        self, *, Bucket: str, Key: str, ContentType: str = "", Metadata: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        upload_id = f"upload-{len(self._begun) + 1}"
        self._begun.append(upload_id)
        self.uploads[upload_id] = Open((Bucket, Key), dict(Metadata or {}))
        return {"UploadId": upload_id}

    def upload_part(
        self, *, Bucket: str, Key: str, UploadId: str, PartNumber: int, Body: bytes | body.Body
    ) -> dict[str, Any]:
        if UploadId not in self.uploads:
            raise refusal("NoSuchUpload", 404, "UploadPart")
        content = _read(Body)
        part = Stored(content, f'"{md5(content).hexdigest()}"')
        self.uploads[UploadId].parts[PartNumber] = part
        return {"ETag": part.etag}

    def complete_multipart_upload(
        self, *, Bucket: str, Key: str, UploadId: str, MultipartUpload: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> dict[str, Any]:
        if UploadId in self._completed and not self._forgets_completed:
            return {"ETag": self._completed[UploadId]}
        if UploadId not in self.uploads:
            raise refusal("NoSuchUpload", 404, "CompleteMultipartUpload")
        upload = self.uploads.pop(UploadId)
        body = b"".join(upload.parts[part["PartNumber"]].body for part in MultipartUpload["Parts"])
        stored = Stored(body, multipart_etag(MultipartUpload["Parts"]), upload.metadata)
        self.objects[Bucket, Key] = stored
        self._completed[UploadId] = stored.etag
        return {"ETag": stored.etag}

    def abort_multipart_upload(self, *, Bucket: str, Key: str, UploadId: str) -> dict[str, Any]:
        if self.uploads.pop(UploadId, None) is None:
            raise refusal("NoSuchUpload", 404, "AbortMultipartUpload")
        return {}

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:
        for item in Delete["Objects"]:
            self.objects.pop((Bucket, item["Key"]), None)
        return {}

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str | None = None) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if IfMatch is not None and there is None:
            raise refusal("NoSuchKey", 404, "DeleteObject")
        if IfMatch is not None and there is not None and there.etag != IfMatch:
            raise refusal("PreconditionFailed", 412, "DeleteObject")
        self.objects.pop((Bucket, Key), None)
        return {}


def refusal(code: str, status: int, operation: str) -> ClientError:
    """Make the error that boto3 raises when S3 refuses."""
    return ClientError(
        {"Error": {"Code": code, "Message": "Says the model"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        operation,
    )


def _read(sent: bytes | body.Body) -> bytes:
    if isinstance(sent, bytes):
        return sent
    sent.seek(0)  # as botocore does before it sends a request again
    return bytes(sent.read())
