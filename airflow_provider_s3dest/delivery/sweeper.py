"""Removes what earlier attempts left: aborts multipart uploads and deletes objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from itertools import groupby, islice
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.delivery.daemon_threads import DaemonThreads
from airflow_provider_s3dest.delivery.load_state import Upload
from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.errors import is_denied
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import StopFlag
from airflow_provider_s3dest.safe_text import safe_logger
from airflow_provider_s3dest.spec.limits import OWNER

if TYPE_CHECKING:
    from botocore.client import BaseClient

WORKERS = 8
"""Requests at a time."""

KEYS_PER_REQUEST = 1_000
"""Most keys of one DeleteObjects request (Amazon S3 API Reference, "DeleteObjects")."""

_NAMED = 5
"""Objects that an error names at most."""

_NOT_THERE = ("404", "NoSuchKey", "NotFound")
_CHANGED = ("412", "PreconditionFailed")
_ONE_BY_ONE = ("NotImplemented", "MethodNotAllowed", "405", "MissingContentMD5", "InvalidRequest")
"""Error codes of stores that do not know DeleteObjects, or want a header with it that boto3 no longer sends."""

_NOT_SUPPORTED = ("NotImplemented", "501", "InvalidArgument", "InvalidRequest", "400", "MethodNotAllowed", "405")
"""Error codes of stores that know no condition on DeleteObject."""

_NO_ETAG = f'"{0:032x}"'
"""An ETag that no object has."""

_REPLACED = 5
"""Times that an object may be replaced between the look at it and its deletion."""

T = TypeVar("T")

log = safe_logger(__name__)


class Sweeper:
    """Removes what a load no longer needs.

    :param client: the boto3 client.
    :param stop: set from outside to end the load.
    :param arguments: headers, metadata and tags of every object, by boto3's names.
    :param deletes_shared: whether the load may delete objects whose keys another load can have too. Mapped instances
        may not.
    """

    def __init__(
        self,
        client: BaseClient,
        stop: StopFlag,
        arguments: Mapping[str, Any] | None = None,
        *,
        deletes_shared: bool = True,
    ) -> None:
        self._client: Any = client
        self._arguments, self._deletes_shared = arguments or {}, deletes_shared
        self._obstacle: str | None = None  # to deletions on a condition; empty: none
        self._deletes_many = True
        self._probing = Lock()
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
        alone: list[tuple[str, str]] = []
        requests = [
            (bucket, keys)
            for bucket, group in groupby(sorted(objects), key=lambda item: item[0])
            for keys in _cut([key for _, key in group], KEYS_PER_REQUEST)
        ]
        self._each(lambda request: denied.extend(self._delete(*request, alone)), requests)
        self._each(lambda item: denied.extend(self._delete_alone(*item)), alone)
        if denied:
            self._refuse_surplus(sorted(denied))

    def delete_owned(
        self, objects: Mapping[tuple[str, str], bool], owners: Collection[str], fence: Callable[[], None]
    ) -> None:
        """Delete the objects that carry the identity of a load; objects of other loads stay.

        Each object is looked at, and deleted only if it has not been replaced since (Amazon S3 User Guide, "How to
        perform conditional deletes").

        :param objects: for each bucket and key, whether an object of the load surely carries its identity.
        :param owners: the identities of the load, as :data:`OWNER` holds one.
        :param fence: raises SupersededError if a newer attempt owns the load; its objects carry the same identity.
        :raises StoreError: if an object can't be deleted safely; it is final, and names the object and the way out.
        """

        if objects and not self._deletes_shared:
            # Another instance may have written the same bytes by now: no condition tells the two apart.
            named = ", ".join(f"s3://{bucket}/{key}" for bucket, key in sorted(objects)[:_NAMED])
            more = ", ..." if len(objects) > _NAMED else ""
            log.warning(
                "%s objects stay, because another mapped instance may own them: %s%s. "
                "Put {{UUID}} or {{ ti.map_index }} into `path` to have them removed.",
                f"{len(objects):,}",
                named,
                more,
            )
            return

        def delete(item: tuple[tuple[str, str], bool]) -> None:
            (bucket, key), is_marked = item
            self._delete_owned(bucket, key, is_marked, owners, fence)

        self._each(delete, sorted(objects.items()))

    def _delete_owned(
        self, bucket: str, key: str, is_marked: bool, owners: Collection[str], fence: Callable[[], None]
    ) -> None:
        uri = f"s3://{bucket}/{key}"
        for _ in range(_REPLACED):
            try:
                head = self._requests.send("HeadObject", bucket, key)
            except StoreError as error:
                if error.code in _NOT_THERE:
                    return
                if error.denied:
                    right = "s3:GetObject and s3:ListBucket to see whose it is"
                    raise _undeletable(uri, f"the credentials need {right}") from error
                raise
            found = head["Metadata"].get(OWNER)
            if found is None and not is_marked:
                raise _undeletable(uri, "an older version wrote it, without the mark that tells whose it is")
            if found is None or found not in owners:
                log.info("%s stays: another load has written it since.", uri)
                return
            self._check_conditional(bucket, key, found)
            fence()
            try:
                self._requests.send("DeleteObject", bucket, key, IfMatch=head["ETag"])
                return
            except StoreError as error:
                if error.code in _NOT_THERE:
                    return
                if error.denied:
                    raise _undeletable(uri, "the credentials need s3:DeleteObject") from error
                if error.code not in _CHANGED:
                    raise
        raise StoreError(f"{uri} is replaced again and again. Another attempt may succeed.", final=False)

    def _check_conditional(self, bucket: str, key: str, owner: str) -> None:
        """Check once, on an object made for this, that the store deletes nothing whose ETag is another.

        A load that is killed here leaves the empty object, whose name begins with ``_``. It has one such name.

        :raises StoreError: if the store ignores ``If-Match`` on DeleteObject, or if the right to delete is missing.
        """
        with self._probing:
            if self._obstacle is None:
                probe = f"{key.rpartition('/')[0]}/_s3dest-probe-{owner}".lstrip("/")
                try:
                    is_conditional = self._probe(bucket, probe)
                    self._obstacle = "" if is_conditional else "the store does not delete on a condition (If-Match)"
                except StoreError as error:
                    if not error.denied:
                        raise
                    self._obstacle = "the credentials need s3:PutObject and s3:DeleteObject in its folder"
        if self._obstacle:
            raise _undeletable(f"s3://{bucket}/{key}", self._obstacle)

    def _probe(self, bucket: str, probe: str) -> bool:
        """Return whether the store keeps an object whose deletion is asked for with the ETag of another."""
        for _ in range(_REPLACED):
            self._requests.send("PutObject", bucket, probe, Body=b"", **self._arguments)
            try:
                self._requests.send("DeleteObject", bucket, probe, IfMatch=_NO_ETAG)
                return False
            except StoreError as error:
                if error.code in _NOT_THERE:
                    continue  # an attempt of the same load that is still alive removed it
                self._requests.send("DeleteObject", bucket, probe)
                if error.code not in (*_CHANGED, *_NOT_SUPPORTED):
                    raise
                return error.code in _CHANGED
        raise StoreError(f"s3://{bucket}/{probe} is removed again and again. Another attempt may succeed.", final=False)

    def _abort(self, upload: Upload) -> None:
        try:
            self._requests.send("AbortMultipartUpload", upload.bucket, upload.key, UploadId=upload.upload_id)
        except StoreError as error:
            if error.code not in ("NoSuchUpload", "404"):
                raise

    def _delete(self, bucket: str, keys: Sequence[str], alone: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Delete objects of one bucket; return the objects for which the right is missing.

        :param alone: takes the objects if the store deletes objects one by one only.
        """
        try:
            if self._deletes_many:
                denied = self._requests.run("DeleteObject", bucket, keys[0], lambda: self._delete_once(bucket, keys))
                if denied is not None:
                    return denied
            alone += ((bucket, key) for key in keys)
            return []
        except StoreError as error:
            if error.denied:
                return [(bucket, key) for key in keys]
            raise

    def _delete_alone(self, bucket: str, key: str) -> list[tuple[str, str]]:
        try:
            self._requests.send("DeleteObject", bucket, key)
        except StoreError as error:
            if error.denied:
                return [(bucket, key)]
            if error.code not in _NOT_THERE:
                raise
        return []

    def _delete_once(self, bucket: str, keys: Sequence[str]) -> list[tuple[str, str]] | None:
        """Delete by one request; return the objects for which the right is missing, or None if the store refuses it."""
        from botocore.exceptions import ClientError

        try:
            answer = self._client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        except ClientError as error:
            status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
            code = str(error.response.get("Error", {}).get("Code") or status)
            if status != "501" and code not in _ONE_BY_ONE:
                raise
            with self._probing:
                if self._deletes_many:
                    log.info("The store refuses DeleteObjects (%s). Objects are deleted one by one.", code)
                self._deletes_many = False
            return None
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
            elif error.code not in _NOT_THERE:
                raise

    def _each(self, action: Callable[[T], object], items: Sequence[T]) -> None:
        """Call ``action`` with each item, several at a time, and raise the first error at the end."""
        if not items:
            return
        executor = DaemonThreads(min(WORKERS, len(items)), "s3dest-sweep")
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


def _undeletable(uri: str, reason: str) -> StoreError:
    return StoreError(
        f"{uri} is left of an earlier attempt, as its key may be another load's too, and can't be deleted safely: "
        f"{reason}. Delete it by hand if it is surplus, and clear the task; or put {{{{UUID}}}} into the path.",
        final=True,
    )


def _cut(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
