"""Removes what earlier tries left: aborts multipart uploads, deletes objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.delivery.load_state import Upload
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.errors import explained, is_denied
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import StopFlag

if TYPE_CHECKING:
    from botocore.client import BaseClient

WORKERS = 8

KEYS_PER_REQUEST = 1_000
"""Of DeleteObjects (Amazon S3 API Reference, "DeleteObjects")."""

_NAMED = 5

T = TypeVar("T")


class Sweeper:
    """Removes what a load no longer needs.

    :param client: the boto3 client.
    :param stop: set from outside to end the load.
    """

    def __init__(self, client: BaseClient, stop: StopFlag) -> None:
        self._client: Any = client
        self._stop = stop
        self._patiently = Retrier(client, stop.wait)

    def stop(self) -> None:
        """Begin nothing more, in whatever thread."""
        self._stop.set()

    def abort(self, uploads: Sequence[Upload]) -> None:
        """Abort multipart uploads; one that is gone already is fine.

        :raises StoreError: if one can't be aborted, after all others were tried.
        """
        self._each(self._abort, uploads)

    def delete(self, objects: Iterable[tuple[str, str]]) -> None:
        """Delete objects, by bucket and key; one that is gone already is fine.

        :raises StoreError: if one can't be deleted, after all others were tried. It is final, and names them, if the
            right is missing and objects are there.
        """
        denied: list[tuple[str, str]] = []
        requests = [
            (bucket, keys)
            for bucket, group in groupby(sorted(objects), key=lambda item: item[0])
            for keys in _cut([key for _, key in group], KEYS_PER_REQUEST)
        ]
        self._each(lambda request: denied.extend(self._delete(*request)), requests)
        if denied:
            self._refuse_surplus(sorted(denied))

    def _abort(self, upload: Upload) -> None:
        try:
            self._request(
                "AbortMultipartUpload",
                self._client.abort_multipart_upload,
                upload.bucket,
                upload.key,
                Key=upload.key,
                UploadId=upload.upload_id,
            )
        except StoreError as error:
            if error.code not in ("NoSuchUpload", "404"):
                raise

    def _delete(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Delete objects of one bucket; gives those for which the right is missing."""
        try:
            return self._patiently(lambda: self._delete_once(bucket, keys))
        except StoreError as error:
            if error.denied:
                return [(bucket, key) for key in keys]
            raise

    def _delete_once(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        with explained("DeleteObject", bucket, keys[0]):
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        denied = []
        for failed in answer.get("Errors", ()):
            if not is_denied(failed.get("Code", "")):
                raise StoreError(
                    f"DeleteObject s3://{bucket}/{failed['Key']}: S3 answered {failed.get('Code')}: "
                    f"{failed.get('Message')}. Another try may succeed.",
                    final=False,
                )
            denied.append((bucket, failed["Key"]))
        return denied

    def _refuse_surplus(self, denied: Sequence[tuple[str, str]]) -> None:
        """Fail if any object that could not be deleted is there, or may be."""
        there: list[str] = []
        unknown: list[str] = []
        self._each(lambda item: self._look(*item, there, unknown), denied)
        if not there and not unknown:
            return
        surplus = sorted(there or unknown)
        named = ", ".join(surplus[:_NAMED]) + (f" and {len(surplus) - _NAMED:,} more" if len(surplus) > _NAMED else "")
        what = "Surplus objects of earlier tries" if there else "What may be surplus objects of earlier tries"
        right = "s3:DeleteObject" if there else "s3:DeleteObject, or s3:GetObject and s3:ListBucket to look"
        raise StoreError(
            f"{what} can't be removed: {named}. The credentials need {right} there; "
            "grant it and clear the task, or delete the objects.",
            final=True,
        )

    def _look(self, bucket: str, key: str, there: list[str], unknown: list[str]) -> None:
        try:
            self._request("HeadObject", self._client.head_object, bucket, key, Key=key)
            there.append(f"s3://{bucket}/{key}")
        except StoreError as error:
            if error.denied:
                unknown.append(f"s3://{bucket}/{key}")
            elif error.code not in ("404", "NoSuchKey", "NotFound"):
                raise

    def _request(self, operation: str, method: Callable[..., object], bucket: str, key: str, **arguments: Any) -> None:
        def send() -> None:
            with explained(operation, bucket, key):
                method(Bucket=bucket, **arguments)

        self._patiently(send)

    def _each(self, action: Callable[[T], object], items: Sequence[T]) -> None:
        """Do something with all items, several at a time, and raise the first error at the end."""
        if not items:
            return
        executor = ThreadPoolExecutor(min(WORKERS, len(items)), thread_name_prefix="s3dest-sweep")
        try:
            futures = [executor.submit(self._unless_stopped, action, item) for item in items]
            wait(futures)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
        for future in futures:
            future.result()

    def _unless_stopped(self, action: Callable[[T], object], item: T) -> None:
        self._stop.check()
        action(item)


def _cut(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
