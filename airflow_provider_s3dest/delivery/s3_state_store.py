"""Keeps the state of a load in an object of S3, fenced by conditional writes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec

from airflow_provider_s3dest.delivery.attempt import Attempt
from airflow_provider_s3dest.delivery.load_state import LoadState
from airflow_provider_s3dest.delivery.state_store import StateStore
from airflow_provider_s3dest.errors import StateError, StoreError, SupersededError
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.s3.retries import Retrier
from airflow_provider_s3dest.s3.stop import going_on
from airflow_provider_s3dest.safe_text import safe_logger

if TYPE_CHECKING:
    from botocore.client import BaseClient

log = safe_logger(__name__)

_CONFLICTS = 10
"""How often a conditional write is sent before a conflict is an error."""

_LOST_RACE = ("PreconditionFailed", "412", "NoSuchKey")
_CONFLICT = "ConditionalRequestConflict"
_FORBIDDEN = ("AccessDenied", "403", "Forbidden")


@dataclass(frozen=True, slots=True)
class _StateObject:
    """What the object holds.

    :param owner: names the attempt that wrote it, by a random UUID.
    :param token: names the write, by a random UUID.
    :param text: the state.
    """

    etag: str
    owner: str
    attempt: Attempt
    token: str
    text: str


class _Body(msgspec.Struct):
    """The object as JSON."""

    owner: str
    attempt: tuple[str, Annotated[int, msgspec.Meta(ge=0)]]
    token: str
    record: str


class S3StateStore:
    """Keeps the state in one object, together with the attempt that wrote it.

    The object is created with ``If-None-Match: *`` and replaced with ``If-Match`` (Amazon S3 User Guide, "How to
    prevent object overwrites with conditional writes"). Each body holds a random token, so that no two writes have the
    same ETag.

    :param client: the boto3 client.
    :param bucket: bucket of the object.
    :param key: key of the object, outside the folder of the data.
    :param attempt: the attempt that reads and writes.
    :param earlier: the store that kept the state before, from which it is taken over while there is no object here.
    """

    durable = in_order = True

    def __init__(
        self, client: BaseClient, bucket: str, key: str, attempt: Attempt, earlier: StateStore | None = None
    ) -> None:
        self._client: Any = client
        self._requests = S3Requests(client, Retrier(client))
        self._bucket, self._key = bucket, key
        self._attempt = attempt
        self._owner = str(uuid4())
        self._etag: str | None = None
        self._earlier = earlier
        self._taken_from: StateStore | None = None
        self.follows = True
        self._warned = False

    @property
    def is_open(self) -> bool:
        return self._taken_from is None

    @property
    def where(self) -> str:
        return self._uri if self._taken_from is None else self._taken_from.where

    @property
    def remedy(self) -> str:
        if self._taken_from is not None:
            return self._taken_from.remedy
        return (
            f"Give another `state_path` or, to the hook, another `load_id`. Or remove {self._uri}: then nobody knows "
            "what earlier attempts left, so delete that too."
        )

    def peek(self) -> str | None:
        stored = self._read()
        return self._earlier_text() if stored is None else stored.text

    def update(self, change: Callable[[str | None], str]) -> None:
        for _ in range(_CONFLICTS):
            refusal: StoreError | None = None
            try:
                stored = self._read()
            except StoreError as error:
                if error.code not in _FORBIDDEN:
                    raise
                # Without s3:ListBucket, S3 also answers so for a missing object. Creating it shows which it is: only a
                # missing object can be created.
                stored, refusal = None, error
            if stored is not None and self._is_newer(stored.attempt):
                raise self._superseded(stored.attempt)
            self._taken_from, self.follows = None, stored is None or self._attempt.may_follow(stored.attempt)
            text = self._earlier_text(claim=True) if stored is None else stored.text
            if self._put(change(text), stored.etag if stored else None):
                return
            if refusal is not None:
                raise refusal
        raise StoreError(f"Other attempts keep writing {self._uri}. Another attempt may succeed.", final=False)

    def write(self, text: str) -> None:
        for _ in range(_CONFLICTS):
            if self._put(text, self._etag):
                return
            stored = self._read()
            if stored is None:
                raise StoreError(f"{self._uri} was deleted while the load ran. Do not delete it.", final=False)
            if stored.owner != self._owner:
                raise self._superseded(stored.attempt)
            self._etag = stored.etag  # of an earlier write of this attempt, whose answer was lost
        raise StoreError(f"{self._uri} can't be replaced. Another attempt may succeed.", final=False)

    def verify(self) -> None:
        etag = self._send("HeadObject")["ETag"]
        if etag != self._etag:
            stored = self._read()
            if stored is None or stored.owner != self._owner:
                raise self._superseded(None if stored is None else stored.attempt)
            self._etag = stored.etag

    def _put(self, text: str, etag: str | None) -> bool:
        """Write the text if the object still has this ETag, or is still missing; return whether that succeeded.

        :param etag: the expected ETag; None: the object is expected to be missing.
        """
        token = str(uuid4())
        body = json.dumps({"owner": self._owner, "attempt": self._attempt, "token": token, "record": text})
        condition = {"IfMatch": etag} if etag is not None else {"IfNoneMatch": "*"}
        for number in range(_CONFLICTS):
            try:
                answer = self._send("PutObject", Body=body.encode(), ContentType="application/json", **condition)
                self._etag = answer["ETag"]
                return True
            except StoreError as error:
                if error.code not in _LOST_RACE and error.code != _CONFLICT:
                    raise
                code = error.code
            if code in _LOST_RACE:
                # The winner may be this very write: its first answer was lost, and botocore sent it again.
                stored = self._read_if_allowed()
                if stored is None or stored.token != token:
                    return False
                self._etag = stored.etag
                return True
            time.sleep(random.uniform(0, 0.05 * 2**number))
        return False

    def _read(self) -> _StateObject | None:
        try:
            with going_on():
                etag, text = self._requests.run("GetObject", self._bucket, self._key, self._get)
            body = msgspec.json.decode(text, type=_Body)
        except StoreError as error:
            if error.code in ("NoSuchKey", "404"):
                return None
            raise
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise StateError(
                self._uri, f"does not hold the state of a load: {error}.", "Remove it, or give another `state_path`."
            ) from error
        return _StateObject(etag, body.owner, Attempt(*body.attempt), body.token, body.record)

    def _get(self) -> tuple[str, bytes]:
        answer = self._client.get_object(Bucket=self._bucket, Key=self._key)
        return answer["ETag"], answer["Body"].read()

    def _send(self, operation: str, **arguments: Any) -> Any:
        with going_on():
            return self._requests.send(operation, self._bucket, self._key, **arguments)

    def _read_if_allowed(self) -> _StateObject | None:
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

    def _superseded(self, newer: Attempt | None) -> SupersededError:
        message = f"A newer attempt owns this load, says {self._uri}: this attempt stops and changes nothing more."
        if newer is not None and self._is_newer(newer):
            message += f" The newer one is {newer}, and this one is {self._attempt}."
            if newer.run_began > self._attempt.run_began:
                message += (
                    f" If no newer one exists, the clock was set back. Then remove {self._uri} and clear the task. "
                    "Objects that only the other one wrote stay: delete them by hand."
                )
        return SupersededError(message)

    def _earlier_text(self, *, claim: bool = False) -> str | None:
        """Return the text that another store kept before.

        :param claim: claim the load there too. Airflow returns nothing to an attempt that was superseded, as if there
            were no text, and refuses what it sets.
        """
        is_retry = self._attempt.number > 1
        text: str | None = None

        def keep(earlier: str | None) -> str:
            nonlocal text
            text = earlier
            return LoadState().to_text() if earlier is None else earlier

        try:
            if self._earlier is not None and claim and is_retry:
                self._earlier.update(keep)
            elif self._earlier is not None:
                text = self._earlier.peek()
        except StateError:
            raise
        except StoreError:
            if is_retry:  # without what earlier attempts noted, their records would be there twice
                raise
            text = None
        if self._earlier is None and is_retry and not self._warned:
            self._warned = True
            log.warning(
                "This is a retry, and there is no %s yet. If earlier attempts ran without this `state_path`, nobody "
                "knows what they left: delete objects that are surplus by hand.",
                self._uri,
            )
        if text is not None:
            self._taken_from = self._earlier
        return text

    @property
    def _uri(self) -> str:
        return f"s3://{self._bucket}/{self._key}"
