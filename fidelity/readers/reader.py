"""What a reader is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fidelity.kinds import Type


@dataclass(frozen=True)
class Column:
    """The column ``value`` of a file, behind a column ``id`` of texts.

    :param type: what it stands for.
    :param is_text: whether the file is JSON or Parquet and has its values as strings.
    """

    type: Type
    is_text: bool

    def is_base64(self, format_: str) -> bool:
        """Whether it is base64 that stands for bytes."""
        return self.type == "bytes" and (self.is_text or format_ != "parquet")


class Reader(Protocol):
    """Reads files with one engine or library."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def read(self, path: Path, format_: str, column: Column) -> list[Any]:
        """Give the values of the column in the order of ``id``, as Python values.

        What the reader has no type for comes as the text that the file holds.

        :raises Exception: of any kind, if the reader refuses the file.
        """
        ...
