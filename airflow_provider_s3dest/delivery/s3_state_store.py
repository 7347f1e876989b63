"""Keeps the record of a load as an object of S3, fenced by conditional writes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.errors import StoreError, SupersededError
from airflow_provider_s3dest.s3.errors import explained
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import going_on

if TYPE_CHECKING:
    from botocore.client import BaseClient

T = TypeVar("T")

_CONFLICTS = 10
"""Conditional writes that may be answered with a conflict before it is an error."""


@dataclass(frozen=True, slots=True)
class _Found:
    etag: str
    owner: str
    attempt: Attempt
    token: str
    text: str


class S3StateStore:
    """One object holds the text, and who wrote it.

    It is created with ``If-None-Match: *`` and replaced with ``If-Match``; each body holds a random token, so that an
    ETag never comes back (Amazon S3 User Guide, "How to prevent object overwrites with conditional writes").

    :param client: the boto3 client.
    :param key: key of the object, outside of the data's prefix.
    :param attempt: which try this is.
    """

    durable = in_order = True

    def __init__(self, client: BaseClient, bucket: str, key: str, attempt: Attempt) -> None:
        self._client: Any = client
        self._patiently = Retrier(client)
        self._target = {"Bucket": bucket, "Key": key}
        self._attempt = attempt
        self._owner = str(uuid4())
        self._etag: str | None = None

    def peek(self) -> str | None:
        found = self._read()
        return None if found is None else found.text

    def update(self, change: Callable[[str | None], str]) -> None:
        for _ in range(_CONFLICTS):
            refusal: StoreError | None = None
            try:
                found = self._read()
            except StoreError as error:
                if error.code not in _FORBIDDEN:
                    raise
                # Without s3:ListBucket a missing object is forbidden too. Only what isn't there can be created.
                found, refusal = None, error
            if found is not None and self._is_newer(found.attempt):
                raise self._superseded()
            if self._put(change(None if found is None else found.text), found.etag if found else None):
                return
            if refusal is not None:
                raise refusal
        raise StoreError(f"Other tries keep writing {self._uri}. Another try may succeed.", final=False)

    def write(self, text: str) -> None:
        for _ in range(_CONFLICTS):
            if self._put(text, self._etag):
                return
            found = self._read()
            if found is None:
                raise StoreError(f"{self._uri} was deleted while the load ran. Leave it to the load.", final=False)
            if found.owner != self._owner:
                raise self._superseded()
            self._etag = found.etag  # an earlier write of ours, whose answer was lost
        raise StoreError(f"{self._uri} can't be replaced. Another try may succeed.", final=False)

    def verify(self) -> None:
        etag = self._request("HeadObject", self._client.head_object)["ETag"]
        if etag != self._etag:
            found = self._read()
            if found is None or found.owner != self._owner:
                raise self._superseded()
            self._etag = found.etag

    def _put(self, text: str, etag: str | None) -> bool:
        """Write if the object is still that of the ETag, or still missing; say whether it now holds the text."""
        token = str(uuid4())
        body = json.dumps({"owner": self._owner, "attempt": self._attempt, "token": token, "record": text})
        condition = {"IfMatch": etag} if etag is not None else {"IfNoneMatch": "*"}
        for number in range(_CONFLICTS):
            try:
                answer = self._request(
                    "PutObject",
                    self._client.put_object,
                    Body=body.encode(),
                    ContentType="application/json",
                    **condition,
                )
                self._etag = answer["ETag"]
                return True
            except StoreError as error:
                if error.code not in _LOST_RACE and error.code != _CONFLICT:
                    raise
                code = error.code
            if code in _LOST_RACE:
                # It was this very write, if its first answer was lost and botocore sent it again.
                found = self._read_if_allowed()
                if found is None or found.token != token:
                    return False
                self._etag = found.etag
                return True
            time.sleep(random.uniform(0, 0.05 * 2**number))
        return False

    def _read(self) -> _Found | None:
        try:
            etag, text = self._request("GetObject", self._get)
            body = json.loads(text)
        except StoreError as error:
            if error.code in ("NoSuchKey", "404"):
                return None
            raise
        except (ValueError, TypeError) as error:
            raise StoreError(
                f"{self._uri} holds no record of a load. Give another `state_path`.", final=True
            ) from error
        return _Found(etag, body["owner"], Attempt(*body["attempt"]), body["token"], body["record"])

    def _get(self, **target: str) -> tuple[str, bytes]:
        answer = self._client.get_object(**target)
        return answer["ETag"], answer["Body"].read()

    def _request(self, operation: str, method: Callable[..., T], **arguments: Any) -> T:
        def send() -> T:
            with going_on(), explained(operation, *self._names):
                return method(**self._target, **arguments)

        return self._patiently(send)

    def _read_if_allowed(self) -> _Found | None:
        try:
            return self._read()
        except StoreError as error:
            if error.code in _FORBIDDEN:
                return None
            raise

    def _is_newer(self, other: Attempt) -> bool:
        if not other.run_began or not self._attempt.run_began:
            return other.number > self._attempt.number
        return other > self._attempt

    def _superseded(self) -> SupersededError:
        return SupersededError(
            f"A newer try owns this load, says {self._uri}: this try stops and changes nothing more."
        )

    @property
    def _names(self) -> tuple[str, str]:
        return self._target["Bucket"], self._target["Key"]

    @property
    def _uri(self) -> str:
        return "s3://{}/{}".format(*self._names)


_LOST_RACE = ("PreconditionFailed", "412", "NoSuchKey")
_CONFLICT = "ConditionalRequestConflict"
_FORBIDDEN = ("AccessDenied", "403", "Forbidden")
