"""Staged files on stores other than S3 and the local disk, through Airflow's ObjectStoragePath."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from airflow_provider_s3dest.errors import StagingError


class AirflowFiles:
    """Files of any scheme that Airflow knows, such as ``gs://conn@bucket/folder/``."""

    def is_file(self, path: str) -> bool:
        return bool(_path(path).is_file())

    def below(self, folder: str) -> Iterator[str]:
        base = _path(folder)
        listed: list[str] = base.fs.find(base.path)
        inside = base.path.rstrip("/") + "/"
        for found in listed:
            # File systems differ in whether they give a leading slash back.
            yield folder + found.removeprefix(inside).removeprefix(inside.lstrip("/"))

    def open(self, path: str) -> IO[bytes]:
        stream: IO[bytes] = _path(path).open("rb")
        return stream

    def size(self, path: str) -> int | None:
        found = _path(path)
        size: int | None = found.fs.size(found.path)
        return size

    def version(self, path: str) -> str:
        found = _path(path)
        return str(found.fs.ukey(found.path))

    def remove(self, path: str, version: str) -> bool:
        found = _path(path)
        try:
            found.fs.invalidate_cache()
            if self.version(path) != version:
                return False
            found.unlink()
        except FileNotFoundError:
            return True
        return True


def _path(path: str) -> Any:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        found = ObjectStoragePath(path)
        _ = found.fs  # Airflow 2.11 looks for the scheme no earlier
        return found
    except (ImportError, ValueError) as error:
        raise StagingError(
            f"{path} can't be opened: {error}. Install the provider or file system of its scheme."
        ) from error
