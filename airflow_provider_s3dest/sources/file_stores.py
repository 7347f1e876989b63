"""What a place of staged files has to offer (``FileStore``), and the one that is the worker's own disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO, Protocol

from airflow_provider_s3dest.errors import ReplacedFileError, StagingError


class FileStore(Protocol):
    """A place that holds staged files."""

    def is_file(self, path: str) -> bool:
        """Return whether exactly this path is a file."""
        ...

    def below(self, folder: str) -> Iterator[str]:
        """Yield the paths of all files below a folder (which ends with ``/``), at any depth, in any order."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading; the reader can seek."""
        ...

    def size(self, path: str) -> int | None:
        """Return the size in bytes of a file that was found here; None if the store doesn't know it."""
        ...

    def version(self, path: str) -> str:
        """Return a text that changes when the file is changed or replaced; ask for it before the file is read.

        A store that refuses to read another version than the one that it found may return always that one.
        """
        ...

    def remove(self, path: str, version: str) -> bool:
        """Delete a file if it still has this version, and return whether it is gone."""
        ...


class LocalFiles:
    """Files of the worker's own disk."""

    def is_file(self, path: str) -> bool:
        return os.path.isfile(path)

    def below(self, folder: str) -> Iterator[str]:
        if os.path.isdir(folder or "."):
            yield from self._walk(folder, frozenset())

    def _walk(self, folder: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        """Yield the files of a folder and of those below it, links followed.

        :param above: device and inode of the folders above; a link back to one of them would be a loop.
        """
        try:
            status = os.stat(folder or ".")
            names = os.listdir(folder or ".")
        except OSError as error:
            raise StagingError(
                f"{folder} can't be listed: {error.strerror}. Check that the worker may read it."
            ) from error
        above |= {(status.st_dev, status.st_ino)}
        for path in (os.path.join(folder, name) for name in names):
            if not os.path.isdir(path):
                yield path
            elif ((inside := os.stat(path)).st_dev, inside.st_ino) not in above:
                yield from self._walk(path, above)

    def size(self, path: str) -> int:
        return _status(path).st_size

    def version(self, path: str) -> str:
        status = _status(path)
        return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"

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
            # To open a named pipe would wait for a writer.
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise StagingError(f"{path} is no regular file. Stage plain files.")
            return open(path, "rb")
        except OSError as error:
            raise StagingError(
                f"{path} can't be opened: {error.strerror}. Check that the worker may read it."
            ) from error


class ReadVersions:
    """The versions of the staged files of one load, each from before the file was first read.

    All that is read of a file must be of one version: a file that changes meanwhile is an error, never a mixture.
    """

    def __init__(self) -> None:
        self._noted: dict[str, tuple[FileStore, str]] = {}

    def note(self, store: FileStore, path: str) -> None:
        """Note the version of a file, unless it is noted already."""
        if path in self._noted:
            return
        try:
            version = store.version(path)
        except (FileNotFoundError, StagingError):
            version = ""  # to open the file raises the error that tells more
        self._noted[path] = store, version

    def check(self, path: str) -> None:
        """Check that a file still has the version that was noted.

        :raises ReplacedFileError: if it has another one, or is gone.
        """
        store, version = self._noted[path]
        try:
            is_same = store.version(path) == version
        except (FileNotFoundError, StagingError):
            is_same = False
        if not is_same:
            raise replaced(path)


def replaced(path: str) -> ReplacedFileError:
    """Return the error for a file that changed while it was read."""
    return ReplacedFileError(
        f"{path} was changed or replaced while it was read; another attempt reads it anew. "
        "Stage each file under another name, and rename it once it is whole."
    )


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise StagingError(f"{path} can't be read: {error.strerror}. Was it moved meanwhile?") from error
