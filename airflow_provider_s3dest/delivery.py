"""Decides names, visibility and clean-up of a load's objects over all tries of its task instance.

A load goes through these steps, in this order: claim, then reserve before each batch, then publish, then commit.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a load: its key, the table and number of its records, and its bytes as stored."""

    key: str
    table: str
    records: int
    bytes: int


class Delivery(Protocol):
    """The steps of a delivery. Each may raise, and the load then fails without taking the next."""

    def claim(self) -> int:
        """Take the load over from earlier tries; gives the generation of names that this try uses."""
        ...

    def reserve(self, table: str, partition: str, batch: int) -> None:
        """Note that an object of this batch may exist from now on; called before anything of it is sent."""
        ...

    def publish(self) -> None:
        """Make all objects visible that are not yet; called once every object of the load is sent."""
        ...

    def commit(self, objects: Sequence[StoredObject]) -> None:
        """Note that the load is whole, and remove what earlier tries left beside it."""
        ...


class PlainDelivery:
    """Delivery without a record of what earlier tries wrote: every object is visible as soon as it is sent.

    It is exact for a replay of the same input, since that writes the same names and the same bytes.

    :param try_number: number of the try, from 1.
    """

    def __init__(self, try_number: int = 1) -> None:
        self._try_number = try_number

    def claim(self) -> int:
        if self._try_number > 1:
            log.warning(
                "This is try %d. Objects of earlier tries are overwritten if the input is the same; "
                "if it gave fewer batches this time, the surplus objects of earlier tries remain.",
                self._try_number,
            )
        return 0

    def reserve(self, table: str, partition: str, batch: int) -> None:
        """Nothing to note: no record is kept."""

    def publish(self) -> None:
        """Nothing to do: each object was visible as soon as it was sent."""

    def commit(self, objects: Sequence[StoredObject]) -> None:
        """Nothing to remove: what earlier tries wrote is not known."""
