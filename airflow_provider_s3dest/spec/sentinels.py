"""Marks for the value of an argument: not given, where None means something else; and not known yet."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Literal


class NotGiven(Enum):
    """The mark of an argument that was not given.

    It is an enum, so that the mark is the same object after a copy, a deep copy or a pickle.
    """

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "<not given>"

    __str__ = __repr__

    def __bool__(self) -> Literal[False]:
        return False


NOT_GIVEN: Final = NotGiven.NOT_GIVEN


def is_given(value: Any) -> bool:
    """Return whether an argument was given."""
    return value is not NOT_GIVEN


class Unknown(Enum):
    """The mark of a field that was given, but whose value is not known before Jinja is rendered."""

    UNKNOWN = "not known"


UNKNOWN: Final = Unknown.UNKNOWN
