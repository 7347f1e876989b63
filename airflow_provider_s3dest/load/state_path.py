"""The ``state_path`` argument: a folder of S3 for the states of loads, one object for each load."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_provider_s3dest.delivery.keys import LoadIdentity
from airflow_provider_s3dest.errors import Fault, short
from airflow_provider_s3dest.s3.uri import split_uri
from airflow_provider_s3dest.safe_text import has_credentials
from airflow_provider_s3dest.spec import path_template

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def faults(state_path: Any) -> Iterator[Fault]:
    """Yield what is wrong with the argument.

    :param state_path: ``s3://bucket/folder``, or a folder of the destination's bucket.
    """
    remedy = "Give s3://bucket/folder, or a folder of the destination's bucket."
    if not isinstance(state_path, str) or not state_path:
        yield Fault("state_path", f"is {short(state_path)}.", remedy)
        return
    bucket, folder = _split(state_path, "bucket")
    if not bucket or "@" in bucket or not folder or "://" in folder or folder.startswith("/") or "//" in folder:
        yield Fault("state_path", f"is {short(state_path)}.", remedy)
    elif has_credentials(state_path):
        yield Fault("state_path", "holds credentials or a signature.", remedy)
    elif _CONTROL.search(state_path) or not path_template.can_be_in_key(state_path):
        yield Fault("state_path", f"holds a character that no key should have: {short(state_path)}.", "Take it out.")
    if path_template.placeholders(state_path):
        yield Fault("state_path", f"holds braces: {state_path!r}.", "Placeholders work in `path` only.")


def faults_inside(state_path: str, bucket: Any, folders: Iterable[str]) -> Iterator[Fault]:
    """Yield a fault if the state would lie in a folder of the data, where readers of the data would find it.

    :param bucket: the bucket of the destination.
    :param folders: folders of the data, with their slashes; an empty text stands for no folder.
    """
    state_bucket, state_folder = _split(state_path, bucket)
    for folder in folders:
        if folder and state_bucket == bucket and f"{state_folder}/".startswith(folder):
            problem = f"is {state_path!r}, inside the folder {folder!r} of the data: readers would take it for data."
            yield Fault("state_path", problem, "Give a folder outside it.")
            return


def state_object(state_path: str, bucket: str, identity: LoadIdentity) -> tuple[str, str]:
    """Return bucket and key of the object that keeps the state of a load.

    :param bucket: the bucket of the destination, for a ``state_path`` that names none.
    """
    bucket, folder = _split(state_path, bucket)
    return bucket, f"{folder}/{identity.state_uuid}.json"


def _split(state_path: str, bucket: str) -> tuple[str, str]:
    if state_path.startswith("s3://"):
        bucket, state_path = split_uri(state_path)
    return bucket, state_path.removesuffix("/")
