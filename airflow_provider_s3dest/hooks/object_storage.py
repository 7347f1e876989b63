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


_SIZE_AND_TIME = ("size", "ino", "mtime", "modify", "modified", "lastmodified", "updated", "created")
_OF_CONTENT = ("etag", "generation", "versionid", "md5", "md5hash", "contentmd5", "crc32c", "digest", "checksum", "sha")
_TELL_VERSIONS = frozenset((*_SIZE_AND_TIME, *_OF_CONTENT))
"""What file systems of fsspec tell of a file that changes with its content, in lower case and without dashes. They tell
other things that change when a file is read (the time of access, in SFTP and SMB) or locked."""


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
        file.fs.invalidate_cache()
        info = file.fs.info(file.path)
        return repr(sorted((name, str(value)) for name, value in info.items() if _plain(name) in _TELL_VERSIONS))

    def remove(self, path: str, version: str) -> bool:
        file = _path(path)
        try:
            # Earlier releases took the hash of fsspec, which a state that waits for a retry may hold.
            if self.version(path) != version != str(file.fs.ukey(file.path)):
                return False
            file.unlink()
        except FileNotFoundError:
            return True
        return True


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


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
