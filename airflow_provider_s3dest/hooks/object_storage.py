"""Reads and deletes staged files outside of S3 and the local disk, through Airflow's ObjectStoragePath."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from airflow_provider_s3dest.errors import StagingError
from airflow_provider_s3dest.load.inputs import FileStores


def file_stores(client: Any) -> FileStores:
    """Return the stores of staged files.

    :param client: the boto3 client that reads ``s3://``.
    """
    return FileStores(client, AirflowFiles)


class AirflowFiles:
    """Files of any scheme that Airflow knows, such as ``gs://conn@bucket/folder/``."""

    def is_file(self, path: str) -> bool:
        return bool(_path(path).is_file())

    def below(self, folder: str) -> Iterator[str]:
        base = _path(folder)
        listed: list[str] = base.fs.find(base.path)
        prefix = base.path.rstrip("/") + "/"
        for path in listed:
            # Some file systems return paths with a leading slash, others without.
            yield folder + path.removeprefix(prefix).removeprefix(prefix.lstrip("/"))

    def open(self, path: str) -> IO[bytes]:
        stream: IO[bytes] = _path(path).open("rb")
        return stream

    def size(self, path: str) -> int | None:
        file = _path(path)
        size: int | None = file.fs.size(file.path)
        return size

    def version(self, path: str) -> str:
        file = _path(path)
        return str(file.fs.ukey(file.path))

    def remove(self, path: str, version: str) -> bool:
        file = _path(path)
        try:
            file.fs.invalidate_cache()
            if self.version(path) != version:
                return False
            file.unlink()
        except FileNotFoundError:
            return True
        return True


def _path(path: str) -> Any:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        file = ObjectStoragePath(path)
        _ = file.fs  # Airflow 2.11 looks for the scheme only here
        return file
    except (ImportError, ValueError) as error:
        raise StagingError(
            f"{path} can't be opened: {error}. Install the provider or file system of its scheme."
        ) from error
