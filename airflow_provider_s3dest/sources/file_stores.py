"""Where staged files lie: the local disk and S3, listed and opened alike."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Protocol

from airflow_provider_s3dest.errors import StagingError

if TYPE_CHECKING:
    pass


class FileStore(Protocol):
    """A place that holds staged files."""

    def is_file(self, path: str) -> bool:
        """Say whether exactly this path is a file."""
        ...

    def below(self, folder: str) -> Iterator[str]:
        """Give the paths of all files below a folder (which ends with ``/``), at any depth, in any order."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading; the reader can seek."""
        ...

    def size(self, path: str) -> int | None:
        """Give the size in bytes of a file that was found here; None if the store doesn't tell."""
        ...

    def version(self, path: str) -> str:
        """Tell the content of a file, before it is read: what replaces the file later has another version."""
        ...

    def remove(self, path: str, version: str) -> bool:
        """Delete a file if it is still of this version, and say whether it is gone."""
        ...


class LocalFiles:
    """Files of the worker's own disk."""

    def is_file(self, path: str) -> bool:
        return os.path.isfile(path)

    def below(self, folder: str) -> Iterator[str]:
        if os.path.isdir(folder or "."):
            yield from self._walk(folder, frozenset())

    def _walk(self, folder: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        """Give the files of a folder and, links followed, of those below; a link back to one above is a loop."""
        try:
            own = os.stat(folder or ".")
            names = os.listdir(folder or ".")
        except OSError as error:
            raise StagingError(
                f"{folder} can't be listed: {error.strerror}. Check that the worker may read it."
            ) from error
        above |= {(own.st_dev, own.st_ino)}
        for path in (os.path.join(folder, name) for name in names):
            if not os.path.isdir(path):
                yield path
            elif ((inside := os.stat(path)).st_dev, inside.st_ino) not in above:
                yield from self._walk(path, above)

    def size(self, path: str) -> int:
        return _status(path).st_size

    def version(self, path: str) -> str:
        found = _status(path)
        return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"

    def remove(self, path: str, version: str) -> bool:
        try:
            if not os.path.lexists(path):
                return True
            if self.version(path) != version:
                return False
            os.remove(path)
        except OSError as error:
            raise StagingError(
                f"{path} is loaded and can't be deleted: {error.strerror}. Let the worker, and clear the task."
            ) from error
        return True

    def open(self, path: str) -> IO[bytes]:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise StagingError(f"{path} is no regular file. Stage plain files.")
            return open(path, "rb")
        except OSError as error:
            raise StagingError(
                f"{path} can't be opened: {error.strerror}. Check that the worker may read it."
            ) from error


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise StagingError(f"{path} can't be read: {error.strerror}. Was it moved meanwhile?") from error
