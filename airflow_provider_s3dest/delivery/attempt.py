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


UNCOUNTED = Attempt()
"""Stands for any attempt of a load whose attempts are not counted."""
