"""The number of an attempt, by which attempts of a load are ordered."""

from __future__ import annotations

from typing import NamedTuple


class Attempt(NamedTuple):
    """One attempt of a load; a greater attempt is a newer one.

    :param run_began: when the DAG run was started, in ISO 8601 in UTC. A run that is deleted and created again counts
        its attempts from 1 again, so the number alone does not order them. Empty if attempts are not counted: then the
        later claim wins.
    :param number: number of the attempt within the run, from 1 (Airflow's ``try_number``).
    """

    run_began: str = ""
    number: int = 1

    def may_follow(self, other: Attempt) -> bool:
        """Return whether this may be a later attempt of the same task instance in the same Airflow.

        There, every attempt has a number of its own, unless the run was deleted and created again.
        """
        return not self.run_began or self.run_began == other.run_began or self.number > other.number

    def __str__(self) -> str:
        return f"attempt {self.number}" + (f" of the run that began at {self.run_began}" if self.run_began else "")


UNCOUNTED = Attempt()
"""Stands for any attempt of a load whose attempts are not counted."""
