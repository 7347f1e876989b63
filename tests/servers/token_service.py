"""Gives out temporary credentials, and stands before an S3 server that takes each set of them for a while only."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from tests.servers.endpoint import S3Endpoint
from tests.servers.fault_proxy import Answer, FaultProxy, Request, Send, refused

KEPT = 20
"""Sets of credentials after which an earlier one is taken no more; more than a client has requests under way."""

_SAID_TO_LAST = timedelta(minutes=5)
"""So short a time that botocore asks for new ones before each request: from ten minutes before they expire."""

_ROLE = "arn:aws:sts::123456789012:assumed-role/loader/session"


class TokenService:
    """The credentials of a role, from the token service of AWS (AssumeRole) or of a container (``/credentials``).

    :param way: the proxy through which both are asked for and S3 is reached.
    """

    def __init__(self, way: FaultProxy) -> None:
        self.way = way
        self.given_out = 0
        self._oldest = 1
        self._refuses = ""
        self._lock = threading.Lock()
        way.on_each(self._answer)

    @classmethod
    @contextmanager
    def before(cls, server: S3Endpoint) -> Iterator[TokenService]:
        """Stand before a server, which must not check signatures, until the block ends."""
        with FaultProxy.before(server) as way:
            yield cls(way)

    def give_out(self) -> dict[str, str]:
        """Give a new set of credentials, as a container gets it."""
        with self._lock:
            self.given_out += 1
            self._oldest = max(self._oldest, self.given_out - KEPT + 1)
            expiry = datetime.now(timezone.utc) + _SAID_TO_LAST
            return {
                "AccessKeyId": f"ASIA{self.given_out:016}",
                "SecretAccessKey": "secret",
                "Token": f"token-{self.given_out}",
                "Expiration": f"{expiry:%Y-%m-%dT%H:%M:%SZ}",
            }

    def expire(self) -> None:
        """Take nothing any more that was given out until now."""
        with self._lock:
            self._oldest = self.given_out + 1

    def refuse(self, code: str) -> None:
        """Give nothing out any more, and say why by an error code."""
        self._refuses = code

    def _answer(self, request: Request, send: Send) -> Answer:
        if request.target == "/credentials":
            return Answer(200, {"Content-Type": "application/json"}, json.dumps(self.give_out()).encode())
        if b"Action=AssumeRole" in request.body:
            return self._refusal() if self._refuses else _assumed(self.give_out())
        signed = re.search(r"Credential=ASIA(\d+)/", request.headers.get("Authorization", ""))
        number = int(signed[1]) if signed else 0
        if request.headers.get("X-Amz-Security-Token") != f"token-{number}":
            return refused(403, "InvalidAccessKeyId")(request, send)
        return refused(400, "ExpiredToken")(request, send) if number < self._oldest else send(request)

    def _refusal(self) -> Answer:
        error = f"<Error><Type>Sender</Type><Code>{self._refuses}</Code><Message>no</Message></Error>"
        return Answer(403, {}, f"<ErrorResponse>{error}</ErrorResponse>".encode())


def _assumed(credentials: dict[str, str]) -> Answer:
    """Answer as AssumeRole does (AWS Security Token Service API Reference)."""
    fields = {("SessionToken" if name == "Token" else name): value for name, value in credentials.items()}
    spelt = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    user = f"<AssumedRoleUser><Arn>{_ROLE}</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>"
    result = f"<AssumeRoleResult><Credentials>{spelt}</Credentials>{user}</AssumeRoleResult>"
    space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    return Answer(200, {}, f"<AssumeRoleResponse {space}>{result}</AssumeRoleResponse>".encode())
