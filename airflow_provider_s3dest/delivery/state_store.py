"""What a place that keeps the record of a load must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Attempt(NamedTuple):
    """Which try of a load this is; a greater one is newer.

    :param run_began: when the DAG run was started, in ISO 8601 in UTC: a run that is removed and made again counts
        its tries from 1 again. Empty where nothing counts tries, and then the later claim wins.
    :param number: number of the try within the run, from 1.
    """

    run_began: str = ""
    number: int = 1


UNCOUNTED = Attempt()
"""The try of a load whose tries nothing counts."""


class StateStore(Protocol):
    """Keeps one text for a load, over all its tries. Each write is fenced: a superseded try can't write."""

    durable: bool
    """Whether a later try will find what this one wrote."""

    in_order: bool
    """Whether a write that failed can't take effect after a later one."""

    def peek(self) -> str | None:
        """Read the text without taking the load over; None if there is none."""
        ...

    def update(self, change: Callable[[str | None], str]) -> None:
        """Take the load over: replace the text by what follows from it; None stands for no text.

        :param change: called again if another try writes in between.
        :raises SupersededError: if a newer try owns the load.
        """
        ...

    def write(self, text: str) -> None:
        """Replace the text that this try wrote last.

        :raises SupersededError: if another try has taken the load over.
        """
        ...

    def verify(self) -> None:
        """See that this try still owns the load.

        :raises SupersededError: if not.
        """
        ...


class NoState:
    """Keeps nothing: no other try learns what this one wrote."""

    durable = False
    in_order = True

    def peek(self) -> str | None:
        return None

    def update(self, change: Callable[[str | None], str]) -> None:
        change(None)

    def write(self, text: str) -> None:
        """Nothing is kept."""

    def verify(self) -> None:
        """Nothing can tell."""
