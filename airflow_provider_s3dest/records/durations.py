"""Formats durations as ISO 8601 does."""

from __future__ import annotations


def iso_duration(count: int, digits: int) -> str:
    """Format a duration as ISO 8601 does, in days, hours, minutes and seconds.

    :param count: the duration, in units of 10**-digits seconds.

    Example::

        >>> iso_duration(93_783_500_000, 6)
        'P1DT2H3M3.5S'
    """
    sign = "-" if count < 0 else ""
    seconds, fraction = divmod(abs(count), 10**digits)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    decimals = f".{fraction:0{digits}d}".rstrip("0") if fraction else ""
    clock = (
        f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes) + f"{seconds}{decimals}S" * bool(seconds or fraction)
    )
    if not (days or clock):
        return "PT0S"
    return f"{sign}P" + f"{days}D" * bool(days) + f"T{clock}" * bool(clock)
