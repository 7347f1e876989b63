"""The protocol of a store for the state of a load, and a store that keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class StateStore(Protocol):
    """Keeps one text for a load, over all its attempts.

    Each write is fenced: an attempt can't write any more once a newer attempt has claimed the load.
    """

    durable: bool
    """Whether a later attempt will find what this one wrote."""

    in_order: bool
    """Whether a write that failed can no longer take effect after a later write."""

    @property
    def is_open(self) -> bool:
        """Whether others can write the text that was read last: people and other loads."""
        ...

    @property
    def follows(self) -> bool:
        """Whether the attempt that wrote that text may be an earlier one of the same Airflow."""
        ...

    @property
    def where(self) -> str:
        """Where that text lies, for errors."""
        ...

    @property
    def remedy(self) -> str:
        """What to do about a text that is not the state of the load, for errors."""
        ...

    def peek(self) -> str | None:
        """Read the text without claiming the load; return None if there is no text."""
        ...

    def update(self, change: Callable[[str | None], str]) -> None:
        """Claim the load: replace the text by ``change(text)``, where None stands for no text.

        :param change: called again if another attempt writes in between.
        :raises SupersededError: if a newer attempt owns the load.
        """
        ...

    def write(self, text: str) -> None:
        """Replace the text that this attempt wrote last.

        :raises SupersededError: if another attempt has claimed the load.
        """
        ...

    def verify(self) -> None:
        """Check that this attempt still owns the load.

        :raises SupersededError: if it does not.
        """
        ...


class NoState:
    """Keeps nothing, so no later attempt learns what this one wrote."""

    durable = is_open = False
    in_order = follows = True
    where = remedy = ""

    def peek(self) -> str | None:
        return None

    def update(self, change: Callable[[str | None], str]) -> None:
        change(None)

    def write(self, text: str) -> None:
        """Keep nothing."""

    def verify(self) -> None:
        """Check nothing: no store knows who owns the load."""
