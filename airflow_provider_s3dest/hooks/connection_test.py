"""Tests a connection: writes an object where a load would write one, and removes it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from airflow_provider_s3dest.errors import StoreError
from airflow_provider_s3dest.s3.requests import S3Requests
from airflow_provider_s3dest.spec import DestinationSpec
from airflow_provider_s3dest.spec.path_template import prefix_of_text


def write_and_remove(client: Any, spec: DestinationSpec, path: str) -> tuple[bool, str]:
    """Write an empty object and remove it.

    :param client: the boto3 client.
    :param spec: the bucket, and the headers, metadata and tags of every object.
    :param path: template of the keys; the object lies in its fixed folder.
    :return: whether both requests succeeded, and a message for the user.
    :raises StoreError: if the object can't be written.
    """
    key = f"{prefix_of_text(path)}_s3dest-connection-test-{uuid4()}"
    requests = S3Requests(client)
    requests.send("PutObject", spec.bucket, key, Body=b"", **spec.put_arguments)
    try:
        requests.send("DeleteObject", spec.bucket, key)
    except StoreError as error:
        return False, f"{error} The empty object s3://{spec.bucket}/{key} remains."
    return True, f"Wrote and removed s3://{spec.bucket}/{key}."
