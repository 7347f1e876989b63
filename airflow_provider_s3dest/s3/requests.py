"""Sends requests to S3, each with retries and with errors that name the operation, the bucket and the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_s3dest.s3.errors import explained

if TYPE_CHECKING:
    from botocore.client import BaseClient

    from airflow_provider_s3dest.s3.retries import Retrier

T = TypeVar("T")


class S3Requests:
    """The requests of one client.

    :param client: the boto3 client.
    :param retrier: repeats requests that fail; without it, botocore's own retries are all.
    """

    def __init__(self, client: BaseClient, retrier: Retrier | None = None) -> None:
        self._client, self._retrier = client, retrier

    def send(self, operation: str, bucket: str, key: str, **arguments: Any) -> Any:
        """Send a request about one object and return S3's answer.

        :param operation: name in the S3 API, such as ``PutObject``.
        :param arguments: what the request holds besides ``Bucket`` and ``Key``, by boto3's names.
        :raises StoreError: if S3 refuses the request or can't be reached.
        """
        method = self.method(operation)
        return self.run(operation, bucket, key, lambda: method(Bucket=bucket, Key=key, **arguments))

    def method(self, operation: str) -> Callable[..., Any]:
        """Return the client's method for an operation.

        :param operation: name in the S3 API, such as ``PutObject``.
        """
        from botocore import xform_name  # by which botocore itself names the methods of a client

        method: Callable[..., Any] = getattr(self._client, xform_name(operation))
        return method

    def run(self, operation: str, bucket: str, key: str, request: Callable[[], T]) -> T:
        """Run a request that is more than one call with a bucket and a key, such as a download with its body.

        :param operation: name in the S3 API, for errors.
        :param bucket: name of the bucket, for errors.
        :param key: key or prefix, for errors.
        :param request: calls methods of the client; is called again for each retry.
        :return: what ``request`` returned.
        :raises StoreError: if S3 refuses the request or can't be reached.
        """

        def attempt() -> T:
            with explained(operation, bucket, key):
                return request()

        return attempt() if self._retrier is None else self._retrier(attempt)
