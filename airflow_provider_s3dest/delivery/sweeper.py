"""Removes what earlier attempts left: aborts multipart uploads and deletes objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.delivery.load_state import Upload
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.errors import is_denied
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import StopFlag

if TYPE_CHECKING:
    from botocore.client import BaseClient

WORKERS = 8
"""Requests at a time."""

KEYS_PER_REQUEST = 1_000
"""Most keys of one DeleteObjects request (Amazon S3 API Reference, "DeleteObjects")."""

_NAMED = 5
"""Objects that an error names at most."""

T = TypeVar("T")


class Sweeper:
    """Removes what a load no longer needs.

    :param client: the boto3 client.
    :param stop: set from outside to end the load.
    """

    def __init__(self, client: BaseClient, stop: StopFlag) -> None:
        self._client: Any = client
        self._stop = stop
        self._requests = S3Requests(client, Retrier(client, stop.wait))

    def stop(self) -> None:
        """Begin no further request, in any thread."""
        self._stop.set()

    def abort(self, uploads: Sequence[Upload]) -> None:
        """Abort multipart uploads; an upload that does not exist any more is no error.

        :raises StoreError: if one can't be aborted; the others are aborted all the same.
        """
        self._each(self._abort, uploads)

    def delete(self, objects: Iterable[tuple[str, str]]) -> None:
        """Delete objects, by bucket and key; an object that does not exist is no error.

        :raises StoreError: if one can't be deleted; the others are deleted all the same. If the right to delete is
            missing and objects exist, the error is final and names them.
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
            self._requests.send("AbortMultipartUpload", upload.bucket, upload.key, UploadId=upload.upload_id)
        except StoreError as error:
            if error.code not in ("NoSuchUpload", "404"):
                raise

    def _delete(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Delete objects of one bucket; return the objects for which the right is missing."""
        try:
            return self._requests.run("DeleteObject", bucket, keys[0], lambda: self._delete_once(bucket, keys))
        except StoreError as error:
            if error.denied:
                return [(bucket, key) for key in keys]
            raise

    def _delete_once(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        answer = self._client.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        denied = []
        for failed in answer.get("Errors", ()):
            if not is_denied(failed.get("Code", "")):
                raise StoreError(
                    f"DeleteObject s3://{bucket}/{failed['Key']}: S3 answered {failed.get('Code')}: "
                    f"{failed.get('Message')}. Another attempt may succeed.",
                    final=False,
                )
            denied.append((bucket, failed["Key"]))
        return denied

    def _refuse_surplus(self, denied: Sequence[tuple[str, str]]) -> None:
        """Raise an error if an object that could not be deleted exists, or may exist."""
        existing: list[str] = []
        possible: list[str] = []
        self._each(lambda item: self._look(*item, existing, possible), denied)
        if not existing and not possible:
            return
        surplus = sorted(existing or possible)
        named = ", ".join(surplus[:_NAMED]) + (f" and {len(surplus) - _NAMED:,} more" if len(surplus) > _NAMED else "")
        what = "Surplus objects of earlier attempts" if existing else "Possible surplus objects of earlier attempts"
        right = "s3:DeleteObject" if existing else "s3:DeleteObject, or s3:GetObject and s3:ListBucket to look for them"
        raise StoreError(
            f"{what} can't be removed: {named}. The credentials need {right}. "
            "Grant the right and clear the task, or delete the objects.",
            final=True,
        )

    def _look(self, bucket: str, key: str, existing: list[str], possible: list[str]) -> None:
        try:
            self._requests.send("HeadObject", bucket, key)
            existing.append(f"s3://{bucket}/{key}")
        except StoreError as error:
            if error.denied:
                possible.append(f"s3://{bucket}/{key}")
            elif error.code not in ("404", "NoSuchKey", "NotFound"):
                raise

    def _each(self, action: Callable[[T], object], items: Sequence[T]) -> None:
        """Call ``action`` with each item, several at a time, and raise the first error at the end."""
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
